// The controls that morph one map into another: which maps, how far, and playing.
import { element } from "../dom";
import type { PanelData } from "./message";

const SECONDS = 2;

export const eased = (t: number): number => t * t * (3 - 2 * t);

// a + t·(b − a), into `to`
export function blended(a: Float32Array, b: Float32Array, t: number, to: Float32Array): Float32Array {
  for (let i = 0; i < to.length; i += 1) to[i] = (a[i] as number) + t * ((b[i] as number) - (a[i] as number));
  return to;
}

export const reducedMotion = (): boolean => matchMedia("(prefers-reduced-motion: reduce)").matches;

export class Morph {
  readonly root = element("div", { class: "morph" });
  at = 0;
  private readonly from = element("select", { "aria-label": "From" });
  private readonly to = element("select", { "aria-label": "To" });
  private readonly slider = element("input", { type: "range", min: "0", max: "1", step: "0.01", value: "0", "aria-label": "How far the points have travelled" });
  private readonly play = element("button", { type: "button" });
  private playing = false;
  private begun = 0;
  private ids: string[] = [];

  constructor(private readonly moved: (stamp: number, playing: boolean) => void) {
    this.root.hidden = true;
    this.root.append(this.from, element("span", { "aria-hidden": "true" }, "→"), this.to, this.slider, this.play);
    this.from.onchange = this.to.onchange = (event) => this.chosen(event);
    this.slider.oninput = (event) => {
      this.pause();
      this.go(Number(this.slider.value), event.timeStamp);
    };
    this.play.onclick = () => (this.playing ? this.pause() : this.begin());
    this.label();
  }

  setPanels(panels: readonly PanelData[]): void {
    const ids = panels.map(({ id }) => id);
    const titles = panels.map(({ id, title }) => element("option", { value: id }, title));
    const [from, to] = [this.from.value, this.to.value];
    this.from.replaceChildren(...titles);
    this.to.replaceChildren(...titles.map((option) => option.cloneNode(true)));
    const whole = ids.includes(from) && ids.includes(to) && from !== to;
    this.from.value = whole ? from : (ids[0] ?? "");
    this.to.value = whole ? to : (ids.at(-1) ?? "");
    if (!whole || ids.join() !== this.ids.join()) this.stop();
    this.ids = ids;
  }

  // The two maps and the position between them, 0 to 1; undefined if nothing travels.
  get travel(): { from: string; to: string; at: number } | undefined {
    return this.at > 0 && !this.root.hidden ? { from: this.from.value, to: this.to.value, at: this.at } : undefined;
  }

  show(on: boolean): void {
    this.root.hidden = !on;
    if (!on) this.stop();
  }

  // Keeps the two maps different: choosing the other one replaces that.
  private chosen(event: Event): void {
    const [changed, other] = event.target === this.from ? [this.from, this.to] : [this.to, this.from];
    if (changed.value === other.value) other.value = this.ids.find((id) => id !== changed.value) ?? "";
    this.stop();
  }

  private go(at: number, stamp: number): void {
    this.at = at;
    this.slider.value = String(at);
    this.slider.setAttribute("aria-valuetext", `${Math.round(100 * at)} percent`);
    this.moved(stamp, this.playing);
  }

  private begin(): void {
    const atEnd = this.at >= 1;
    if (reducedMotion()) return this.go(atEnd ? 0 : 1, performance.now());
    this.playing = true;
    this.label();
    const home = atEnd ? 0 : this.at;
    this.begun = performance.now() - easedInverse(home) * SECONDS * 1000;
    this.frame(performance.now());
  }

  private frame(now: number): void {
    if (!this.playing) return;
    const t = Math.min(Math.max((now - this.begun) / 1000 / SECONDS, 0), 1);
    if (t >= 1) this.pause();
    this.go(eased(t), now);
    if (this.playing) requestAnimationFrame((next) => this.frame(next));
  }

  private pause(): void {
    if (!this.playing) return;
    this.playing = false;
    this.label();
  }

  private label(): void {
    this.play.textContent = this.playing ? "❚❚ Pause" : "▶ Play";
  }

  stop(): void {
    this.pause();
    if (this.at > 0) this.go(0, performance.now());
  }
}

// The inverse of `eased`.
export function easedInverse(value: number): number {
  return 0.5 - Math.sin(Math.asin(1 - 2 * Math.min(Math.max(value, 0), 1)) / 3);
}
