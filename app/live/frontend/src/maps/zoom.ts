// Zooming and panning the maps, all together or each by itself.
import { Glide } from "./glide";
import type { Panel } from "./panel";
import { CLOSEST, moved, onMap, revealing, scale, type Spot, type View, WHOLE, zoomed } from "./view";

export class Zoom {
  together = true;
  active: Panel | undefined; // the map that was touched last
  private readonly glide = new Glide();

  constructor(
    private readonly panels: () => readonly Panel[],
    private readonly changed: (stamp: number) => void, // called after a view has changed
  ) {}

  // The map that buttons zoom.
  private get current(): Panel | undefined {
    return this.active ?? this.panels()[0];
  }

  // Whether every map is as close, and as far, as it can be.
  get limits(): [boolean, boolean] {
    const zooms = this.panels().map(({ view }) => view.zoom);
    return [zooms.every((zoom) => zoom >= CLOSEST), zooms.every((zoom) => zoom <= 1)];
  }

  // Zooms all maps together, beginning with the view of the current one, or each by itself.
  join(together: boolean): void {
    this.together = together;
    this.glide.stop();
    if (together) this.show(undefined, this.current?.view ?? WHOLE, performance.now());
  }

  // Shows a view in the map, or in all of them if they zoom together; whether that changed anything.
  private show(panel: Panel | undefined, view: View, stamp: number): boolean {
    const affected = this.panels().filter((other) => this.together || other === panel);
    const different = affected.filter((other) => other.view !== view);
    const same = affected.every(({ view: { zoom, x, y } }) => zoom === view.zoom && x === view.x && y === view.y);
    if (same || different.length === 0) return false;
    for (const other of different) other.view = view;
    this.changed(stamp);
    return true;
  }

  // Zooms about a place on the screen, or the middle; false if the map is at its limit.
  zoom(factor: number, panel = this.current, at?: Spot): boolean {
    if (!panel) return false;
    if (this.active !== panel) this.glide.stop();
    this.active = panel;
    const view = this.glide.to ?? panel.view;
    const to = zoomed(view, factor, at ? onMap(view, panel.side, at) : [view.x, view.y]);
    if (to.zoom === view.zoom) return false;
    this.glide.go(to, () => panel.view, (next, stamp) => this.show(panel, next, stamp));
    return true;
  }

  pinch(panel: Panel, factor: number, at: Spot, stamp: number): void {
    this.show(panel, zoomed(panel.view, factor, onMap(panel.view, panel.side, at)), stamp);
  }

  // Moves the map by pixels of the page.
  pan(panel: Panel, dx: number, dy: number, stamp: number): void {
    this.active = panel;
    this.glide.stop();
    const by = scale(panel.view, panel.side);
    this.show(panel, moved(panel.view, -dx / by, dy / by), stamp);
  }

  // Moves the map until the place is in sight.
  reveal(panel: Panel, place: Spot): void {
    this.glide.stop();
    this.show(panel, revealing(panel.view, place), performance.now());
  }

  // Shows the whole map.
  reset(): void {
    this.glide.stop();
    this.show(this.current, WHOLE, performance.now());
  }

  forget(panel: Panel): void {
    if (this.active === panel) this.active = undefined;
  }

  stop(): void {
    this.glide.stop();
  }
}
