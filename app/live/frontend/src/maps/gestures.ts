// Turns pointer, touch, wheel and key events on one map into actions.
import type { Spot } from "./view";
import type { Tool } from "./tools";

export interface Actions {
  readonly tool: Tool;
  point(at: Spot, event: PointerEvent): void;
  leave(): void;
  sketch(corners: Spot[], box: boolean): void; // while drawing; no corners: abandoned
  enclose(corners: Spot[], box: boolean, add: boolean): void;
  tap(at: Spot, add: boolean): void;
  pan(dx: number, dy: number, stamp: number): void; // in pixels
  zoom(factor: number, at: Spot | undefined): boolean; // false at the limit
  pinch(factor: number, at: Spot, stamp: number): void;
  hint(words: string): void;
  whole(): void;
  step(direction: Spot): void;
  choose(add: boolean): void;
  clear(): void;
}

const TAP_DISTANCE = 5; // pixels; a press that moves less is a tap
const WHEEL_ZOOM = 0.0022;
const PINCH_ZOOM = 0.01; // a touchpad reports a pinch as small wheel steps
const DOUBLE_CLICK_ZOOM = 2;
const TOUCH_TIP_TIME = 2500; // milliseconds that the tip stays after a touch
const KEY_PAN = 60; // pixels
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
  private tipTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly fingers = new Map<number, Spot>();

  constructor(
    private readonly frame: HTMLElement,
    private readonly actions: Actions,
  ) {
    frame.onpointerdown = (event) => this.down(event);
    frame.onpointermove = (event) => this.move(event);
    frame.onpointerup = (event) => this.up(event);
    frame.onpointercancel = (event) => this.cancel(event);
    frame.onpointerleave = ({ pointerType }) => {
      if (pointerType === "touch") this.tipTimer = setTimeout(() => actions.leave(), TOUCH_TIP_TIME);
      else if (!this.press) actions.leave();
    };
    frame.ondblclick = (event) => {
      actions.zoom(event.shiftKey ? 1 / DOUBLE_CLICK_ZOOM : DOUBLE_CLICK_ZOOM, this.at(event));
    };
    frame.onkeydown = (event) => this.key(event);
    frame.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  private at(event: MouseEvent): Spot {
    const box = this.frame.getBoundingClientRect();
    return [event.clientX - box.left - this.frame.clientLeft, event.clientY - box.top - this.frame.clientTop];
  }

  private down(event: PointerEvent): void {
    clearTimeout(this.tipTimer);
    if (event.pointerType === "touch") {
      this.fingers.set(event.pointerId, this.at(event));
      if (this.fingers.size === 2) return this.abandon();
    }
    if (event.button > 1 || this.press || this.fingers.size > 1) return;
    if (event.button === 1) event.preventDefault();
    this.frame.setPointerCapture(event.pointerId);
    const moves = event.button === 1 || this.actions.tool === "move";
    this.press = { id: event.pointerId, path: [this.at(event)], moves, add: event.shiftKey, far: false };
    if (this.actions.tool === "look") this.actions.point(this.at(event), event);
  }

  private move(event: PointerEvent): void {
    const here = this.at(event);
    if (this.fingers.size === 2 && this.fingers.has(event.pointerId)) return this.pinch(event, here);
    const { press } = this;
    if (!press || press.id !== event.pointerId) return this.actions.point(here, event);
    const [start] = press.path;
    const last = press.path.at(-1);
    if (!start || !last) return;
    press.far ||= Math.hypot(here[0] - start[0], here[1] - start[1]) > TAP_DISTANCE;
    if (press.moves) {
      press.path = [start, here];
      if (press.far) this.actions.pan(here[0] - last[0], here[1] - last[1], event.timeStamp);
    } else if (this.actions.tool === "look") this.actions.point(here, event);
    else {
      if (this.actions.tool === "box") press.path = [start, here];
      else if (Math.hypot(here[0] - last[0], here[1] - last[1]) >= 2) press.path.push(here);
      if (press.far) this.actions.sketch(press.path, this.actions.tool === "box");
    }
  }

  private up(event: PointerEvent): void {
    this.fingers.delete(event.pointerId);
    const { press } = this;
    if (!press || press.id !== event.pointerId) return;
    this.press = undefined;
    const here = this.at(event);
    if (!press.far) return press.moves && event.button === 1 ? undefined : this.actions.tap(here, press.add);
    if (press.moves || this.actions.tool === "look") return;
    const path = this.actions.tool === "box" ? [press.path[0] ?? here, here] : [...press.path, here];
    this.actions.sketch([], false);
    this.actions.enclose(path, this.actions.tool === "box", press.add);
  }

  private cancel(event: PointerEvent): void {
    this.fingers.delete(event.pointerId);
    this.abandon();
    this.actions.leave();
  }

  // Abandons the press and its sketch.
  private abandon(): void {
    this.press = undefined;
    this.actions.sketch([], false);
  }

  private pinch(event: PointerEvent, here: Spot): void {
    const before = [...this.fingers.values()];
    this.fingers.set(event.pointerId, here);
    const now = [...this.fingers.values()];
    const [a, b] = [middle(before), middle(now)];
    this.actions.pan(b[0] - a[0], b[1] - a[1], event.timeStamp);
    if (spread(before) > 0) this.actions.pinch(spread(now) / spread(before), b, event.timeStamp);
  }

  // Zooms by the wheel if the map has the focus or Ctrl is held; else, and at the limit, the wheel scrolls the page.
  private wheel(event: WheelEvent): void {
    const mine = event.ctrlKey || event.metaKey;
    if (!mine && !this.frame.matches(":focus")) return this.actions.hint("Ctrl and the wheel zoom; or click the map first");
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    const by = event.deltaY * lines;
    const factor = Math.exp(-Math.min(Math.max(by * (mine && Math.abs(by) < 30 ? PINCH_ZOOM : WHEEL_ZOOM), -0.5), 0.5));
    const zooms = this.actions.zoom(factor, this.at(event));
    if (zooms || mine || factor > 1) event.preventDefault();
  }

  private key(event: KeyboardEvent): void {
    const arrow = ARROWS[event.key];
    if (event.altKey || event.target !== this.frame || ((event.ctrlKey || event.metaKey) && !arrow)) return;
    const { actions } = this;
    if (arrow) {
      if (event.shiftKey || actions.tool === "move") actions.pan(-KEY_PAN * arrow[0], KEY_PAN * arrow[1], event.timeStamp);
      else actions.step(arrow);
    } else if (event.key === "Enter" || event.key === " ") actions.choose(event.shiftKey);
    else if (event.key === "Escape") {
      if (this.press) this.abandon();
      else actions.clear();
    } else if (event.key === "+" || event.key === "=") actions.zoom(1.5, undefined);
    else if (event.key === "-") actions.zoom(1 / 1.5, undefined);
    else if (event.key === "0") actions.whole();
    else return;
    event.preventDefault();
  }
}

const middle = (spots: Spot[]): Spot => [
  spots.reduce((sum, [x]) => sum + x, 0) / spots.length,
  spots.reduce((sum, [, y]) => sum + y, 0) / spots.length,
];
const spread = ([a, b]: Spot[]): number => (a && b ? Math.hypot(a[0] - b[0], a[1] - b[1]) : 0);
