// The plane of two directions: decoded pictures, training codes as dots, and a ring to drag.
import { rgba } from "../model/engine";
import type { Code, Direction } from "./codes";
import { element, valueAfterKey } from "../dom";
import { fitted, middles } from "./film";
import type { Change, Walk } from "./state";

export interface Plane {
  x: string; // ids of directions
  y: string;
}

const MAX_DOTS = 700;
const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#ffffff"];
const PRESETS: [string, Plane][] = [["two principal directions", { x: "p1", y: "p2" }]];

export class Pad {
  private readonly selects = { x: element("select", { "aria-label": "Across" }), y: element("select", { "aria-label": "Up" }) };
  private readonly grid = element("canvas", { "aria-hidden": "true" });
  private readonly dots = element("canvas", { class: "dots", "aria-hidden": "true" });
  private readonly ring = element("i", { class: "ring" });
  private readonly status = element("output", { class: "reading", "aria-live": "polite" });
  private readonly area = element("div", { class: "pad", tabindex: "0", role: "application", "aria-roledescription": "pad" }, this.grid, this.dots, this.ring);
  private readonly presets = element("div", { class: "tabs" });
  private readonly sizes = new ResizeObserver(() => this.resized());
  private readonly stop: () => void;
  private plane: Plane = { x: "", y: "" };
  private gridded = "";
  private dotted = "";
  private running = false;
  private stale = false;
  private width = 0;

  constructor(
    private readonly walk: Walk,
    private readonly host: HTMLElement,
    private readonly chosen: (plane: Plane) => void,
  ) {
    const across = element("label", {}, "across ", this.selects.x);
    const up = element("label", {}, "up ", this.selects.y);
    host.replaceChildren(element("div", { class: "choice" }, across, up, this.presets), this.area, this.status);
    this.listen();
    this.stop = walk.listen((change) => this.update(change));
    this.sizes.observe(host);
  }

  show(plane: Plane): void {
    this.plane = { ...plane };
    this.update("library");
  }

  private get directions(): [Direction, Direction] | undefined {
    const all = this.walk.library?.directions;
    const [x, y] = [all?.get(this.plane.x), all?.get(this.plane.y)];
    return x && y && x !== y ? [x, y] : undefined;
  }

  private ranges(): [[number, number], [number, number]] | undefined {
    const axes = this.directions;
    if (!axes || this.walk.z.length === 0) return undefined;
    const [x, y] = axes;
    return [x.ends(this.walk.home(x)), y.ends(this.walk.home(y))];
  }

  private update(change: Change): void {
    if (change === "library") this.buildSelects();
    this.moveRing();
    if (!this.walk.dragging) this.ask();
    this.host.dataset.ready = this.directions ? "true" : "false";
  }

  // --- the choice of directions

  private buildSelects(): void {
    const all = [...(this.walk.library?.directions.values() ?? [])];
    for (const [axis, select] of Object.entries(this.selects) as ["x" | "y", HTMLSelectElement][]) {
      const other = axis === "x" ? this.plane.y : this.plane.x;
      const options = all.filter(({ id }) => id !== other).map(({ id, data }) => element("option", { value: id }, data.name));
      select.replaceChildren(...options);
      select.value = this.plane[axis];
      select.onchange = () => this.choose({ ...this.plane, [axis]: select.value });
    }
    const known = this.walk.library?.directions;
    this.presets.replaceChildren(
      ...PRESETS.filter(([, { x, y }]) => known?.has(x) && known.has(y)).map(([name, pair]) => {
        const button = element("button", { type: "button" }, name);
        button.onclick = () => this.choose(pair);
        return button;
      }),
    );
  }

  private choose(plane: Plane): void {
    this.show(plane);
    this.chosen(plane);
  }

  // --- moving

  private listen(): void {
    const { area, walk } = this;
    let pointer: number | undefined;
    area.onpointerdown = (event) => {
      if (event.button !== 0) return;
      pointer = event.pointerId;
      area.setPointerCapture(pointer);
      area.focus({ preventScroll: true });
      walk.dragging = true;
      this.go(this.at(event), event.timeStamp);
      event.preventDefault();
    };
    area.onpointermove = (event) => {
      if (event.pointerId === pointer) this.go(this.at(event), event.timeStamp);
    };
    area.onpointerup = area.onpointercancel = (event) => {
      if (event.pointerId !== pointer) return;
      pointer = undefined;
      walk.release();
    };
    area.ondblclick = (event) => {
      for (const direction of this.directions ?? []) walk.reset(direction, event.timeStamp);
      walk.release();
    };
    let pressed = false;
    area.onkeydown = (event) => {
      const axes = this.directions;
      if (!axes || event.ctrlKey || event.metaKey || event.altKey) return;
      const to = this.afterKey(event, axes);
      if (!to) return;
      event.preventDefault();
      pressed = true;
      this.go(to, event.timeStamp);
    };
    area.onkeyup = area.onblur = () => {
      if (pressed) walk.release();
      pressed = false;
    };
  }

  private afterKey(event: KeyboardEvent, [x, y]: [Direction, Direction]): [number, number] | undefined {
    const ranges = this.ranges();
    if (!ranges || !event.key.startsWith("Arrow")) return undefined;
    const [[left, right], [low, high]] = ranges;
    const { z } = this.walk;
    const across = valueAfterKey(event, x.reading(z), { least: left, most: right, step: x.data.step }, ["ArrowLeft"], ["ArrowRight"]);
    const up = valueAfterKey(event, y.reading(z), { least: low, most: high, step: y.data.step }, ["ArrowDown"], ["ArrowUp"]);
    return [across ?? x.reading(z), up ?? y.reading(z)];
  }

  private at(event: PointerEvent): [number, number] {
    const box = this.area.getBoundingClientRect();
    const [[left, right], [low, high]] = this.ranges() ?? [[0, 1], [0, 1]];
    const share = (at: number, length: number): number => Math.min(Math.max(length > 0 ? at / length : 0, 0), 1);
    return [
      left + share(event.clientX - box.left, box.width) * (right - left),
      high - share(event.clientY - box.top, box.height) * (high - low),
    ];
  }

  private go(to: [number, number], stamp: number): void {
    const axes = this.directions;
    if (axes) this.walk.moveBoth(...axes, to, stamp);
  }

  // --- ring and dots

  private moveRing(): void {
    const axes = this.directions;
    const ranges = this.ranges();
    this.ring.hidden = !ranges;
    if (!axes || !ranges) return;
    const readings = axes.map((direction) => direction.reading(this.walk.z));
    const [across = 0, up = 0] = ranges.map(([low, high], i) => Math.min(Math.max(((readings[i] ?? 0) - low) / (high - low), 0), 1));
    this.ring.style.transform = `translate(${across * this.area.clientWidth}px, ${(1 - up) * this.area.clientHeight}px)`;
    const [x, y] = axes;
    const words = `${x.data.name} at ${x.text(readings[0] ?? 0)}, ${y.data.name} at ${y.text(readings[1] ?? 0)}`;
    if (!this.walk.dragging && this.status.textContent !== words) this.status.textContent = words;
    this.area.setAttribute("aria-label", `The plane of ${x.data.name} (across) and ${y.data.name} (up): arrow keys move, Shift makes small steps`);
    this.drawDots(x, y, ranges);
  }

  // Draws the training codes, unless the plane and its size are the same as last time.
  private drawDots(x: Direction, y: Direction, [[left, right], [low, high]]: [[number, number], [number, number]]): void {
    const { library, z } = this.walk;
    const [width, height] = [this.area.clientWidth, this.area.clientHeight];
    const name = [x.id, y.id, left, right, low, high, width, height, library?.data.run].join(" ");
    if (!library || width === 0 || this.dotted === name) return;
    this.dotted = name;
    const fine = window.devicePixelRatio || 1;
    Object.assign(this.dots, { width: width * fine, height: height * fine });
    const context = this.dots.getContext("2d");
    if (!context) return;
    context.scale(fine, fine);
    const k = z.length;
    const { codes } = library.sample;
    const labels = library.data.labels;
    for (let i = 0; i < Math.min(codes.length / k, MAX_DOTS); i += 1) {
      const code = codes.subarray(i * k, (i + 1) * k);
      const at = ((x.reading(code) - left) / (right - left)) * width;
      const up = (1 - (y.reading(code) - low) / (high - low)) * height;
      context.beginPath();
      context.arc(at, up, 2.4, 0, 2 * Math.PI);
      context.fillStyle = COLOURS[(labels?.[i] ?? 0) % COLOURS.length] ?? "#0072b2";
      context.fill();
      context.lineWidth = 0.8;
      context.strokeStyle = "rgb(0 0 0 / .7)";
      context.stroke();
    }
  }

  private resized(): void {
    const shape = this.walk.library?.data.shape;
    this.width = this.host.clientWidth;
    if (!shape || this.width === 0) return;
    const [, h, w] = shape;
    const { frames, times } = this.fit(w);
    Object.assign(this.area.style, { width: `${frames * times * w}px`, height: `${frames * times * h}px` });
    this.moveRing();
    this.ask();
  }

  private fit(w: number): { frames: number; times: number } {
    const most = Math.max(12 * 16, window.innerHeight - 17 * 16); // the pad fits the window
    return fitted(Math.min(this.width, most), w);
  }

  // --- the decoded pictures, line by line in the worker

  private ask(): void {
    if (this.running) this.stale = true;
    else void this.run();
  }

  private async run(): Promise<void> {
    this.running = true;
    do {
      this.stale = false;
      await this.round().catch(() => undefined); // the pad works without its pictures
    } while (this.stale);
    this.running = false;
  }

  private async round(): Promise<void> {
    const { walk } = this;
    const [axes, ranges, shape] = [this.directions, this.ranges(), walk.library?.data.shape];
    if (!axes || !ranges || !shape || !walk.live || walk.dragging || this.width === 0) return;
    const [c, h, w] = shape;
    if (this.area.clientWidth === 0 || this.area.style.width === "") this.resized();
    const { frames } = this.fit(w);
    const ups = middles(...ranges[1], frames).reverse();
    const lines = ups.map((up) => this.line(axes, middles(...ranges[0], frames), up));
    const name = lines.map((line) => Array.from(line, (value) => value.toFixed(3)).join()).join(";");
    if (name === this.gridded) return;
    Object.assign(this.grid, { width: frames * w, height: frames * h });
    const context = this.grid.getContext("2d");
    const image = new ImageData(w, h);
    for (const [row, codes] of lines.entries()) {
      const pictures = await walk.pictures(codes);
      if (this.stale && walk.dragging) return;
      for (let i = 0; i < frames; i += 1) {
        rgba(pictures, i * c * h * w, c, h * w, image.data);
        context?.putImageData(image, i * w, row * h);
      }
    }
    this.gridded = name;
    this.area.dataset.gridded = String(Number(this.area.dataset.gridded ?? 0) + 1);
  }

  // The codes of a line of the grid: y at `up`, x at each of the values.
  private line([x, y]: [Direction, Direction], values: number[], up: number): Code {
    const { z } = this.walk;
    const all = new Float32Array(values.length * z.length);
    values.forEach((value, i) => {
      const code = z.slice();
      for (const [direction, by] of this.walk.steps(x, y, z, [value, up])) direction.add(code, by);
      all.set(code, i * z.length);
    });
    return all;
  }

  close(): void {
    this.stop();
    this.sizes.disconnect();
  }
}
