// The tip beside the pointer: the image of the point under it, and the picture for the place itself.
// Its size is the same for all points, so that it does not jump; it changes sides only where it would be cut off.
import { type Tensor, rgba } from "../model/engine";
import { element } from "../dom";
import { drawTile, type Tile } from "./raster";

const IMAGE_SIDE = 72; // at most, in pixels of the page
const POINTER_DISTANCE = 18; // pixels

export interface ImageInfo {
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

  setText(name: string, words: string): void {
    if (this.name.textContent !== name) this.name.textContent = name;
    if (this.words.textContent !== words) this.words.textContent = words;
  }

  // Enlarges the picture by a whole number of device pixels.
  fit(h: number, w: number): void {
    const ratio = window.devicePixelRatio || 1;
    const times = Math.max(1, Math.floor((IMAGE_SIDE * ratio) / Math.max(h, w))) / ratio;
    Object.assign(this.canvas.style, { width: `${w * times}px`, height: `${h * times}px` });
    if (this.canvas.width !== w || this.canvas.height !== h) Object.assign(this.canvas, { width: w, height: h });
  }

  blank(): void {
    this.canvas.getContext("2d")?.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }
}

export class Tip {
  readonly root = element("div", { class: "tip", "aria-hidden": "true" });
  private readonly image = new Cell("real");
  private readonly decoded = new Cell("made");
  private size: [number, number] = [1, 1];
  private right = true;
  private below = true;

  constructor() {
    this.root.append(this.image.root, this.decoded.root);
  }

  fit(h: number, w: number): void {
    this.size = [h, w];
    this.image.fit(h, w);
    this.decoded.fit(h, w);
  }

  // Shows the image, or `words` if there is none within reach.
  show(image: ImageInfo | undefined, words: string, withDecoded: boolean): void {
    const [h, w] = this.size;
    this.root.classList.add("on");
    this.decoded.root.hidden = !withDecoded;
    this.image.root.classList.toggle("empty", !image);
    this.image.setText(image?.name ?? "", image?.where ?? words);
    const context = this.image.canvas.getContext("2d");
    if (!image?.tile) return this.image.blank();
    const pixels = new ImageData(w, h);
    drawTile({ pixels: new Uint32Array(pixels.data.buffer), width: w, side: Math.max(w, h), margin: 0 }, image.tile, h, w, 1, 0, 0, 0, 0);
    context?.putImageData(pixels, 0, 0);
  }

  // Shows the picture for the place.
  draw(picture: Tensor | undefined, name: string, words: string): void {
    this.decoded.setText(name, words);
    this.decoded.root.classList.toggle("empty", !picture);
    if (!picture) return this.decoded.blank();
    const [c = 1, h = 1, w = 1] = picture.dims.slice(-3);
    const image = new ImageData(w, h);
    rgba(picture.data, 0, c, h * w, image.data);
    this.decoded.fit(h, w);
    this.decoded.canvas.getContext("2d")?.putImageData(image, 0, 0);
  }

  get on(): boolean {
    return this.root.classList.contains("on");
  }

  hide(): void {
    this.root.classList.remove("on");
  }

  // Places the tip beside a place of the page; above it for `touch`, since a finger hides what is below.
  place(x: number, y: number, touch: boolean): void {
    const [width, height] = [this.root.offsetWidth, this.root.offsetHeight];
    const [most, low] = [document.documentElement.clientWidth, window.innerHeight];
    if (x + POINTER_DISTANCE + width > most - 4) this.right = false;
    else if (x - POINTER_DISTANCE - width < 4) this.right = true;
    if (y + POINTER_DISTANCE + height > low - 4) this.below = false;
    else if (y - POINTER_DISTANCE - height < 4) this.below = true;
    const up = touch ? y - 2.5 * POINTER_DISTANCE - height >= 4 : !this.below;
    const beside = touch ? x - width / 2 : this.right ? x + POINTER_DISTANCE : x - POINTER_DISTANCE - width;
    const left = Math.min(Math.max(beside, 4), most - width - 4);
    const top = up ? y - (touch ? 2.5 : 1) * POINTER_DISTANCE - height : y + POINTER_DISTANCE;
    this.root.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }
}
