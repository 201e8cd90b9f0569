// The point under the pointer or the keyboard's cursor: marks it in all maps and shows the tip.
import { FrameLoop } from "../model/engine";
import type { Arrays } from "./arrays";
import type { Inverses } from "./inverse";
import type { Panel } from "./panel";
import { nearest } from "./pick";
import type { Scene } from "./scene";
import { Tip } from "./tip";
import type { Message } from "./message";
import { onMap, scale, type Spot } from "./view";

const REACH = 12; // pixels within which the nearest point counts as under the pointer

interface Pointed {
  panel: Panel;
  at: Spot; // pixels of the panel
  page: Spot; // of the page
  touch: boolean;
  point: number | undefined; // only from the keyboard
}

export class Pointer {
  hovered = -1;
  readonly tip = new Tip();
  private message: Message | undefined;
  private arrays: Arrays | undefined;
  private pointed: Pointed | undefined;
  private pictureShown = false; // whether the tip holds a picture for the place
  private waiting: string | undefined; // the panel whose model is being loaded
  private readonly hoverLoop = new FrameLoop<Pointed | undefined>((pointed) => this.show(pointed));
  private readonly decodeLoop = new FrameLoop<Pointed>((pointed) => this.decode(pointed));

  constructor(
    private readonly host: HTMLElement,
    private readonly scene: Scene,
    private readonly inverses: Inverses,
    private readonly panels: () => readonly Panel[],
    private readonly away: () => Panel | undefined,
  ) {}

  set(message: Message, arrays: Arrays): void {
    Object.assign(this, { message, arrays });
  }

  // The point under a place of a panel: the thumbnail there, or the nearest point within reach; -1 if none.
  under(panel: Panel, at: Spot): number {
    const picture = panel.picture(at);
    if (picture >= 0) return picture;
    return nearest(panel.places, this.scene.selection.flags, onMap(panel.view, panel.side, at), REACH / scale(panel.view, panel.side));
  }

  // Whether the panel has pictures for places between its points.
  canDecode(panel: Panel): boolean {
    return this.inverses.has(panel.data.id) && panel !== this.away();
  }

  aim(panel: Panel, at: Spot, event: PointerEvent): void {
    if (!this.message) return;
    this.pointed = { panel, at, page: [event.clientX, event.clientY], touch: event.pointerType === "touch", point: undefined };
    this.hoverLoop.push(this.pointed, event.timeStamp);
    if (this.canDecode(panel)) this.decodeLoop.push(this.pointed, event.timeStamp);
  }

  // Points at a point from the keyboard.
  go(panel: Panel, point: number): void {
    const at = panel.spot(point);
    const frame = panel.frame.getBoundingClientRect();
    this.pointed = { panel, at, page: [frame.left + at[0], frame.top + at[1]], touch: false, point };
    this.hoverLoop.push(this.pointed, performance.now());
  }

  leave(): void {
    this.pointed = undefined;
    if (this.hovered >= 0 || this.tip.on) this.hoverLoop.push(undefined, performance.now());
  }

  private show(pointed: Pointed | undefined): void {
    if (!this.message) return;
    const point = pointed ? (pointed.point ?? this.under(pointed.panel, pointed.at)) : -1;
    this.hovered = point;
    this.host.dataset.hovered = String(point);
    for (const panel of this.panels()) panel.mark(point);
    if (!pointed) return this.tip.hide();
    const { panel } = pointed;
    const decoded = this.canDecode(panel) && pointed.point === undefined;
    if (point < 0 && !decoded && !panel.data.nowhere) return this.tip.hide();
    const image = point < 0 ? undefined : { tile: this.scene.pictures.tile(point), ...this.words(point) };
    if (image && !image.tile) this.scene.pictures.request([point]);
    this.tip.show(image, decoded ? "no image this near" : panel.data.nowhere, decoded);
    if (decoded && !this.pictureShown) this.tip.draw(undefined, this.decoderName(panel), "…");
    this.tip.place(...pointed.page, pointed.touch);
  }

  words(point: number): { name: string; where: string } {
    const { message, arrays } = this;
    const name = arrays?.labels ? (message?.label_names[arrays.labels[point] ?? 0] ?? "") : "";
    const origin = message?.origins[arrays?.origin[point] ?? 0] ?? "";
    return { name, where: `${origin} ${arrays?.index[point] ?? point}`.trim() };
  }

  private decoderName(panel: Panel): string {
    return this.inverses.throughDecoder(panel.data.id) ? "Drawn by the decoder" : "Drawn by PCA";
  }

  // Shows the picture for the place, drawn by the decoder or PCA.
  private async decode({ panel, at }: Pointed): Promise<void> {
    const picture = await this.inverses.picture(panel.data.id, onMap(panel.view, panel.side, at));
    if (!this.message || this.pointed?.panel !== panel || !this.canDecode(panel)) return;
    this.pictureShown = picture !== undefined;
    this.tip.draw(picture, this.decoderName(panel), picture ? "for this place" : "one moment …");
    this.host.dataset.dreamt = String(this.pictureShown);
    if (picture === undefined && this.waiting !== panel.data.id) void this.retryWhenReady(panel);
  }

  // Shows the picture once the model is loaded, even if the pointer does not move again.
  private async retryWhenReady(panel: Panel): Promise<void> {
    this.waiting = panel.data.id;
    await this.inverses.ready(panel.data.id);
    this.waiting = undefined;
    if (this.message && this.pointed?.panel === panel && this.inverses.isReady(panel.data.id)) this.decodeLoop.push(this.pointed, performance.now());
  }

  close(): void {
    this.message = undefined;
    this.tip.hide();
  }
}
