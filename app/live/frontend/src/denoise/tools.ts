// The brushes and buttons of the Denoise page; disabled until the model runs in the browser.
import { write } from "./tables";
import type { Tool } from "./strokes";

export interface Actions {
  undo(): void;
  clear(): void;
  add(): void;
  repeat(): void;
  restart(): void;
}

export class Tools {
  private readonly brushes: NodeListOf<HTMLInputElement>;
  private readonly width: HTMLInputElement;
  private readonly actions: Record<keyof Actions, HTMLButtonElement>;
  private readonly steps: HTMLElement;
  private live = false;
  private able = { undo: false, clear: false, add: true, repeat: true, restart: false };

  constructor(private readonly root: HTMLElement, actions: Actions) {
    this.brushes = root.querySelectorAll(".brushes input");
    this.width = root.querySelector(".width input") as HTMLInputElement;
    this.steps = root.querySelector(".steps") as HTMLElement;
    const names = Object.keys(actions) as (keyof Actions)[];
    const buttons = names.map((name) => [name, root.querySelector(`[data-does=${name}]`)]);
    this.actions = Object.fromEntries(buttons) as Record<keyof Actions, HTMLButtonElement>;
    for (const name of names) this.actions[name].onclick = () => actions[name]();
    for (const input of this.brushes) input.onchange = () => this.dress();
    // A finger that scrolls past the picture must not paint on it.
    this.choose(matchMedia("(hover: hover)").matches ? "noise" : "none");
  }

  get tool(): Tool | undefined {
    const chosen = [...this.brushes].find((input) => input.checked)?.value;
    return chosen === "none" ? undefined : (chosen as Tool | undefined);
  }

  // The brush's diameter in pixels.
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

  // Sets the sizes of the brush for images of that side; a twelfth of it suits a drawn digit.
  fit(side: number): void {
    Object.assign(this.width, { max: Math.max(2, Math.round(side / 3)) });
    this.width.value = String(Math.max(1, Math.round(side / 6) / 2));
  }

  enable(live: boolean): void {
    this.live = live;
    this.update();
  }

  can(able: Partial<Record<keyof Actions, boolean>>): void {
    Object.assign(this.able, able);
    this.update();
  }

  private update(): void {
    for (const [name, button] of Object.entries(this.actions)) button.disabled = !this.live || !this.able[name as keyof Actions];
    for (const input of [...this.brushes, this.width]) input.disabled = !this.live;
  }

  // Shows the errors of denoising again, a line a run; none at the start.
  looped(lines: string): void {
    write(this.steps, lines);
    this.can({ repeat: true, restart: lines !== "" });
  }
}
