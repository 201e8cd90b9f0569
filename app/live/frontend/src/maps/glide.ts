// A zoom that arrives within a tenth of a second: a wheel's steps come seldom and unevenly, and frames come in between.
import { calm } from "./morph";
import { towards, type View } from "./view";

const SLOW = 40; // milliseconds in which two thirds of the way are gone
const THERE = 0.002; // of the zoom

export class Glide {
  to: View | undefined;
  private frame = 0;

  // `see` shows a view; `now` is the one that is seen.
  go(to: View, now: () => View, see: (view: View, stamp: number) => void): void {
    if (calm()) return see(to, performance.now());
    const begun = this.to !== undefined;
    this.to = to;
    if (begun) return;
    let before = performance.now();
    const step = (stamp: number): void => {
      if (!this.to) return;
      const from = now();
      const share = 1 - Math.exp(-Math.max(stamp - before, 1) / SLOW);
      before = stamp;
      const there = Math.abs(Math.log(this.to.zoom / from.zoom)) < THERE;
      see(there ? this.to : towards(from, this.to, share), stamp);
      if (there) this.to = undefined;
      else this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  stop(): void {
    cancelAnimationFrame(this.frame);
    this.to = undefined;
  }
}
