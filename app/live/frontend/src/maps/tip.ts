// What is under the pointer, beside it: the image of the point, and the picture that stands for the place between the points.
// Its size depends on the map alone, so it does not jump from point to point; it changes sides only where it would be cut off.
import { type Tensor, rgba } from "../model/engine";
import { element } from "../dom";
import { drawTile, type Tile } from "./raster";

const LARGE = 72; // pixels of the page that an image may take
const APART = 18;

export interface Real {
  tile: Tile | undefined;
  name: string;
  where: string;
}

class Cell {
  readonly canvas = element("canvas", { "aria-hidden": "true" });
  readonly name = element("b");
  readonly words = element("span");
  readonly root: HTMLElement;

  constructor(kind: string) {
    this.root = element("div", { class: `cell ${kind}` }, this.canvas, element("p", {}, this.name, this.words));
  }

  say(name: string, words: string): void {
    if (this.name.textContent !== name) this.name.textContent = name;
    if (this.words.textContent !== words) this.words.textContent = words;
  }

  // Whole device pixels for each of the picture's.
  fit(h: number, w: number): void {
    const fine = window.devicePixelRatio || 1;
    const times = Math.max(1, Math.floor((LARGE * fine) / Math.max(h, w))) / fine;
    Object.assign(this.canvas.style, { width: `${w * times}px`, height: `${h * times}px` });
    if (this.canvas.width !== w || this.canvas.height !== h) Object.assign(this.canvas, { width: w, height: h });
  }

  blank(): void {
    this.canvas.getContext("2d")?.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }
}

export class Tip {
  readonly root = element("div", { class: "tip", "aria-hidden": "true" });
  private readonly real = new Cell("real");
  private readonly made = new Cell("made");
  private size: [number, number] = [1, 1];
  private right = true;
  private below = true;

  constructor() {
    this.root.append(this.real.root, this.made.root);
  }

  fit(h: number, w: number): void {
    this.size = [h, w];
    this.real.fit(h, w);
    this.made.fit(h, w);
  }

  // `words` stand where there is no image within reach.
  show(real: Real | undefined, words: string, withMade: boolean): void {
    const [h, w] = this.size;
    this.root.classList.add("on");
    this.made.root.hidden = !withMade;
    this.real.root.classList.toggle("empty", !real);
    this.real.say(real?.name ?? "", real?.where ?? words);
    const context = this.real.canvas.getContext("2d");
    if (!real?.tile) return this.real.blank();
    const image = new ImageData(w, h);
    drawTile({ pixels: new Uint32Array(image.data.buffer), width: w, side: Math.max(w, h), margin: 0 }, real.tile, h, w, 1, 0, 0, 0, 0);
    context?.putImageData(image, 0, 0);
  }

  draw(picture: Tensor | undefined, name: string, words: string): void {
    this.made.say(name, words);
    this.made.root.classList.toggle("empty", !picture);
    if (!picture) return this.made.blank();
    const [c = 1, h = 1, w = 1] = picture.dims.slice(-3);
    const image = new ImageData(w, h);
    rgba(picture.data, 0, c, h * w, image.data);
    this.made.fit(h, w);
    this.made.canvas.getContext("2d")?.putImageData(image, 0, 0);
  }

  get on(): boolean {
    return this.root.classList.contains("on");
  }

  hide(): void {
    this.root.classList.remove("on");
  }

  // Beside a place of the page, `touch` above it: a finger hides what is below.
  place(x: number, y: number, touch: boolean): void {
    const [width, height] = [this.root.offsetWidth, this.root.offsetHeight];
    const [most, low] = [document.documentElement.clientWidth, window.innerHeight];
    if (x + APART + width > most - 4) this.right = false;
    else if (x - APART - width < 4) this.right = true;
    if (y + APART + height > low - 4) this.below = false;
    else if (y - APART - height < 4) this.below = true;
    const up = touch ? y - 2.5 * APART - height >= 4 : !this.below;
    const beside = touch ? x - width / 2 : this.right ? x + APART : x - APART - width;
    const left = Math.min(Math.max(beside, 4), most - width - 4);
    const top = up ? y - (touch ? 2.5 : 1) * APART - height : y + APART;
    this.root.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }
}
