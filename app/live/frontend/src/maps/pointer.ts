// What is under the pointer or the keyboard's cursor: the point, marked in every map, and its tip.
import { FrameLoop } from "../model/engine";
import type { Arrays } from "./arrays";
import type { Between } from "./between";
import type { Panel, Scene } from "./panel";
import { nearest } from "./pick";
import { Tip } from "./tip";
import type { Told } from "./message";
import { onMap, scale, type Spot } from "./view";

const REACH = 12; // pixels within which a point is meant

interface Pointed {
  panel: Panel;
  at: Spot; // pixels of the panel
  page: Spot; // of the page
  touch: boolean;
  point: number | undefined; // where the keyboard says which
}

export class Pointer {
  hovered = -1;
  readonly tip = new Tip();
  private told: Told | undefined;
  private arrays: Arrays | undefined;
  private pointed: Pointed | undefined;
  private drawn = false; // the tip holds a picture of the place
  private waiting: string | undefined; // the panel whose model is on its way
  private readonly hover = new FrameLoop<Pointed | undefined>((pointed) => this.show(pointed));
  private readonly alive = new FrameLoop<Pointed>((pointed) => this.dream(pointed));

  constructor(
    private readonly host: HTMLElement,
    private readonly scene: Scene,
    private readonly between: Between,
    private readonly panels: () => readonly Panel[],
    private readonly away: () => Panel | undefined,
  ) {}

  set(told: Told, arrays: Arrays): void {
    Object.assign(this, { told, arrays });
  }

  // The point that is meant at a place of a panel: the picture there, or the nearest within reach.
  under(panel: Panel, at: Spot): number {
    const picture = panel.picture(at);
    if (picture >= 0) return picture;
    return nearest(panel.places, this.scene.chosen.flags, onMap(panel.view, panel.side, at), REACH / scale(panel.view, panel.side));
  }

  // Whether the place between the panel's points has a picture, here and now.
  dreams(panel: Panel): boolean {
    return this.between.has(panel.told.id) && panel !== this.away();
  }

  aim(panel: Panel, at: Spot, event: PointerEvent): void {
    if (!this.told) return;
    this.pointed = { panel, at, page: [event.clientX, event.clientY], touch: event.pointerType === "touch", point: undefined };
    this.hover.push(this.pointed, event.timeStamp);
    if (this.dreams(panel)) this.alive.push(this.pointed, event.timeStamp);
  }

  // To a point, without a hand.
  go(panel: Panel, point: number): void {
    const at = panel.spot(point);
    const frame = panel.frame.getBoundingClientRect();
    this.pointed = { panel, at, page: [frame.left + at[0], frame.top + at[1]], touch: false, point };
    this.hover.push(this.pointed, performance.now());
  }

  leave(): void {
    this.pointed = undefined;
    if (this.hovered >= 0 || this.tip.on) this.hover.push(undefined, performance.now());
  }

  private show(pointed: Pointed | undefined): void {
    if (!this.told) return;
    const point = pointed ? (pointed.point ?? this.under(pointed.panel, pointed.at)) : -1;
    this.hovered = point;
    this.host.dataset.hovered = String(point);
    for (const panel of this.panels()) panel.mark(point);
    if (!pointed) return this.tip.hide();
    const { panel } = pointed;
    const made = this.dreams(panel) && pointed.point === undefined;
    if (point < 0 && !made && !panel.told.nowhere) return this.tip.hide();
    const real = point < 0 ? undefined : { tile: this.scene.pictures.tile(point), ...this.words(point) };
    if (real && !real.tile) this.scene.pictures.ask([point]);
    this.tip.show(real, made ? "no image this near" : panel.told.nowhere, made);
    if (made && !this.drawn) this.tip.draw(undefined, this.maker(panel), "…");
    this.tip.place(...pointed.page, pointed.touch);
  }

  words(point: number): { name: string; where: string } {
    const { told, arrays } = this;
    const name = arrays?.labels ? (told?.label_names[arrays.labels[point] ?? 0] ?? "") : "";
    const origin = told?.origins[arrays?.origin[point] ?? 0] ?? "";
    return { name, where: `${origin} ${arrays?.index[point] ?? point}`.trim() };
  }

  private maker(panel: Panel): string {
    return this.between.throughDecoder(panel.told.id) ? "Drawn by the decoder" : "Drawn by PCA";
  }

  // What the place between the points stands for: made, not real.
  private async dream({ panel, at }: Pointed): Promise<void> {
    const picture = await this.between.picture(panel.told.id, onMap(panel.view, panel.side, at));
    if (!this.told || this.pointed?.panel !== panel || !this.dreams(panel)) return;
    this.drawn = picture !== undefined;
    this.tip.draw(picture, this.maker(panel), picture ? "for this place" : "one moment …");
    this.host.dataset.dreamt = String(this.drawn);
    if (picture === undefined && this.waiting !== panel.told.id) void this.await(panel);
  }

  // A hand that rests where it came before the model need not move again.
  private async await(panel: Panel): Promise<void> {
    this.waiting = panel.told.id;
    await this.between.ready(panel.told.id);
    this.waiting = undefined;
    if (this.told && this.pointed?.panel === panel && this.between.here(panel.told.id)) this.alive.push(this.pointed, performance.now());
  }

  close(): void {
    this.told = undefined;
    this.tip.hide();
  }
}
