// One map: its words, its square of points, and the marks over it.
import { element } from "../dom";
import type { Chosen } from "./chosen";
import { HIDDEN, SELECTED } from "./pick";
import type { OneSheet, Pictures } from "./sheets";
import { type Dots, drawDots, drawTile, type Plane, stamps, type Where } from "./raster";
import { Room } from "./thumbs";
import type { Figure, PanelTold, Shape } from "./message";
import { EDGE, onScreen, scale, type Spot, type View, WHOLE } from "./view";

export interface Scene {
  n: number;
  colour: Uint8Array;
  inks: Uint32Array;
  shapes: Shape[];
  chosen: Chosen;
  order: Uint32Array;
  pictures: Pictures;
  thumbnails: boolean;
  own: OneSheet;
  look: Look;
}
export interface Look {
  paper: number; // packed
  back: string;
  ink: string;
  font: string;
}

const THUMBNAIL = 28; // pixels of the page, with its frame, as nearly as whole pixels allow
const OWN = 30;
const NAMES_APART = 20;
const SMALL = 300; // a map below this width gets smaller dots and words
const MOST_ASKED = 48; // points whose pictures are asked for at once

const EIGHTHS = 8; // of a pixel: sizes of dots that zooming goes through
const FEW = 700;
const MANY = 20_000;

// In pixels of the page: smaller where there are many, larger as one comes closer.
export function radius(n: number, side: number, zoom: number, thumbnails: boolean): number {
  const plain = n <= FEW ? 3.4 : n <= 5000 ? 2.8 : n <= MANY ? 2.1 : 1.6;
  return plain * (thumbnails && n <= 5000 ? 0.62 : 1) * (side < SMALL ? 0.85 : 1) * Math.min(zoom ** 0.3, 2);
}

export class Panel {
  readonly frame: HTMLElement;
  readonly root: HTMLElement;
  view: View = WHOLE;
  goal: Float32Array = new Float32Array(); // the map's own places
  places: Float32Array = new Float32Array(); // as they are drawn: on the way to another map, or from one
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
  private pictured: number[] = []; // points that stand as pictures, the first drawn last
  private readonly pictures = new Set<number>();
  wanted: number[] = []; // points that would stand as pictures if these were here, the first most
  private tile: [number, number] = [1, 1]; // height and width of a picture
  private times = 1; // device pixels of one of its own
  private explained = "";

  constructor(public told: PanelTold) {
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
    this.hear(told);
  }

  hear(told: PanelTold): void {
    this.told = told;
    this.name(told.title);
    this.note.textContent = told.note;
    this.frame.setAttribute("aria-label", told.alt);
    const explained = JSON.stringify(told.figures);
    if (explained === this.explained) return;
    this.explained = explained;
    this.figures.replaceChildren(...told.figures.map((figure, i) => explain(figure, `${told.id}-${i}`)));
  }

  name(title: string): void {
    if (this.title.textContent !== title) this.title.textContent = title;
  }

  // --- where things are

  spot(point: number): Spot {
    return onScreen(this.view, this.side, [this.places[2 * point] ?? 0, this.places[2 * point + 1] ?? 0]);
  }

  // The picture that lies under a place of the screen, or -1.
  picture([x, y]: Spot): number {
    const fine = window.devicePixelRatio || 1;
    const [across, down] = this.thumb();
    return this.pictured.find((point) => {
      const [a, b] = this.spot(point);
      return Math.abs(a - x) * fine <= across / 2 && Math.abs(b - y) * fine <= down / 2;
    }) ?? -1;
  }

  // Width and height of a picture with its frame, in device pixels.
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

  // Draws at most `most` points; how many they were.
  draw(scene: Scene, most: number, resting: boolean): number {
    if (!this.resize() || !this.image || this.places.length === 0) return 0;
    this.frame.classList.remove("waiting");
    const context = this.canvas.getContext("2d", { alpha: false });
    if (!context) return 0;
    const { plane, view } = this;
    plane.pixels.fill(scene.look.paper);
    const fine = plane.side / this.side;
    const by = scale(view, plane.side);
    const where = { by, left: plane.side / 2 - view.x * by, top: plane.side / 2 + view.y * by };
    const drawn = this.drawPoints(scene, where, fine, most);
    if (scene.thumbnails) this.drawPictures(scene, where, fine, resting);
    else this.forgetPictures();
    context.putImageData(this.image, -plane.margin, -plane.margin);
    if (!scene.thumbnails) this.drawNames(context, scene, fine);
    this.drawOwn(context, scene, fine);
    return drawn;
  }

  private drawPoints(scene: Scene, where: Where, fine: number, most: number): number {
    const { order, inks, shapes } = scene;
    const { flags, count } = scene.chosen;
    const colour = this.colour ?? scene.colour;
    const size = Math.round(EIGHTHS * radius(scene.n, this.side, this.view.zoom, scene.thumbnails) * fine) / EIGHTHS;
    const layer = (r: number, opacity: number): Dots => {
      const of = (i: number): Shape => (shapes.length === inks.length && shapes[i]) || "circle";
      const cut = Array.from(inks, (_, i) => stamps(of(i), r, opacity, this.plane.width));
      return { places: this.places, order, flags, colour, inks, stamps: cut };
    };
    if (count === 0) return drawDots(this.plane, layer(size, scene.n > MANY ? 0.7 : 0.85), where, HIDDEN, 0, most);
    const faint = drawDots(this.plane, layer(size, 0.18), where, HIDDEN | SELECTED, 0, most);
    return faint + drawDots(this.plane, layer(size + 0.5 * fine, 1), where, HIDDEN | SELECTED, SELECTED, scene.n);
  }

  // --- pictures instead of dots

  private forgetPictures(): void {
    this.pictured = this.wanted = [];
    this.pictures.clear();
  }

  // Where they are is settled when the hand rests; until then those that stand move along.
  private drawPictures(scene: Scene, { by, left, top }: Where, fine: number, resting: boolean): void {
    const { pictures, inks, chosen } = scene;
    const [h, w] = (this.tile = pictures.tileSize);
    this.times = Math.max(1, Math.round((THUMBNAIL * fine) / (Math.max(h, w) + 2)));
    const [across, down] = this.thumb();
    if (resting) this.settle(scene, by, across, down);
    const colour = this.colour ?? scene.colour;
    for (let k = this.pictured.length - 1; k >= 0; k -= 1) {
      const point = this.pictured[k] as number;
      if (!chosen.shown(point)) continue;
      let x = Math.round((this.places[2 * point] ?? 0) * by + left - across / 2);
      let y = Math.round(top - (this.places[2 * point + 1] ?? 0) * by - down / 2);
      if (this.view.zoom === 1) { // a map that is seen whole shows its pictures whole
        x = Math.min(Math.max(x, 0), this.plane.side - across);
        y = Math.min(Math.max(y, 0), this.plane.side - down);
      }
      if (x <= -across || y <= -down || x >= this.plane.side || y >= this.plane.side) continue;
      const tile = pictures.tile(point);
      if (tile) drawTile(this.plane, tile, h, w, this.times, this.times, inks[colour[point] ?? 0] ?? 0, x, y);
    }
  }

  private settle(scene: Scene, by: number, across: number, down: number): void {
    const { pictures, chosen } = scene;
    const stands = (point: number): boolean => (chosen.count > 0 ? chosen.has(point) : chosen.shown(point));
    const room = new Room(this.places, by, across, down, EDGE);
    for (const point of pictures.arrived) if (stands(point) && room.free(point)) room.take(point);
    this.pictured = [...room.placed];
    this.pictures.clear();
    for (const point of this.pictured) this.pictures.add(point);
    this.wanted = [];
    // Where there is room for more, they are wanted: those in sight, and of a whole map only what is selected.
    if (pictures.arrived.length >= scene.n || (this.view.zoom === 1 && chosen.count === 0)) return;
    const half = EDGE / this.view.zoom;
    for (const point of scene.order) {
      if (Math.abs((this.places[2 * point] ?? 0) - this.view.x) > half || Math.abs((this.places[2 * point + 1] ?? 0) - this.view.y) > half) continue;
      if (!stands(point) || pictures.tile(point) || !room.free(point)) continue;
      room.take(point);
      this.wanted.push(point);
      if (this.wanted.length >= MOST_ASKED) break;
    }
  }

  // --- words and the visitor's own images

  private drawNames(context: CanvasRenderingContext2D, { look }: Scene, fine: number): void {
    const { side, view } = this;
    const spots = this.told.middles.map(([name, x, y]) => ({ name, at: onScreen(view, side, [x, y]) }));
    const near = spots.filter(({ at: [x, y] }, i) => spots.some(({ at: [a, b] }, j) => i !== j && Math.hypot(a - x, b - y) < NAMES_APART));
    if (near.length > spots.length / 2) return; // classes that lie in one heap have no place for their names
    context.save();
    context.scale(fine, fine);
    context.font = `600 ${side < SMALL ? 12 : 14}px ${look.font}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    context.lineWidth = 4;
    context.strokeStyle = look.back;
    context.fillStyle = look.ink;
    for (const { name, at } of spots) {
      context.strokeText(name, ...at);
      context.fillText(name, ...at);
    }
    context.restore();
  }

  // Framed and numbered, whole within the map where it is seen whole.
  private drawOwn(context: CanvasRenderingContext2D, scene: Scene, fine: number): void {
    const { own, pictures, look } = scene;
    const [h, w] = pictures.tileSize;
    const times = Math.max(1, Math.floor((OWN * fine) / Math.max(h, w)));
    const [width, height, margin] = [w * times, h * times, Math.round(9 * fine)];
    const [edge, rim] = [Math.round(3 * fine), Math.round(fine)];
    const within = (at: number, size: number): number => Math.round(Math.min(Math.max(margin, at - size / 2), this.plane.side - size - margin));
    context.save();
    context.imageSmoothingEnabled = false;
    context.font = `700 ${11 * fine}px ${look.font}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    this.told.own.forEach((place, i) => {
      const [x, y] = onScreen(this.view, this.plane.side, place);
      const tile = own.tile(i, [h, w]);
      if (!tile || x < 0 || y < 0 || x > this.plane.side || y > this.plane.side) return;
      const [left, top] = [within(x, width), within(y, height)];
      const boxed = (by: number, style: string): void => {
        context.fillStyle = style;
        context.fillRect(left - by, top - by, width + 2 * by, height + 2 * by);
      };
      boxed(edge + rim, look.back);
      boxed(edge, look.ink);
      boxed(rim, look.back);
      const image = new ImageData(width, height);
      const onto: Plane = { pixels: new Uint32Array(image.data.buffer), width, side: Math.max(width, height), margin: 0 };
      drawTile(onto, tile, h, w, times, 0, 0, 0, 0);
      context.putImageData(image, left, top);
      const [atX, atY] = [left + width + edge, top - edge];
      context.fillStyle = look.ink;
      context.beginPath();
      context.arc(atX, atY, 8 * fine, 0, 2 * Math.PI);
      context.fill();
      context.fillStyle = look.back;
      context.fillText(`${i + 1}`, atX, atY + fine / 2);
    });
    context.restore();
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

  // A canvas gives its memory back at once only if it is told to.
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

// A figure with what it means: a sentence, and the definition behind it.
function explain({ name: title, value, word, said, definition }: Figure, id: string): HTMLElement {
  const name = `about-${id.replace(/[^A-Za-z0-9]+/g, "-")}`;
  const about = element("div", { class: "about", id: name, popover: "auto" }, element("b", {}, title), element("p", {}, said), element("p", { class: "definition" }, definition));
  const open = element("button", { type: "button", class: "why", popovertarget: name, "aria-label": `What ${title} says` }, "?");
  about.addEventListener("toggle", () => beside(about, open));
  return element("div", {}, element("dt", {}, title), element("dd", {}, value, open, element("small", {}, word)), about);
}

function beside(about: HTMLElement, open: HTMLElement): void {
  const at = open.getBoundingClientRect();
  const left = Math.min(at.left, document.documentElement.clientWidth - about.offsetWidth - 8);
  const above = at.bottom + about.offsetHeight + 8 > window.innerHeight;
  about.style.left = `${Math.max(8, left)}px`;
  about.style.top = `${above ? Math.max(8, at.top - about.offsetHeight - 6) : at.bottom + 6}px`;
}
