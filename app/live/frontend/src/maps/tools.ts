// The tools above the maps, in one line that fits a phone.
import { element } from "../dom";
import { drawing } from "./legend";

export type Tool = "look" | "loop" | "box" | "move";

export interface Actions {
  tool(tool: Tool): void;
  zoom(factor: number): void;
  whole(): void;
  together(on: boolean): void;
  morph(on: boolean): void;
}

const TOOLS: [Tool, string, string, string][] = [
  ["look", "Look", "Look: a finger scrolls the page, a touch selects", "M2 10c4-6 12-6 16 0c-4 6-12 6-16 0zM10 7.5a2.5 2.5 0 1 0 .01 0"],
  ["loop", "Loop", "Loop: draw round a group to select it", "M10 4c5 0 8 2 8 5s-3 5-8 5s-8-2-8-5s3-5 8-5M6 13.5c-1 1 0 3-2 3.5"],
  ["box", "Box", "Box: drag a rectangle to select what is in it", "M3 4h3M8.500 4h3M14 4h3v3M17 9.500v3M17 15v1h-3M11.500 16h-3M6 16h-3v-3M3 10.500v-3M3 5v-1"],
  ["move", "Move", "Move: drag the map", "M10 2v16M2 10h16M7.500 4.500l2.500-2.500l2.500 2.500M7.500 15.500l2.500 2.500l2.500-2.500M4.500 7.500l-2.500 2.500l2.500 2.500M15.500 7.500l2.500 2.500l-2.500 2.500"],
];
const TOGETHER = "M3 6h8v8h-8zM9 6v-3h8v8h-6";
const MORPH = "M3 13a2 2 0 1 0 4 0a2 2 0 1 0-4 0M13 6a2 2 0 1 0 4 0a2 2 0 1 0-4 0M8 11.500l4-3.500";
const ZOOM_STEP = 1.5;

export class Tools {
  readonly root = element("div", { class: "tools", role: "group", "aria-label": "Tools of the maps" });
  tool: Tool;
  private readonly buttons = new Map<Tool, HTMLButtonElement>();
  private readonly together: HTMLButtonElement;
  private readonly morph: HTMLButtonElement;
  private readonly zoomIn: HTMLButtonElement;
  private readonly zoomOut: HTMLButtonElement;
  private readonly reset: HTMLButtonElement;

  constructor(private readonly actions: Actions) {
    const finger = matchMedia("(any-pointer: coarse)").matches;
    this.tool = matchMedia("(pointer: coarse)").matches ? "look" : "loop";
    const tools = element("span", { class: "group", role: "group", "aria-label": "What dragging does" });
    for (const [tool, name, title, path] of TOOLS) {
      if (tool === "look" && !finger) continue;
      const made = this.button(name, title, path, () => this.take(tool));
      this.buttons.set(tool, made);
      tools.append(made);
    }
    this.zoomOut = this.button("−", "Zoom out", "", () => actions.zoom(1 / ZOOM_STEP));
    this.zoomIn = this.button("+", "Zoom in", "", () => actions.zoom(ZOOM_STEP));
    this.reset = this.button("1:1", "Show the whole map", "", () => actions.whole());
    this.together = this.button("Zoom together", "Zoom all maps together, or each by itself", TOGETHER, () => this.flip(this.together, actions.together));
    this.morph = this.button("Morph", "Let the points travel from one map to another", MORPH, () => this.flip(this.morph, actions.morph));
    this.together.setAttribute("aria-pressed", "true");
    this.morph.setAttribute("aria-pressed", "false");
    const zoom = element("span", { class: "group", role: "group", "aria-label": "Zoom" }, this.zoomOut, this.zoomIn, this.reset);
    this.root.append(tools, zoom, this.together, this.morph);
    this.take(this.tool);
  }

  private button(words: string, title: string, path: string, act: () => void): HTMLButtonElement {
    const made = element("button", { type: "button", title, "aria-label": path ? words : title });
    if (path) made.append(drawing(path, 20), element("span", {}, words));
    else made.append(words);
    made.onclick = act;
    return made;
  }

  private flip(button: HTMLButtonElement, use: (on: boolean) => void): void {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    use(on);
  }

  take(tool: Tool): void {
    this.tool = tool;
    for (const [name, button] of this.buttons) button.setAttribute("aria-pressed", String(name === tool));
    this.actions.tool(tool);
  }

  show(maps: number, atClosest: boolean, atFarthest: boolean): void {
    this.together.hidden = this.morph.hidden = maps < 2;
    this.zoomIn.disabled = atClosest;
    this.zoomOut.disabled = this.reset.disabled = atFarthest;
  }
}
