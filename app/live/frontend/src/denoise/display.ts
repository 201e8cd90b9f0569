// The picture on the page, with its labels and figures: first the server's, then the live one in its very place.
import { Board, write } from "./board";
import type { Scores } from "./figures";
import { after, before, type Out } from "./loop";
import { draw, type Layout, layout, rowsGiven } from "./sheet";
import type { Kind, Told } from "./message";
import type { Tensor } from "../model/engine";

// What one draw was made from, and what came of it, an `out` a run.
export interface Drawn {
  originals: Tensor;
  corrupted: Out;
  outs: Out[];
}

export class Display {
  drawn: Drawn | undefined;
  private looked: number | undefined;
  private readonly board: Board;
  private readonly image: HTMLImageElement;
  readonly canvas: HTMLCanvasElement;
  private pixels = new ImageData(1, 1);
  private originals: Float32Array | undefined; // those that are drawn
  private dressed = 0; // images that are named on the page
  private lacks = false; // empty images that the visitor has put beside the server's

  constructor(private readonly root: HTMLElement, private readonly switched: (live: boolean) => void) {
    [this.image, this.canvas] = [this.find("img") as HTMLImageElement, this.find("canvas") as HTMLCanvasElement];
    this.board = new Board(root);
  }

  private find(selector: string): HTMLElement {
    return this.root.querySelector(selector) as HTMLElement;
  }

  get state(): string {
    return this.root.dataset.live ?? "false";
  }

  // The live picture takes the server's place, pixel on pixel, so that neither its coming nor its going is seen.
  set state(state: "false" | "true" | "failed") {
    const live = state === "true";
    this.root.dataset.live = state;
    this.image.ariaHidden = String(live);
    this.canvas.hidden = !live;
    this.cover();
    if (!live) this.drawn = undefined;
    this.switched(live);
  }

  say(words: string): void {
    write(this.find(".status"), words);
  }

  sheet(told: Told, empty = 0): Layout {
    const [n, , h, w] = told.images.dims;
    return layout(n + empty, h, w, 2 + told.runs.length, told.columns);
  }

  // The server's picture and figures.
  served(told: Told): void {
    this.dress(told, this.sheet(told));
    this.image.alt = told.alt;
    this.board.show(told, told.before, told.after);
    write(this.find(".given"), told.note);
  }

  // Beneath the live picture the server's is not drawn: the browser would keep each of them decoded.
  private cover(): void {
    this.image.style.visibility = this.state === "true" || this.lacks ? "hidden" : "";
  }

  // What names the rows and columns, and the curve.
  dress(told: Told, sheet: Layout): void {
    this.dressed = sheet.images;
    this.root.style.setProperty("--natural", `${sheet.across}px`);
    this.root.style.setProperty("--shape", `${sheet.across} / ${sheet.down}`);
    this.lacks = sheet.images > told.images.dims[0];
    this.cover();
    const rows = ["Original", "Corrupted", ...told.titles];
    const names = Array.from({ length: sheet.lines }, () => rows).flat();
    once(this.find(".rows"), names.join("\n"), (place) => place.replaceChildren(...names.map(named)));
    once(this.find(".course"), told.curve, (place) => (place.innerHTML = told.curve));
    const labels = Array.from({ length: sheet.images }, (_, i) => told.labels[i] ?? (i < told.images.dims[0] ? "" : "yours"));
    this.board.lay(told, labels, told.titles, sheet.lines === 1);
  }

  // Where the level is on the curve.
  mark(level: number): void {
    this.find(".course").querySelector<HTMLElement>(".now")?.style.setProperty("left", `${100 * level}%`);
  }

  name(level: number, images: number): void {
    const words = `${images} images: original, corrupted at level ${level.toFixed(2)}, reconstruction`;
    this.canvas.setAttribute("aria-label", `${words}. Arrow keys move the brush, space paints, Page Down goes to the next image`);
  }

  show(told: Told, sheet: Layout, drawn: Drawn, kind: Kind | undefined): void {
    if (this.pixels.width !== sheet.across || this.pixels.height !== sheet.down) {
      this.pixels = new ImageData(sheet.across, sheet.down);
      Object.assign(this.canvas, { width: sheet.across, height: sheet.down });
      this.originals = undefined;
    }
    const { corrupted, visible } = drawn.corrupted;
    if (this.originals !== drawn.originals.data) draw(sheet, 0, drawn.originals, this.pixels);
    this.originals = drawn.originals.data;
    if (corrupted) draw(sheet, 1, corrupted, this.pixels, visible, told.hidden);
    drawn.outs.forEach(({ reconstruction }, i) => reconstruction && draw(sheet, 2 + i, reconstruction, this.pixels));
    this.canvas.getContext("2d")?.putImageData(this.pixels, 0, 0);
    if (this.state !== "true" || this.dressed !== sheet.images) this.dress(told, sheet);
    const [put, left] = this.scores(drawn);
    this.board.show(told, put, left);
    const given = visible && kind?.given ? kind.given.replace("{rows}", String(rowsGiven(visible))) : "";
    write(this.find(".given"), given);
    if (this.state !== "true") this.state = "true";
    this.drawn = drawn;
    this.look(told, sheet, this.looked);
  }

  private scores({ corrupted, outs }: Drawn): [Scores, Scores[]] {
    return [before(corrupted), outs.map(after)];
  }

  // Says the figures of the image that the pointer is on, where there is no room for those of all.
  look(told: Told, sheet: Layout, image: number | undefined): void {
    this.looked = image;
    const shown = this.drawn && image !== undefined && image < sheet.images && sheet.lines > 1;
    write(this.find(".one"), shown ? this.board.one(told, `Image ${image + 1}`, image, ...this.scores(this.drawn as Drawn)) : "");
  }
}

const named = (name: string): HTMLElement => Object.assign(document.createElement("span"), { textContent: name });

const laid = new WeakMap<HTMLElement, string>();

// Makes a part of the page anew only where it would be another.
function once(place: HTMLElement, what: string, make: (place: HTMLElement) => void): void {
  if (laid.get(place) === what) return;
  laid.set(place, what);
  make(place);
}
