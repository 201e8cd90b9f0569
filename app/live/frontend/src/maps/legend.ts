// The legend: a class is hidden by its mark and selected by its name.
import { element } from "../dom";
import type { Selection } from "./selection";
import type { Message } from "./message";

export interface Actions {
  toggle(name: string): void;
  showAll(): void;
  choose(colour: number, add: boolean): void;
  clear(): void;
}

const css = ([r, g, b]: readonly [number, number, number]): string => `rgb(${r} ${g} ${b})`;
const MARKS = {
  circle: "M8 2a6 6 0 1 0 0 12a6 6 0 1 0 0-12z",
  square: "M2.5 2.5h11v11h-11z",
  diamond: "M8 1l7 7l-7 7l-7-7z",
  cross: "M6 1h4v5h5v4h-5v5h-4v-5h-5v-4h5z",
} as const;

export function drawing(path: string, size = 16): SVGSVGElement {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  made.setAttribute("viewBox", `0 0 ${size} ${size}`);
  made.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  made.append(line);
  return made;
}

function button(words: string, title: string, act: (event: MouseEvent) => void, ...more: Node[]): HTMLButtonElement {
  const made = element("button", { type: "button", title, "aria-label": title }, ...more, words);
  made.onclick = act;
  return made;
}

export class Legend {
  readonly root = element("div", { class: "legend" });
  private readonly count = element("span", { "aria-live": "polite" });
  private readonly clear: HTMLButtonElement;
  private readonly all: HTMLButtonElement;
  private marks: HTMLButtonElement[] = [];
  private names: HTMLButtonElement[] = [];
  private built = "";

  constructor(private readonly actions: Actions) {
    this.clear = button("Clear selection", "Clear selection", () => actions.clear());
    this.all = button("Show all", "Show all classes", () => actions.showAll());
  }

  build({ legend, table, shapes }: Message): void {
    const named = JSON.stringify([legend, table, shapes]);
    if (named === this.built) return;
    this.built = named;
    this.marks = [];
    this.names = [];
    const items: Node[] = legend.title ? [element("span", { class: "what" }, legend.title)] : [];
    if (legend.names.length > 1) {
      legend.names.forEach((name, colour) => {
        const mark = button("", `Show ${name}`, () => this.actions.toggle(name), drawing(MARKS[shapes[colour] ?? "circle"]));
        mark.className = "mark";
        mark.style.color = css(table[colour] ?? [0, 0, 0]);
        const chosen = button(name, `Select ${name}; with Shift, add it`, (event) => this.actions.choose(colour, event.shiftKey));
        this.marks.push(mark);
        this.names.push(chosen);
        items.push(element("span", { class: "class" }, mark, chosen));
      });
      items.push(this.all);
    } else if (legend.names.length === 0) {
      const ramp = element("span", { class: "ramp" });
      ramp.style.background = `linear-gradient(90deg, ${table.map(css).join(",")})`;
      items.push(element("span", {}, legend.low), ramp, element("span", {}, legend.high));
    }
    this.root.replaceChildren(...items, element("span", { class: "status" }, this.clear, this.count));
  }

  show(selection: Selection): void {
    const { count: selected, hidden, names } = selection;
    const whole = selection.whole();
    this.marks.forEach((mark, i) => mark.setAttribute("aria-pressed", String(!hidden.has(names[i] ?? ""))));
    this.names.forEach((name, i) => name.setAttribute("aria-pressed", String(whole[i] ?? false)));
    const words = selected ? `${selected.toLocaleString("en")} selected` : "nothing selected";
    if (this.count.textContent !== words) this.count.textContent = words;
    // Hidden buttons keep their room, so that the maps below do not move.
    this.clear.classList.toggle("absent", selected === 0);
    this.all.classList.toggle("absent", hidden.size === 0);
  }
}
