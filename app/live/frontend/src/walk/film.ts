// A slider whose track is the film of what it does from here: pointer, touch, wheel, keys, and a field for the number.
import { rgba } from "../model/engine";
import { element, keyed, settled } from "../dom";

export interface Shown {
  value: number;
  home: number; // where a double click leads
  least: number;
  most: number;
  low: number; // the data lies between low and high; outside, the track is shaded
  high: number;
  step: number;
  moved: boolean;
}

export interface Handed {
  move(value: number, stamp: number): void; // called on each move, snaps and draws
  back(stamp: number): void;
  release(): void;
  hold(): void; // a drag begins
  text(value: number): string;
}

const FRAME = 50; // pixels on the page that a frame of the film should have at least, about
const MOST_FRAMES = 11;
const LEAST_FRAMES = 5;
const WHEEL_RESTS = 250;

// How many frames of width `w` fill `width` pixels, and how many times each is enlarged: whole numbers only.
export function fitted(width: number, w: number): { frames: number; times: number } {
  const times = Math.max(1, Math.min(Math.round(FRAME / w), Math.floor(width / (LEAST_FRAMES * w))));
  return { frames: Math.min(Math.max(Math.floor(width / (times * w)), LEAST_FRAMES), MOST_FRAMES), times };
}

// The values that the frames show: the middles of equal parts of the track.
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
  private readonly reset = element("button", { type: "button", class: "reset" }, "put back");
  private shown: Shown = { value: 0, home: 0, least: 0, most: 1, low: 0, high: 1, step: 1, moved: false };
  private readonly rest: () => void;

  constructor(
    name: string,
    words: string,
    private readonly handed: Handed,
  ) {
    this.track = element("div", {
      class: "track", role: "slider", tabindex: "0", "aria-label": words ? `${name}: ${words}` : name,
    }, this.canvas, ...this.shades, this.needle);
    this.number.setAttribute("aria-label", `${name}, value`);
    this.reset.setAttribute("aria-label", `put ${name} back`);
    const head = element("div", { class: "head" }, element("b", {}, name), element("span", { class: "words" }, words), this.reset, this.number);
    this.root = element("div", { class: "film" }, head, this.track);
    this.rest = settled(WHEEL_RESTS, () => handed.release());
    this.listen();
  }

  private listen(): void {
    const { track, handed } = this;
    let pointer: number | undefined;
    track.onpointerdown = (event) => {
      if (event.button !== 0) return;
      pointer = event.pointerId;
      track.setPointerCapture(pointer);
      track.focus({ preventScroll: true });
      handed.hold();
      handed.move(this.at(event.clientX), event.timeStamp);
      event.preventDefault();
    };
    track.onpointermove = (event) => {
      if (event.pointerId === pointer) handed.move(this.at(event.clientX), event.timeStamp);
    };
    track.onpointerup = track.onpointercancel = (event) => {
      if (event.pointerId !== pointer) return;
      pointer = undefined;
      handed.release();
    };
    track.ondblclick = (event) => this.putBack(event.timeStamp);
    this.reset.onclick = (event) => {
      this.putBack(event.timeStamp);
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
      const to = keyed(event, this.shown.value, this.shown, ["ArrowLeft", "ArrowDown"], ["ArrowRight", "ArrowUp"]);
      const back = event.key === "Backspace" || event.key === "Delete";
      if (to === undefined && !back) return;
      event.preventDefault();
      pressed = true;
      if (back) this.handed.back(event.timeStamp);
      else if (to !== undefined) this.handed.move(to, event.timeStamp);
    };
    this.track.onkeyup = this.track.onblur = () => {
      if (pressed) this.handed.release();
      pressed = false;
    };
  }

  private wheel(event: WheelEvent): void {
    const root = this.track.getRootNode() as Document | ShadowRoot;
    if (root.activeElement !== this.track || event.deltaY === 0) return; // a page that scrolls must not move a slider
    event.preventDefault();
    const { least, most, step, value } = this.shown;
    const by = event.shiftKey ? step : Math.max(step, (most - least) / 100);
    this.handed.move(value - Math.sign(event.deltaY) * by, event.timeStamp);
    this.rest();
  }

  private typed(): void {
    const asked = Number(this.number.value.trim().replace(",", ".").replace("−", "-"));
    if (Number.isFinite(asked) && this.number.value.trim() !== "") {
      this.handed.move(asked, performance.now());
      this.handed.release();
    }
    this.number.value = this.handed.text(this.shown.value);
  }

  private putBack(stamp: number): void {
    this.handed.back(stamp);
    this.handed.release();
  }

  private at(x: number): number {
    const box = this.track.getBoundingClientRect();
    const share = box.width > 0 ? (x - box.left) / box.width : 0;
    return this.shown.least + Math.min(Math.max(share, 0), 1) * (this.shown.most - this.shown.least);
  }

  show(shown: Shown): void {
    const known = this.shown;
    if ((Object.keys(shown) as (keyof Shown)[]).every((name) => shown[name] === known[name])) return;
    this.shown = shown;
    const { value, least, most, low, high } = shown;
    const percent = (at: number): number => (100 * Math.min(Math.max((at - least) / (most - least), 0), 1));
    this.needle.style.left = `${percent(value)}%`;
    this.shades[0].style.width = `${percent(low)}%`;
    this.shades[1].style.left = `${percent(high)}%`;
    const text = this.handed.text(value);
    const outside = value < low || value > high;
    if (this.number.value !== text && !this.number.matches(":focus")) this.number.value = text;
    this.track.setAttribute("aria-valuemin", this.handed.text(least));
    this.track.setAttribute("aria-valuemax", this.handed.text(most));
    this.track.setAttribute("aria-valuenow", text);
    this.track.setAttribute("aria-valuetext", outside ? `${text}, outside the data` : text);
    this.root.classList.toggle("outside", outside);
    this.reset.hidden = !shown.moved;
  }

  // The film itself: frames of c × h × w, drawn side by side and enlarged `times`.
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
