// Points on their way: to the map that replaces theirs, and from one map to another while they morph.
import { blended, calm, eased } from "./morph";
import type { Panel } from "./panel";

const TRAVELS = 600; // milliseconds, to the map that replaces theirs

export class Travel {
  away: Panel | undefined; // whose points morph
  private frame = 0;

  constructor(private readonly moved: (stamp: number) => void) {}

  // Each panel's points go to its own map.
  settle(panels: readonly Panel[]): void {
    cancelAnimationFrame(this.frame);
    const far = panels.filter(({ places, goal }) => places.length === goal.length && places.some((value, i) => value !== goal[i]));
    for (const panel of panels) if (!far.includes(panel) || calm()) panel.places = panel.goal;
    if (far.length === 0 || calm()) return;
    const from = far.map(({ places }) => places.slice());
    const begun = performance.now();
    const step = (now: number): void => {
      const t = Math.min(Math.max((now - begun) / TRAVELS, 0), 1);
      far.forEach((panel, i) => {
        panel.places = t < 1 ? blended(from[i] ?? panel.goal, panel.goal, eased(t), new Float32Array(panel.goal.length)) : panel.goal;
      });
      this.moved(now);
      if (t < 1) this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  // Shown in the map from which they travel, whose title says so.
  morph(panels: readonly Panel[], travel: { from: string; to: string; at: number } | undefined): void {
    const to = panels.find(({ told }) => told.id === travel?.to);
    for (const panel of panels) {
      const { told, goal } = panel;
      const travels = travel && to && told.id === travel.from && goal.length === to.goal.length;
      panel.name(travels ? `${told.title} → ${to.told.title}, ${Math.round(100 * travel.at)} %` : told.title);
      if (travels) {
        panel.places = blended(goal, to.goal, travel.at, panel.places === goal ? new Float32Array(goal.length) : panel.places);
        this.away = panel;
      } else if (this.away === panel) {
        panel.places = goal;
        this.away = undefined;
      }
    }
  }

  stop(): void {
    cancelAnimationFrame(this.frame);
  }
}
