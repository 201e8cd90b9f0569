// Animates points: to the map that replaces theirs, and from one map to another while they morph.
import { blended, reducedMotion, eased } from "./morph";
import type { Panel } from "./panel";

const DURATION = 600; // milliseconds, for points of a map that was replaced

export class Travel {
  away: Panel | undefined; // whose points morph
  private frame = 0;

  constructor(private readonly moved: (stamp: number) => void) {}

  // Moves each panel's points to their places on its map.
  settle(panels: readonly Panel[]): void {
    cancelAnimationFrame(this.frame);
    const travelling = panels.filter(({ places, goal }) => places.length === goal.length && places.some((value, i) => value !== goal[i]));
    for (const panel of panels) if (!travelling.includes(panel) || reducedMotion()) panel.places = panel.goal;
    if (travelling.length === 0 || reducedMotion()) return;
    const from = travelling.map(({ places }) => places.slice());
    const begun = performance.now();
    const step = (now: number): void => {
      const t = Math.min(Math.max((now - begun) / DURATION, 0), 1);
      travelling.forEach((panel, i) => {
        panel.places = t < 1 ? blended(from[i] ?? panel.goal, panel.goal, eased(t), new Float32Array(panel.goal.length)) : panel.goal;
      });
      this.moved(now);
      if (t < 1) this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  // Moves the points of the map that they travel from, and shows the progress in its title.
  morph(panels: readonly Panel[], travel: { from: string; to: string; at: number } | undefined): void {
    const to = panels.find(({ data }) => data.id === travel?.to);
    for (const panel of panels) {
      const { data, goal } = panel;
      const travels = travel && to && data.id === travel.from && goal.length === to.goal.length;
      panel.setTitle(travels ? `${data.title} → ${to.data.title}, ${Math.round(100 * travel.at)} %` : data.title);
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
