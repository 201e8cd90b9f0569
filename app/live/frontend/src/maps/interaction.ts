// What gestures and keys on a map do: point at images, select them, and move the map.
import type { Actions } from "./gestures";
import type { Panel } from "./panel";
import { box, caught, nearest, toward } from "./pick";
import type { Pointer } from "./pointer";
import type { Scene } from "./scene";
import type { Tool } from "./tools";
import { onMap, type Spot } from "./view";
import type { Zoom } from "./zoom";

const DOUBLE_CLICK = 260; // milliseconds within which a second click makes a double click

interface Hooks {
  token(): string | undefined; // of the maps; undefined until they are loaded
  select(points: readonly number[], add: boolean): void;
  openPlace(message: { token: string; panel: string; x: number; y: number }): void;
  announce(words: string): void; // to screen readers
}

export class Interaction {
  tool: Tool = "loop";
  private cursor = -1; // the point that the arrow keys have reached
  private click: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly scene: Scene,
    private readonly pointer: Pointer,
    private readonly zoom: Zoom,
    private readonly hooks: Hooks,
  ) {}

  actions(panel: Panel): Actions {
    const { pointer, zoom, hooks } = this;
    const tool = (): Tool => this.tool;
    return {
      get tool() {
        return tool();
      },
      point: (at, event) => pointer.aim(panel, at, event),
      leave: () => pointer.leave(),
      sketch: (corners, boxed) => {
        zoom.active = panel;
        pointer.leave();
        panel.sketch(outline(corners, boxed));
      },
      enclose: (corners, boxed, add) => {
        const places = outline(corners, boxed).map((corner) => onMap(panel.view, panel.side, corner));
        hooks.select(caught(panel.places, this.scene.selection.flags, places), add);
      },
      tap: (at, add) => this.tap(panel, at, add),
      pan: (dx, dy, stamp) => {
        pointer.leave();
        zoom.pan(panel, dx, dy, stamp);
      },
      zoom: (factor, at) => {
        clearTimeout(this.click);
        return zoom.zoom(factor, panel, at);
      },
      pinch: (factor, at, stamp) => zoom.pinch(panel, factor, at, stamp),
      hint: (words) => panel.hint(words),
      whole: () => zoom.reset(),
      step: (direction) => this.step(panel, direction),
      choose: (add) => {
        if (this.cursor >= 0) hooks.select([this.cursor], add);
      },
      clear: () => {
        pointer.leave();
        hooks.select([], false);
      },
    };
  }

  // Selects the point under a click; between the points, opens the place, unless a second click follows to zoom.
  private tap(panel: Panel, at: Spot, add: boolean): void {
    const token = this.hooks.token();
    if (token === undefined) return;
    this.zoom.active = panel;
    const point = this.pointer.under(panel, at);
    clearTimeout(this.click);
    if (point >= 0) this.hooks.select([point], add);
    else if (this.pointer.canDecode(panel)) {
      const [x, y] = onMap(panel.view, panel.side, at);
      this.click = setTimeout(() => this.hooks.openPlace({ token, panel: panel.data.id, x, y }), DOUBLE_CLICK);
    } else if (!add) this.hooks.select([], false);
  }

  // Moves the cursor to the next point in a direction.
  private step(panel: Panel, direction: Spot): void {
    const { selection } = this.scene;
    const { places, view } = panel;
    this.zoom.active = panel;
    const found = selection.shown(this.cursor)
      ? toward(places, selection.flags, this.cursor, direction)
      : nearest(places, selection.flags, [view.x, view.y], Infinity);
    if (found < 0) return;
    this.cursor = found;
    this.zoom.reveal(panel, [places[2 * found] ?? 0, places[2 * found + 1] ?? 0]);
    const { name, where } = this.pointer.words(found);
    this.hooks.announce([name, where, selection.has(found) ? "selected" : ""].filter(Boolean).join(", "));
    this.pointer.go(panel, found);
  }

  // For maps of other images.
  reset(): void {
    this.cursor = -1;
  }

  close(): void {
    clearTimeout(this.click);
  }
}

function outline(corners: Spot[], boxed: boolean): Spot[] {
  const [a, b] = corners;
  return boxed && a && b ? box(a, b) : corners;
}
