// Draws an image to start a walk from. Meanwhile the worker encodes the drawing, and the stage shows its reconstruction.
import { paint } from "../model/engine";
import { element, throttled } from "../dom";
import type { Walk } from "./state";

export interface Paper {
  shape: [number, number, number];
  ground: number; // value of the background, 0 to 1
  use: string; // label of the button that uses the drawing
}

const ENCODE_INTERVAL = 60; // milliseconds between two encodings
const CANVAS_SIDE = 280; // pixels on the page, about
const BRUSHES: [string, number][] = [["fine pen", 0.6], ["medium pen", 1], ["bold pen", 1.7]];
const BRUSHES_ACROSS = 20; // the picture's side, in radii of the medium pen

// Draws a stroke of a soft round brush into `picture`: each pixel moves towards `ink` by the share that the brush covers.
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
        const [now, goal] = [picture[at] ?? 0, ink[i] ?? 0];
        const mixed = now + cover * (goal - now);
        // A stroke passes a pixel several times, and must never lighten what it has covered.
        if (Math.abs(mixed - goal) < Math.abs(now - goal)) picture[at] = mixed;
      }
    }
  }
}

export class Draw {
  private readonly canvas = element("canvas", { class: "paper", tabindex: "0", role: "img", "aria-label": "Draw here with the pointer" });
  private readonly colour = element("input", { type: "color", "aria-label": "Colour", value: "#ffffff" });
  private readonly brush = element("select", { "aria-label": "Brush" });
  private readonly use = element("button", { type: "button" });
  private readonly copyButton = element("button", { type: "button", hidden: "" }, "Copy current picture");
  private paper: Paper | undefined;
  private picture = new Float32Array();
  private empty = true;
  private encoding = false;
  private readonly encode = throttled(ENCODE_INTERVAL, () => void this.show());

  constructor(
    private readonly walk: Walk,
    private readonly host: HTMLElement,
    private readonly drawn: (pixels: string) => void,
  ) {
    this.brush.append(...BRUSHES.map(([name, size]) => element("option", { value: String(size) }, name)));
    this.brush.value = "1";
    const clear = element("button", { type: "button" }, "Clear");
    clear.onclick = () => this.clear();
    this.copyButton.onclick = () => this.copy();
    this.use.onclick = () => this.drawn(this.bytes());
    host.replaceChildren(this.canvas, element("div", { class: "tools" }, this.brush, this.colour, clear, this.copyButton, this.use));
    this.listen();
  }

  setPaper(paper: Paper): void {
    this.use.textContent = paper.use;
    this.copyButton.hidden = !this.walk.place; // a page without a walk has no picture to draw on
    if (this.paper && this.paper.shape.join() === paper.shape.join() && this.paper.ground === paper.ground) return;
    this.paper = paper;
    const [c, h, w] = paper.shape;
    const times = Math.max(1, Math.floor(CANVAS_SIDE / w));
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
    const radius = (Math.max(shape[1], shape[2]) / BRUSHES_ACROSS) * Number(this.brush.value);
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

  // Encodes the drawing and shows its reconstruction; if it has changed meanwhile, once more.
  private async show(): Promise<void> {
    if (this.encoding || this.empty || !this.walk.live) return;
    this.encoding = true;
    const shown = this.picture.slice();
    try {
      const code = await this.walk.encoded(shown);
      if (!this.empty) this.walk.preview(code);
    } catch {
      // the drawing can be used without a preview
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
