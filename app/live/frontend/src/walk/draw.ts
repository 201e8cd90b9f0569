// A drawing to start from: while it is drawn, its code is found in the worker and the stage shows what the model makes of it.
import { paint } from "../model/engine";
import { element, throttled } from "../dom";
import type { Walk } from "./state";

export interface Paper {
  shape: [number, number, number];
  ground: number; // 0 to 1: what an empty picture of this run looks like
  use: string; // what becomes of a drawing, on the button
}

const ENCODE_RESTS = 60; // milliseconds between two encodings
const SIDE = 280; // pixels on the page, about
const BRUSHES: [string, number][] = [["fine pen", 0.6], ["usual pen", 1], ["bold pen", 1.7]];
const ROUND = 20; // the usual brush's radius is this part of the picture's side

// A soft round brush between two points: pixels go towards `ink` by how much of the brush covers them. Pure.
export function stroke(
  picture: Float32Array, [c, h, w]: [number, number, number], from: [number, number], to: [number, number], radius: number, ink: number[],
): void {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const length = dx * dx + dy * dy;
  for (let y = 0; y < h; y += 1) {
    for (let x = 0; x < w; x += 1) {
      const [px, py] = [x + 0.5 - from[0], y + 0.5 - from[1]];
      const t = length > 0 ? Math.min(Math.max((px * dx + py * dy) / length, 0), 1) : 0;
      const apart = Math.hypot(px - t * dx, py - t * dy);
      const cover = Math.min(Math.max(radius + 0.5 - apart, 0), 1);
      if (cover === 0) continue;
      for (let i = 0; i < c; i += 1) {
        const at = i * h * w + y * w + x;
        const [now, wanted] = [picture[at] ?? 0, ink[i] ?? 0];
        const there = now + cover * (wanted - now);
        // A stroke passes a pixel several times as it goes on: it never takes back what it has covered.
        if (Math.abs(there - wanted) < Math.abs(now - wanted)) picture[at] = there;
      }
    }
  }
}

export class Draw {
  private readonly canvas = element("canvas", { class: "paper", tabindex: "0", role: "img", "aria-label": "Draw here with the pointer" });
  private readonly colour = element("input", { type: "color", "aria-label": "Colour", value: "#ffffff" });
  private readonly brush = element("select", { "aria-label": "Brush" });
  private readonly use = element("button", { type: "button" });
  private readonly from = element("button", { type: "button", hidden: "" }, "From the picture");
  private paper: Paper | undefined;
  private picture = new Float32Array();
  private empty = true;
  private encoding = false;
  private readonly encode = throttled(ENCODE_RESTS, () => void this.show());

  constructor(
    private readonly walk: Walk,
    private readonly host: HTMLElement,
    private readonly drawn: (pixels: string) => void,
  ) {
    this.brush.append(...BRUSHES.map(([name, size]) => element("option", { value: String(size) }, name)));
    this.brush.value = "1";
    const clear = element("button", { type: "button" }, "Clear");
    clear.onclick = () => this.clear();
    this.from.onclick = () => this.copy();
    this.use.onclick = () => this.drawn(this.bytes());
    host.replaceChildren(this.canvas, element("div", { class: "tools" }, this.brush, this.colour, clear, this.from, this.use));
    this.listen();
  }

  offer(paper: Paper): void {
    this.use.textContent = paper.use;
    this.from.hidden = !this.walk.place; // a page without a walk has no picture to draw on
    if (this.paper && this.paper.shape.join() === paper.shape.join() && this.paper.ground === paper.ground) return;
    this.paper = paper;
    const [c, h, w] = paper.shape;
    const times = Math.max(1, Math.floor(SIDE / w));
    Object.assign(this.canvas.style, { width: `${times * w}px`, height: `${times * h}px` });
    this.colour.hidden = c !== 3;
    this.clear();
    this.host.dataset.ready = "true";
  }

  private clear(): void {
    const { shape, ground } = this.paper ?? { shape: [1, 1, 1], ground: 0 };
    this.picture = new Float32Array(shape[0] * shape[1] * shape[2]).fill(ground);
    this.changed(true);
    this.walk.preview(undefined);
  }

  private copy(): void {
    const { picture } = this.walk;
    if (picture?.length !== this.picture.length) return;
    this.picture = picture.slice();
    this.changed(false);
  }

  private listen(): void {
    const { canvas } = this;
    let last: [number, number] | undefined;
    canvas.onpointerdown = (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      last = this.at(event);
      this.stroke(last, last);
    };
    canvas.onpointermove = (event) => {
      if (!last) return;
      for (const part of event.getCoalescedEvents?.() ?? [event]) {
        const here = this.at(part);
        this.stroke(last, here);
        last = here;
      }
    };
    canvas.onpointerup = canvas.onpointercancel = () => (last = undefined);
  }

  private at(event: PointerEvent): [number, number] {
    const box = this.canvas.getBoundingClientRect();
    const [, h, w] = this.paper?.shape ?? [1, 1, 1];
    return [((event.clientX - box.left) / box.width) * w, ((event.clientY - box.top) / box.height) * h];
  }

  private stroke(from: [number, number], to: [number, number]): void {
    if (!this.paper) return;
    const { shape, ground } = this.paper;
    const radius = (Math.max(shape[1], shape[2]) / ROUND) * Number(this.brush.value);
    const ink = shape[0] === 3 ? rgb(this.colour.value) : [ground < 0.5 ? 1 : 0];
    stroke(this.picture, shape, from, to, radius, ink);
    this.changed(false);
  }

  private changed(empty: boolean): void {
    this.empty = empty;
    this.use.disabled = empty;
    if (this.paper) paint(this.canvas, { data: this.picture, dims: this.paper.shape });
    if (!empty) this.encode();
  }

  // The latest drawing only: while one is encoded, others wait, and of those the last.
  private async show(): Promise<void> {
    if (this.encoding || this.empty || !this.walk.live) return;
    this.encoding = true;
    const shown = this.picture.slice();
    try {
      const code = await this.walk.encoded(shown);
      if (!this.empty) this.walk.preview(code);
    } catch {
      // without its preview the drawing can still be used
    }
    this.encoding = false;
    if (shown.some((value, i) => value !== this.picture[i])) this.encode();
  }

  private bytes(): string {
    let text = "";
    for (const byte of Uint8ClampedArray.from(this.picture, (value) => value * 255)) text += String.fromCharCode(byte);
    return btoa(text);
  }

  close(): void {
    this.empty = true;
    this.walk.preview(undefined);
  }
}

function rgb(hex: string): number[] {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255);
}
