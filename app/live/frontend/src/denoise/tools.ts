// The brush, undo, empty paper, and the loop: buttons that rest until the model runs here.
import { write } from "./board";
import type { Tool } from "./strokes";

export interface Deeds {
  undo(): void;
  clear(): void;
  another(): void;
  feed(): void;
  restart(): void;
}

export class Tools {
  private readonly brushes: NodeListOf<HTMLInputElement>;
  private readonly width: HTMLInputElement;
  private readonly deeds: Record<keyof Deeds, HTMLButtonElement>;
  private readonly steps: HTMLElement;
  private live = false;
  private able = { undo: false, clear: false, another: true, feed: true, restart: false };

  constructor(private readonly root: HTMLElement, deeds: Deeds) {
    this.brushes = root.querySelectorAll(".brushes input");
    this.width = root.querySelector(".width input") as HTMLInputElement;
    this.steps = root.querySelector(".steps") as HTMLElement;
    const names = Object.keys(deeds) as (keyof Deeds)[];
    const buttons = names.map((name) => [name, root.querySelector(`[data-does=${name}]`)]);
    this.deeds = Object.fromEntries(buttons) as Record<keyof Deeds, HTMLButtonElement>;
    for (const name of names) this.deeds[name].onclick = () => deeds[name]();
    for (const input of this.brushes) input.onchange = () => this.dress();
    // A finger that scrolls past the picture must not paint on it; a mouse may at once.
    this.choose(matchMedia("(hover: hover)").matches ? "noise" : "none");
  }

  get tool(): Tool | undefined {
    const chosen = [...this.brushes].find((input) => input.checked)?.value;
    return chosen === "none" ? undefined : (chosen as Tool | undefined);
  }

  // Pixels across.
  get size(): number {
    return this.width.valueAsNumber;
  }

  choose(tool: Tool | "none"): void {
    for (const input of this.brushes) input.checked = input.value === tool;
    this.dress();
  }

  private dress(): void {
    (this.root.getRootNode() as ParentNode).querySelector<HTMLElement>(".denoise")?.classList.toggle("painting", this.tool !== undefined);
  }

  // A brush of a twelfth of the image suits a drawn digit.
  fit(side: number): void {
    Object.assign(this.width, { max: Math.max(2, Math.round(side / 3)) });
    this.width.value = String(Math.max(1, Math.round(side / 6) / 2));
  }

  enable(live: boolean): void {
    this.live = live;
    this.update();
  }

  can(able: Partial<Record<keyof Deeds, boolean>>): void {
    Object.assign(this.able, able);
    this.update();
  }

  private update(): void {
    for (const [name, button] of Object.entries(this.deeds)) button.disabled = !this.live || !this.able[name as keyof Deeds];
    for (const input of [...this.brushes, this.width]) input.disabled = !this.live;
  }

  // What the loop has come to, a line a run; empty when it begins anew.
  looped(lines: string): void {
    write(this.steps, lines);
    this.can({ feed: true, restart: lines !== "" });
  }
}
