// The figures on the page: those of each image below it, the means in a table, and a sentence.
import { brief, type Described, figure, reading, removed, type Scores, text } from "./figures";
import type { Message } from "./message";

export class Tables {
  private cells: HTMLElement[] = []; // for each figure, one an image
  private means: HTMLElement[][] = []; // for each figure: corrupted, then each reconstruction
  private shown = "";

  constructor(private readonly root: HTMLElement) {}

  // Builds the tables unless they are the same as before: one column a label (if `each`), one reconstruction a title.
  build(message: Message, labels: string[], titles: string[], each: boolean): void {
    const shown = JSON.stringify([message.figures, labels, titles, each]);
    if (shown === this.shown) return;
    this.shown = shown;
    const find = (selector: string): HTMLElement => this.root.querySelector(selector) as HTMLElement;
    find(".columns").replaceChildren(...(each ? labels : []).map((label) => element("span", label)));
    this.buildEach(message.figures, each ? labels.length : 0, find(".each"));
    find(".names").replaceChildren(...(each ? message.figures.map(({ name }) => element("span", name)) : []));
    this.buildMeans(message.figures, titles, find(".figures"));
  }

  private buildEach(figures: Described[], images: number, table: HTMLElement): void {
    this.cells = [];
    const rows = figures.map(({ name, hint }) => {
      const row = Object.assign(element("div"), { role: "row", title: hint });
      const head = Object.assign(element("span", name), { role: "rowheader", className: "unseen" });
      row.append(head, ...Array.from({ length: images }, () => this.cell()));
      return row;
    });
    table.replaceChildren(...(images > 0 ? rows : []));
  }

  private cell(): HTMLElement {
    const cell = Object.assign(element("div"), { role: "cell" });
    this.cells.push(cell);
    return cell;
  }

  private buildMeans(figures: Described[], titles: string[], table: HTMLElement): void {
    const head = element("tr");
    head.append(element("td"), ...["Corrupted", ...titles].map((title) => Object.assign(element("th", title), { scope: "col" })));
    this.means = figures.map(() => ["", ...titles].map(() => element("td")));
    const rows = figures.map(({ name, hint }, i) => {
      const row = Object.assign(element("tr"), { title: hint });
      row.append(Object.assign(element("th", name), { scope: "row" }), ...(this.means[i] ?? []));
      return row;
    });
    table.replaceChildren(head, ...rows);
  }

  show(message: Message, before: Scores, after: Scores[]): void {
    const [, c, h, w] = message.images.dims;
    const all = [before, ...after];
    const images = before.sse.length;
    message.figures.forEach(({ key, digits }, i) => {
      const values = (as: typeof text, image?: number): string[] =>
        all.map((scores) => as(figure(scores, key, c * h * w, image), digits));
      values(text).forEach((value, column) => write(this.means[i]?.[column], value));
      if (this.cells.length === 0) return;
      for (let image = 0; image < images; image += 1) write(this.cells[i * images + image], values(brief, image).join("\n"));
    });
    const lines = after.map(({ sse }, i) => `${after.length > 1 ? `${message.titles[i]}: ` : ""}${reading(removed(before.sse, sse), message.words)}`);
    write(this.root.querySelector(".reading") as HTMLElement, lines.join("\n"));
  }

  // The figures of one image in a line, for sheets without room for those of all.
  one(message: Message, name: string, image: number, before: Scores, after: Scores[]): string {
    const [, c, h, w] = message.images.dims;
    const parts = message.figures.map(({ key, name: what, digits }) => {
      const values = [before, ...after].map((scores) => text(figure(scores, key, c * h * w, image), digits));
      return `${what} ${values.join(" → ")}`;
    });
    return `${name}: ${parts.join(" · ")}`;
  }
}

function element(tag: string, words?: string): HTMLElement {
  const made = document.createElement(tag);
  if (words !== undefined) made.textContent = words;
  return made;
}

// Sets the text of an element, in its text node if it has one, since a frame may change a hundred of them.
export function write(place: HTMLElement | undefined, value: string): void {
  if (!place) return;
  const node = place.firstChild;
  if (node instanceof Text && place.childNodes.length === 1) {
    if (node.data !== value) node.data = value;
  } else {
    place.textContent = value;
  }
}
