// What the hand and the keyboard do on one map, told as what they mean.
import type { Spot } from "./view";
import type { Tool } from "./tools";

export interface Meant {
  readonly tool: Tool;
  point(at: Spot, event: PointerEvent): void;
  leave(): void;
  sketch(corners: Spot[], box: boolean): void; // while drawing; none: given up
  enclose(corners: Spot[], box: boolean, add: boolean): void;
  tap(at: Spot, add: boolean): void;
  pan(dx: number, dy: number, stamp: number): void; // in pixels
  zoom(factor: number, at: Spot | undefined): boolean; // whether there was anything to zoom
  pinch(factor: number, at: Spot, stamp: number): void;
  hint(words: string): void;
  whole(): void;
  step(direction: Spot): void;
  choose(add: boolean): void;
  clear(): void;
}

const STILL = 5; // a press that moves less than this is a tap
const WHEEL = 0.0022;
const PINCHED = 0.01; // a touchpad's pinch comes as a wheel of small steps
const CLOSER = 2;
const LINGERS = 2500; // milliseconds for which what a finger touched stays to be seen
const KEYED = 60; // pixels that a key pans
const ARROWS: Record<string, Spot> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

interface Press {
  id: number;
  path: Spot[];
  moves: boolean; // drags the map
  add: boolean;
  far: boolean;
}

export class Gestures {
  private press: Press | undefined;
  private lingering: ReturnType<typeof setTimeout> | undefined;
  private readonly fingers = new Map<number, Spot>();

  constructor(
    private readonly frame: HTMLElement,
    private readonly meant: Meant,
  ) {
    frame.onpointerdown = (event) => this.down(event);
    frame.onpointermove = (event) => this.move(event);
    frame.onpointerup = (event) => this.up(event);
    frame.onpointercancel = (event) => this.cancel(event);
    frame.onpointerleave = ({ pointerType }) => {
      if (pointerType === "touch") this.lingering = setTimeout(() => meant.leave(), LINGERS);
      else if (!this.press) meant.leave();
    };
    frame.ondblclick = (event) => {
      meant.zoom(event.shiftKey ? 1 / CLOSER : CLOSER, this.at(event));
    };
    frame.onkeydown = (event) => this.key(event);
    frame.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  private at(event: MouseEvent): Spot {
    const box = this.frame.getBoundingClientRect();
    return [event.clientX - box.left - this.frame.clientLeft, event.clientY - box.top - this.frame.clientTop];
  }

  private down(event: PointerEvent): void {
    clearTimeout(this.lingering);
    if (event.pointerType === "touch") {
      this.fingers.set(event.pointerId, this.at(event));
      if (this.fingers.size === 2) return this.give();
    }
    if (event.button > 1 || this.press || this.fingers.size > 1) return;
    if (event.button === 1) event.preventDefault();
    this.frame.setPointerCapture(event.pointerId);
    const moves = event.button === 1 || this.meant.tool === "move";
    this.press = { id: event.pointerId, path: [this.at(event)], moves, add: event.shiftKey, far: false };
    if (this.meant.tool === "look") this.meant.point(this.at(event), event);
  }

  private move(event: PointerEvent): void {
    const here = this.at(event);
    if (this.fingers.size === 2 && this.fingers.has(event.pointerId)) return this.pinch(event, here);
    const { press } = this;
    if (!press || press.id !== event.pointerId) return this.meant.point(here, event);
    const [start] = press.path;
    const last = press.path.at(-1);
    if (!start || !last) return;
    press.far ||= Math.hypot(here[0] - start[0], here[1] - start[1]) > STILL;
    if (press.moves) {
      press.path = [start, here];
      if (press.far) this.meant.pan(here[0] - last[0], here[1] - last[1], event.timeStamp);
    } else if (this.meant.tool === "look") this.meant.point(here, event);
    else {
      if (this.meant.tool === "box") press.path = [start, here];
      else if (Math.hypot(here[0] - last[0], here[1] - last[1]) >= 2) press.path.push(here);
      if (press.far) this.meant.sketch(press.path, this.meant.tool === "box");
    }
  }

  private up(event: PointerEvent): void {
    this.fingers.delete(event.pointerId);
    const { press } = this;
    if (!press || press.id !== event.pointerId) return;
    this.press = undefined;
    const here = this.at(event);
    if (!press.far) return press.moves && event.button === 1 ? undefined : this.meant.tap(here, press.add);
    if (press.moves || this.meant.tool === "look") return;
    const path = this.meant.tool === "box" ? [press.path[0] ?? here, here] : [...press.path, here];
    this.meant.sketch([], false);
    this.meant.enclose(path, this.meant.tool === "box", press.add);
  }

  private cancel(event: PointerEvent): void {
    this.fingers.delete(event.pointerId);
    this.give();
    this.meant.leave();
  }

  // What was begun is not meant.
  private give(): void {
    this.press = undefined;
    this.meant.sketch([], false);
  }

  private pinch(event: PointerEvent, here: Spot): void {
    const before = [...this.fingers.values()];
    this.fingers.set(event.pointerId, here);
    const now = [...this.fingers.values()];
    const [a, b] = [middle(before), middle(now)];
    this.meant.pan(b[0] - a[0], b[1] - a[1], event.timeStamp);
    if (spread(before) > 0) this.meant.pinch(spread(now) / spread(before), b, event.timeStamp);
  }

  // A plain wheel scrolls the page until the map has the focus, and again where there is nothing to zoom.
  private wheel(event: WheelEvent): void {
    const mine = event.ctrlKey || event.metaKey;
    if (!mine && !this.frame.matches(":focus")) return this.meant.hint("Ctrl and the wheel zoom; or click the map first");
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    const by = event.deltaY * lines;
    const factor = Math.exp(-Math.min(Math.max(by * (mine && Math.abs(by) < 30 ? PINCHED : WHEEL), -0.5), 0.5));
    const zooms = this.meant.zoom(factor, this.at(event));
    if (zooms || mine || factor > 1) event.preventDefault();
  }

  private key(event: KeyboardEvent): void {
    const arrow = ARROWS[event.key];
    if (event.altKey || event.target !== this.frame || ((event.ctrlKey || event.metaKey) && !arrow)) return;
    const { meant } = this;
    if (arrow) {
      if (event.shiftKey || meant.tool === "move") meant.pan(-KEYED * arrow[0], KEYED * arrow[1], event.timeStamp);
      else meant.step(arrow);
    } else if (event.key === "Enter" || event.key === " ") meant.choose(event.shiftKey);
    else if (event.key === "Escape") {
      if (this.press) this.give();
      else meant.clear();
    } else if (event.key === "+" || event.key === "=") meant.zoom(1.5, undefined);
    else if (event.key === "-") meant.zoom(1 / 1.5, undefined);
    else if (event.key === "0") meant.whole();
    else return;
    event.preventDefault();
  }
}

const middle = (spots: Spot[]): Spot => [
  spots.reduce((sum, [x]) => sum + x, 0) / spots.length,
  spots.reduce((sum, [, y]) => sum + y, 0) / spots.length,
];
const spread = ([a, b]: Spot[]): number => (a && b ? Math.hypot(a[0] - b[0], a[1] - b[1]) : 0);
