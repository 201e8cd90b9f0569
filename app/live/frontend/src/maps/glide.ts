// Animates a zoom, which takes about a tenth of a second, since a wheel's steps are fewer and less even than frames.
import { reducedMotion } from "./morph";
import { towards, type View } from "./view";

const TIME_CONSTANT = 40; // milliseconds for two thirds of the zoom
const TOLERANCE = 0.002; // of the logarithm of the zoom

export class Glide {
  to: View | undefined;
  private frame = 0;

  // Zooms to a view; `now` returns the current view and `show` shows one.
  go(to: View, now: () => View, show: (view: View, stamp: number) => void): void {
    if (reducedMotion()) return show(to, performance.now());
    const begun = this.to !== undefined;
    this.to = to;
    if (begun) return;
    let before = performance.now();
    const step = (stamp: number): void => {
      if (!this.to) return;
      const from = now();
      const share = 1 - Math.exp(-Math.max(stamp - before, 1) / TIME_CONSTANT);
      before = stamp;
      const arrived = Math.abs(Math.log(this.to.zoom / from.zoom)) < TOLERANCE;
      show(arrived ? this.to : towards(from, this.to, share), stamp);
      if (arrived) this.to = undefined;
      else this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  stop(): void {
    cancelAnimationFrame(this.frame);
    this.to = undefined;
  }
}
