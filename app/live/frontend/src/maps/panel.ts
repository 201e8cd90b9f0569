// One map: its title and figures, the square of points, and the marks over it.
import { element } from "../dom";
import { HIDDEN, SELECTED } from "./pick";
import { type Dots, drawDots, drawTile, type Plane, stamps, type Where } from "./raster";
import { Packing } from "./packing";
import { figureElement } from "./figures";
import { drawNames, drawOwn } from "./labels";
import type { PanelData, Shape } from "./message";
import { NARROW, type Scene } from "./scene";
import { EDGE, onScreen, scale, type Spot, type View, WHOLE } from "./view";

const THUMBNAIL_SIDE = 28; // with its frame, in pixels of the page, about
const MAX_REQUESTED = 48; // points whose pictures are requested at once

const SIZES = 8; // sizes of dots per pixel, for zooming
const FEW_POINTS = 700;
const MANY_POINTS = 20_000;

// The radius of a dot in pixels of the page: smaller for more points, larger for a closer zoom.
export function radius(n: number, side: number, zoom: number, thumbnails: boolean): number {
  const plain = n <= FEW_POINTS ? 3.4 : n <= 5000 ? 2.8 : n <= MANY_POINTS ? 2.1 : 1.6;
  return plain * (thumbnails && n <= 5000 ? 0.62 : 1) * (side < NARROW ? 0.85 : 1) * Math.min(zoom ** 0.3, 2);
}

export class Panel {
  readonly frame: HTMLElement;
  readonly root: HTMLElement;
  view: View = WHOLE;
  goal: Float32Array = new Float32Array(); // places of the points on this map
  places: Float32Array = new Float32Array(); // places as drawn, which differ from `goal` while points travel
  colour: Uint8Array | undefined;
  side = 0;

  private readonly title = element("h3");
  private readonly note = element("p", { class: "note" });
  private readonly canvas = element("canvas", { "aria-hidden": "true" });
  private readonly ring = element("i", { class: "ring", hidden: "" });
  private readonly chosen = element("i", { class: "ring chosen", hidden: "" });
  private readonly figures = element("dl", { class: "figures" });
  private readonly outline = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  private readonly line = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
  private image: ImageData | undefined;
  private plane: Plane = { pixels: new Uint32Array(), width: 0, side: 0, margin: 0 };
  private pictured: number[] = []; // points drawn as thumbnails, the first on top
  private readonly pictures = new Set<number>();
  wanted: number[] = []; // points to draw as thumbnails once their pictures are loaded, the most wanted first
  private tile: [number, number] = [1, 1]; // height and width of a picture
  private times = 1; // enlargement of thumbnails, in device pixels
  private shownFigures = "";

  constructor(public data: PanelData) {
    this.outline.setAttribute("class", "outline");
    this.outline.setAttribute("aria-hidden", "true");
    this.outline.append(this.line);
    this.frame = element(
      "div",
      { class: "frame waiting", tabindex: "0", role: "application", "aria-roledescription": "map" },
      this.canvas, this.chosen, this.ring,
    );
    this.frame.append(this.outline);
    this.root = element("section", { class: "panel" }, element("header", {}, this.title, this.note), this.frame, this.figures);
    this.receive(data);
  }

  receive(data: PanelData): void {
    this.data = data;
    this.setTitle(data.title);
    this.note.textContent = data.note;
    this.frame.setAttribute("aria-label", data.alt);
    const shownFigures = JSON.stringify(data.figures);
    if (shownFigures === this.shownFigures) return;
    this.shownFigures = shownFigures;
    this.figures.replaceChildren(...data.figures.map((figure, i) => figureElement(figure, `${data.id}-${i}`)));
  }

  setTitle(title: string): void {
    if (this.title.textContent !== title) this.title.textContent = title;
  }

  // --- where things are

  spot(point: number): Spot {
    return onScreen(this.view, this.side, [this.places[2 * point] ?? 0, this.places[2 * point + 1] ?? 0]);
  }

  // The thumbnail under a place of the screen, or -1.
  picture([x, y]: Spot): number {
    const fine = window.devicePixelRatio || 1;
    const [across, down] = this.thumb();
    return this.pictured.find((point) => {
      const [a, b] = this.spot(point);
      return Math.abs(a - x) * fine <= across / 2 && Math.abs(b - y) * fine <= down / 2;
    }) ?? -1;
  }

  // Width and height of a thumbnail with its frame, in device pixels.
  private thumb(): [number, number] {
    return [this.tile[1] * this.times + 2 * this.times, this.tile[0] * this.times + 2 * this.times];
  }

  // --- drawing

  private resize(): boolean {
    const side = this.frame.clientWidth;
    if (side === 0) return false;
    const pixels = Math.round(side * (window.devicePixelRatio || 1));
    this.side = side;
    if (this.plane.side === pixels) return true;
    const margin = Math.ceil(12 * (window.devicePixelRatio || 1));
    const width = pixels + 2 * margin;
    this.canvas.width = this.canvas.height = pixels;
    this.canvas.style.width = this.canvas.style.height = `${(pixels / (window.devicePixelRatio || 1)).toFixed(3)}px`;
    this.image = new ImageData(width, width);
    this.plane = { pixels: new Uint32Array(this.image.data.buffer), width, side: pixels, margin };
    return true;
  }

  // Draws at most `most` points; returns how many were drawn.
  draw(scene: Scene, most: number, resting: boolean): number {
    if (!this.resize() || !this.image || this.places.length === 0) return 0;
    this.frame.classList.remove("waiting");
    const context = this.canvas.getContext("2d", { alpha: false });
    if (!context) return 0;
    const { plane, view } = this;
    plane.pixels.fill(scene.theme.paper);
    const fine = plane.side / this.side;
    const by = scale(view, plane.side);
    const where = { by, left: plane.side / 2 - view.x * by, top: plane.side / 2 + view.y * by };
    const drawn = this.drawPoints(scene, where, fine, most);
    if (scene.thumbnails) this.drawPictures(scene, where, fine, resting);
    else this.forgetPictures();
    context.putImageData(this.image, -plane.margin, -plane.margin);
    if (!scene.thumbnails) drawNames(context, this, scene.theme, fine);
    drawOwn(context, this, plane.side, scene, fine);
    return drawn;
  }

  private drawPoints(scene: Scene, where: Where, fine: number, most: number): number {
    const { order, inks, shapes } = scene;
    const { flags, count } = scene.selection;
    const colour = this.colour ?? scene.colour;
    const size = Math.round(SIZES * radius(scene.n, this.side, this.view.zoom, scene.thumbnails) * fine) / SIZES;
    const layer = (r: number, opacity: number): Dots => {
      const of = (i: number): Shape => (shapes.length === inks.length && shapes[i]) || "circle";
      const cut = Array.from(inks, (_, i) => stamps(of(i), r, opacity, this.plane.width));
      return { places: this.places, order, flags, colour, inks, stamps: cut };
    };
    if (count === 0) return drawDots(this.plane, layer(size, scene.n > MANY_POINTS ? 0.7 : 0.85), where, HIDDEN, 0, most);
    const faint = drawDots(this.plane, layer(size, 0.18), where, HIDDEN | SELECTED, 0, most);
    return faint + drawDots(this.plane, layer(size + 0.5 * fine, 1), where, HIDDEN | SELECTED, SELECTED, scene.n);
  }

  // --- thumbnails instead of dots

  private forgetPictures(): void {
    this.pictured = this.wanted = [];
    this.pictures.clear();
  }

  // Draws the thumbnails. Which points get one is decided when the map is at rest; until then they move with the map.
  private drawPictures(scene: Scene, { by, left, top }: Where, fine: number, resting: boolean): void {
    const { pictures, inks, selection } = scene;
    const [h, w] = (this.tile = pictures.tileSize);
    this.times = Math.max(1, Math.round((THUMBNAIL_SIDE * fine) / (Math.max(h, w) + 2)));
    const [across, down] = this.thumb();
    if (resting) this.settle(scene, by, across, down);
    const colour = this.colour ?? scene.colour;
    for (let k = this.pictured.length - 1; k >= 0; k -= 1) {
      const point = this.pictured[k] as number;
      if (!selection.shown(point)) continue;
      let x = Math.round((this.places[2 * point] ?? 0) * by + left - across / 2);
      let y = Math.round(top - (this.places[2 * point + 1] ?? 0) * by - down / 2);
      if (this.view.zoom === 1) { // keep thumbnails inside a map that is shown whole
        x = Math.min(Math.max(x, 0), this.plane.side - across);
        y = Math.min(Math.max(y, 0), this.plane.side - down);
      }
      if (x <= -across || y <= -down || x >= this.plane.side || y >= this.plane.side) continue;
      const tile = pictures.tile(point);
      if (tile) drawTile(this.plane, tile, h, w, this.times, this.times, inks[colour[point] ?? 0] ?? 0, x, y);
    }
  }

  // Decides which points get a thumbnail, and which pictures to load.
  private settle(scene: Scene, by: number, across: number, down: number): void {
    const { pictures, selection } = scene;
    const eligible = (point: number): boolean => (selection.count > 0 ? selection.has(point) : selection.shown(point));
    const packing = new Packing(this.places, by, across, down, EDGE);
    for (const point of pictures.arrived) if (eligible(point) && packing.fits(point)) packing.place(point);
    this.pictured = [...packing.placed];
    this.pictures.clear();
    for (const point of this.pictured) this.pictures.add(point);
    this.wanted = [];
    // If there is room for more, load the pictures of points in sight; on a map shown whole, only of selected ones.
    if (pictures.arrived.length >= scene.n || (this.view.zoom === 1 && selection.count === 0)) return;
    const half = EDGE / this.view.zoom;
    for (const point of scene.order) {
      if (Math.abs((this.places[2 * point] ?? 0) - this.view.x) > half || Math.abs((this.places[2 * point + 1] ?? 0) - this.view.y) > half) continue;
      if (!eligible(point) || pictures.tile(point) || !packing.fits(point)) continue;
      packing.place(point);
      this.wanted.push(point);
      if (this.wanted.length >= MAX_REQUESTED) break;
    }
  }

  // --- marks

  mark(point: number): void {
    this.put(this.ring, point);
  }

  choose(point: number): void {
    this.put(this.chosen, point);
  }

  private put(ring: HTMLElement, point: number): void {
    const [x, y] = this.spot(Math.max(point, 0));
    const out = point < 0 || x < -8 || y < -8 || x > this.side + 8 || y > this.side + 8;
    if (ring.hidden !== out) ring.hidden = out;
    if (out) return;
    const fine = window.devicePixelRatio || 1;
    const framed = this.pictures.has(point);
    const [width, height] = framed ? this.thumb().map((size) => size / fine + 6) : [16, 16];
    ring.classList.toggle("square", framed);
    ring.style.width = `${width}px`;
    ring.style.height = `${height}px`;
    ring.style.transform = `translate(${x - (width ?? 0) / 2}px, ${y - (height ?? 0) / 2}px)`;
  }

  sketch(corners: readonly Spot[]): void {
    this.line.setAttribute("points", corners.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" "));
  }

  // Frees the canvas's memory at once by making it empty.
  close(): void {
    this.canvas.width = this.canvas.height = 0;
    this.root.remove();
  }

  hint(words: string): void {
    if (this.frame.querySelector(".hint")) return;
    const line = element("p", { class: "hint" }, words);
    this.frame.append(line);
    line.onanimationend = () => line.remove();
  }
}
