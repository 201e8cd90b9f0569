// The picture on the page, with its labels and figures: first the server's, then the live one in the same place.
import { Tables, write } from "./tables";
import type { Scores } from "./figures";
import { after, before, type Out } from "./loop";
import { draw, type Layout, layout, rowsGiven } from "./sheet";
import type { Kind, Message } from "./message";
import type { Tensor } from "../model/engine";

// The inputs and results of one draw.
export interface Drawn {
  originals: Tensor;
  corrupted: Out;
  outs: Out[]; // one a run
}

export class Display {
  drawn: Drawn | undefined;
  private lookedAt: number | undefined;
  private readonly tables: Tables;
  private readonly image: HTMLImageElement;
  readonly canvas: HTMLCanvasElement;
  private pixels = new ImageData(1, 1);
  private originals: Float32Array | undefined; // as drawn
  private labelled = 0; // images with a label on the page
  private hasBlank = false; // blank images that the visitor has added

  constructor(private readonly root: HTMLElement, private readonly switched: (live: boolean) => void) {
    [this.image, this.canvas] = [this.find("img") as HTMLImageElement, this.find("canvas") as HTMLCanvasElement];
    this.tables = new Tables(root);
  }

  private find(selector: string): HTMLElement {
    return this.root.querySelector(selector) as HTMLElement;
  }

  get state(): string {
    return this.root.dataset.live ?? "false";
  }

  // Switches between the server's picture and the live one, which cover each other pixel by pixel, so that no change is seen.
  set state(state: "false" | "true" | "failed") {
    const live = state === "true";
    this.root.dataset.live = state;
    this.image.ariaHidden = String(live);
    this.canvas.hidden = !live;
    this.cover();
    if (!live) this.drawn = undefined;
    this.switched(live);
  }

  setStatus(words: string): void {
    write(this.find(".status"), words);
  }

  sheet(message: Message, empty = 0): Layout {
    const [n, , h, w] = message.images.dims;
    return layout(n + empty, h, w, 2 + message.runs.length, message.columns);
  }

  // Shows the server's picture and figures.
  showServed(message: Message): void {
    this.label(message, this.sheet(message));
    this.image.alt = message.alt;
    this.tables.show(message, message.before, message.after);
    write(this.find(".given"), message.note);
  }

  // Hides the server's picture beneath the live one: the browser would keep each of them decoded.
  private cover(): void {
    this.image.style.visibility = this.state === "true" || this.hasBlank ? "hidden" : "";
  }

  // Writes the names of rows and columns, and the curve.
  label(message: Message, sheet: Layout): void {
    this.labelled = sheet.images;
    this.root.style.setProperty("--natural", `${sheet.across}px`);
    this.root.style.setProperty("--shape", `${sheet.across} / ${sheet.down}`);
    this.hasBlank = sheet.images > message.images.dims[0];
    this.cover();
    const rows = ["Original", "Corrupted", ...message.titles];
    const names = Array.from({ length: sheet.lines }, () => rows).flat();
    renderOnce(this.find(".rows"), names.join("\n"), (place) => place.replaceChildren(...names.map(named)));
    renderOnce(this.find(".course"), message.curve, (place) => (place.innerHTML = message.curve));
    const labels = Array.from({ length: sheet.images }, (_, i) => message.labels[i] ?? (i < message.images.dims[0] ? "" : "yours"));
    this.tables.build(message, labels, message.titles, sheet.lines === 1);
  }

  // Marks the level on the curve.
  mark(level: number): void {
    this.find(".course").querySelector<HTMLElement>(".now")?.style.setProperty("left", `${100 * level}%`);
  }

  describe(level: number, images: number): void {
    const words = `${images} images: original, corrupted at level ${level.toFixed(2)}, reconstruction`;
    this.canvas.setAttribute("aria-label", `${words}. Arrow keys move the brush, space paints, Page Down goes to the next image`);
  }

  show(message: Message, sheet: Layout, drawn: Drawn, kind: Kind | undefined): void {
    if (this.pixels.width !== sheet.across || this.pixels.height !== sheet.down) {
      this.pixels = new ImageData(sheet.across, sheet.down);
      Object.assign(this.canvas, { width: sheet.across, height: sheet.down });
      this.originals = undefined;
    }
    const { corrupted, visible } = drawn.corrupted;
    if (this.originals !== drawn.originals.data) draw(sheet, 0, drawn.originals, this.pixels);
    this.originals = drawn.originals.data;
    if (corrupted) draw(sheet, 1, corrupted, this.pixels, visible, message.hidden);
    drawn.outs.forEach(({ reconstruction }, i) => reconstruction && draw(sheet, 2 + i, reconstruction, this.pixels));
    this.canvas.getContext("2d")?.putImageData(this.pixels, 0, 0);
    if (this.state !== "true" || this.labelled !== sheet.images) this.label(message, sheet);
    const [corruptedScores, outScores] = this.scores(drawn);
    this.tables.show(message, corruptedScores, outScores);
    const given = visible && kind?.given ? kind.given.replace("{rows}", String(rowsGiven(visible))) : "";
    write(this.find(".given"), given);
    if (this.state !== "true") this.state = "true";
    this.drawn = drawn;
    this.look(message, sheet, this.lookedAt);
  }

  private scores({ corrupted, outs }: Drawn): [Scores, Scores[]] {
    return [before(corrupted), outs.map(after)];
  }

  // Shows the figures of the image under the pointer, on sheets without room for those of all.
  look(message: Message, sheet: Layout, image: number | undefined): void {
    this.lookedAt = image;
    const shown = this.drawn && image !== undefined && image < sheet.images && sheet.lines > 1;
    write(this.find(".one"), shown ? this.tables.one(message, `Image ${image + 1}`, image, ...this.scores(this.drawn as Drawn)) : "");
  }
}

const named = (name: string): HTMLElement => Object.assign(document.createElement("span"), { textContent: name });

const rendered = new WeakMap<HTMLElement, string>();

// Renders a part of the page if its content, `what`, has changed.
function renderOnce(place: HTMLElement, what: string, make: (place: HTMLElement) => void): void {
  if (rendered.get(place) === what) return;
  rendered.set(place, what);
  make(place);
}
