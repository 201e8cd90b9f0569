// A slider whose track shows the pictures along it; it moves by pointer, touch, wheel and keys, or by typing the number.
import { rgba } from "../model/engine";
import { element, valueAfterKey, debounced } from "../dom";

export interface SliderState {
  value: number;
  home: number; // the value that a double click returns to
  least: number;
  most: number;
  low: number; // the data lies between low and high; the rest of the track is shaded
  high: number;
  step: number;
  moved: boolean;
}

export interface Handlers {
  move(value: number, stamp: number): void; // on each move, with a value between steps
  reset(stamp: number): void;
  release(): void;
  hold(): void; // at the start of a drag
  text(value: number): string;
}

const MIN_FRAME_WIDTH = 50; // of a frame on the page, in pixels, about
const MAX_FRAMES = 11;
const MIN_FRAMES = 5;
const WHEEL_PAUSE = 250; // milliseconds after which a wheel is at rest

// The number of frames of width `w` that fill `width` pixels, and the whole factor by which they are enlarged.
export function fitted(width: number, w: number): { frames: number; times: number } {
  const times = Math.max(1, Math.min(Math.round(MIN_FRAME_WIDTH / w), Math.floor(width / (MIN_FRAMES * w))));
  return { frames: Math.min(Math.max(Math.floor(width / (times * w)), MIN_FRAMES), MAX_FRAMES), times };
}

// The values that the frames show, in the middle of equal parts of the track.
export function middles(least: number, most: number, frames: number): number[] {
  return Array.from({ length: frames }, (_, i) => least + ((i + 0.5) / frames) * (most - least));
}

export class Film {
  readonly root: HTMLElement;
  readonly track: HTMLElement;
  private readonly canvas = element("canvas", { "aria-hidden": "true" });
  private readonly needle = element("i", { class: "needle" });
  private readonly shades = [element("i", { class: "shade" }), element("i", { class: "shade" })] as const;
  private readonly number = element("input", { class: "number", inputmode: "decimal", autocomplete: "off" });
  private readonly resetButton = element("button", { type: "button", class: "reset" }, "reset");
  private state: SliderState = { value: 0, home: 0, least: 0, most: 1, low: 0, high: 1, step: 1, moved: false };
  private readonly releaseLater: () => void;

  constructor(
    name: string,
    note: string,
    private readonly handlers: Handlers,
  ) {
    this.track = element("div", {
      class: "track", role: "slider", tabindex: "0", "aria-label": note ? `${name}: ${note}` : name,
    }, this.canvas, ...this.shades, this.needle);
    this.number.setAttribute("aria-label", `${name}, value`);
    this.resetButton.setAttribute("aria-label", `reset ${name}`);
    const head = element("div", { class: "head" }, element("b", {}, name), element("span", { class: "words" }, note), this.resetButton, this.number);
    this.root = element("div", { class: "film" }, head, this.track);
    this.releaseLater = debounced(WHEEL_PAUSE, () => handlers.release());
    this.listen();
  }

  private listen(): void {
    const { track, handlers } = this;
    let pointer: number | undefined;
    track.onpointerdown = (event) => {
      if (event.button !== 0) return;
      pointer = event.pointerId;
      track.setPointerCapture(pointer);
      track.focus({ preventScroll: true });
      handlers.hold();
      handlers.move(this.at(event.clientX), event.timeStamp);
      event.preventDefault();
    };
    track.onpointermove = (event) => {
      if (event.pointerId === pointer) handlers.move(this.at(event.clientX), event.timeStamp);
    };
    track.onpointerup = track.onpointercancel = (event) => {
      if (event.pointerId !== pointer) return;
      pointer = undefined;
      handlers.release();
    };
    track.ondblclick = (event) => this.reset(event.timeStamp);
    this.resetButton.onclick = (event) => {
      this.reset(event.timeStamp);
      track.focus({ preventScroll: true });
    };
    this.listenToKeys();
    track.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.number.onchange = () => this.typed();
  }

  private listenToKeys(): void {
    let pressed = false;
    this.track.onkeydown = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const to = valueAfterKey(event, this.state.value, this.state, ["ArrowLeft", "ArrowDown"], ["ArrowRight", "ArrowUp"]);
      const resets = event.key === "Backspace" || event.key === "Delete";
      if (to === undefined && !resets) return;
      event.preventDefault();
      pressed = true;
      if (resets) this.handlers.reset(event.timeStamp);
      else if (to !== undefined) this.handlers.move(to, event.timeStamp);
    };
    this.track.onkeyup = this.track.onblur = () => {
      if (pressed) this.handlers.release();
      pressed = false;
    };
  }

  private wheel(event: WheelEvent): void {
    const root = this.track.getRootNode() as Document | ShadowRoot;
    if (root.activeElement !== this.track || event.deltaY === 0) return; // the wheel scrolls the page
    event.preventDefault();
    const { least, most, step, value } = this.state;
    const by = event.shiftKey ? step : Math.max(step, (most - least) / 100);
    this.handlers.move(value - Math.sign(event.deltaY) * by, event.timeStamp);
    this.releaseLater();
  }

  private typed(): void {
    const value = Number(this.number.value.trim().replace(",", ".").replace("−", "-"));
    if (Number.isFinite(value) && this.number.value.trim() !== "") {
      this.handlers.move(value, performance.now());
      this.handlers.release();
    }
    this.number.value = this.handlers.text(this.state.value);
  }

  private reset(stamp: number): void {
    this.handlers.reset(stamp);
    this.handlers.release();
  }

  private at(x: number): number {
    const box = this.track.getBoundingClientRect();
    const share = box.width > 0 ? (x - box.left) / box.width : 0;
    return this.state.least + Math.min(Math.max(share, 0), 1) * (this.state.most - this.state.least);
  }

  show(state: SliderState): void {
    const known = this.state;
    if ((Object.keys(state) as (keyof SliderState)[]).every((name) => state[name] === known[name])) return;
    this.state = state;
    const { value, least, most, low, high } = state;
    const percent = (at: number): number => (100 * Math.min(Math.max((at - least) / (most - least), 0), 1));
    this.needle.style.left = `${percent(value)}%`;
    this.shades[0].style.width = `${percent(low)}%`;
    this.shades[1].style.left = `${percent(high)}%`;
    const text = this.handlers.text(value);
    const outside = value < low || value > high;
    if (this.number.value !== text && !this.number.matches(":focus")) this.number.value = text;
    this.track.setAttribute("aria-valuemin", this.handlers.text(least));
    this.track.setAttribute("aria-valuemax", this.handlers.text(most));
    this.track.setAttribute("aria-valuenow", text);
    this.track.setAttribute("aria-valuetext", outside ? `${text}, outside the data` : text);
    this.root.classList.toggle("outside", outside);
    this.resetButton.hidden = !state.moved;
  }

  // Paints the frames, each c × h × w, side by side.
  paint(pictures: Float32Array, frames: number, times: number, [c, h, w]: [number, number, number]): void {
    this.size(frames, times, h, w);
    const context = this.canvas.getContext("2d");
    const image = new ImageData(w, h);
    for (let i = 0; i < frames; i += 1) {
      rgba(pictures, i * c * h * w, c, h * w, image.data);
      context?.putImageData(image, i * w, 0);
    }
    this.root.dataset.filmed = String(Number(this.root.dataset.filmed ?? 0) + 1);
  }

  size(frames: number, times: number, h: number, w: number): void {
    const [width, height] = [frames * w, h];
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
    this.track.style.width = `${width * times}px`;
    this.track.style.height = `${height * times}px`;
  }
}
