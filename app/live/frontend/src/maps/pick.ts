// Finds points by position. No spatial index: a scan of 70,000 points takes a fraction of a millisecond. Without side effects.
import type { Spot } from "./view";

export const HIDDEN = 1; // flag of points in a hidden class
export const SELECTED = 2;

// The nearest point that is not hidden, at most `reach` away, or -1.
export function nearest(places: Float32Array, flags: Uint8Array, [x, y]: Spot, reach: number): number {
  let best = -1;
  let least = reach * reach;
  for (let i = 0; i < flags.length; i += 1) {
    const dx = (places[2 * i] as number) - x;
    const dy = (places[2 * i + 1] as number) - y;
    const apart = dx * dx + dy * dy;
    if (apart <= least && ((flags[i] as number) & HIDDEN) === 0) {
      least = apart;
      best = i;
    }
  }
  return best;
}

// The nearest point within 45° of a direction from point `from`, distance aside counting twice; -1 if there is none.
export function toward(places: Float32Array, flags: Uint8Array, from: number, [towardX, towardY]: Spot): number {
  const [x, y] = [places[2 * from] ?? 0, places[2 * from + 1] ?? 0];
  let best = -1;
  let least = Infinity;
  for (let i = 0; i < flags.length; i += 1) {
    if (i === from || ((flags[i] as number) & HIDDEN) !== 0) continue;
    const dx = (places[2 * i] as number) - x;
    const dy = (places[2 * i + 1] as number) - y;
    const along = dx * towardX + dy * towardY;
    const aside = Math.abs(dx * towardY - dy * towardX);
    if (along <= 0 || aside > along) continue;
    const apart = along * along + 4 * aside * aside;
    if (apart < least) {
      least = apart;
      best = i;
    }
  }
  return best;
}

// Whether (x, y) is inside the polygon, by the even-odd rule.
export function inside(polygon: readonly Spot[], x: number, y: number): boolean {
  let odd = false;
  let [before] = polygon.slice(-1);
  for (const corner of polygon) {
    if (before && corner[1] > y !== before[1] > y) {
      const crossing = ((before[0] - corner[0]) * (y - corner[1])) / (before[1] - corner[1]) + corner[0];
      if (x < crossing) odd = !odd;
    }
    before = corner;
  }
  return odd;
}

// The points that are not hidden inside a polygon of places.
export function caught(places: Float32Array, flags: Uint8Array, polygon: readonly Spot[]): number[] {
  const xs = polygon.map(([x]) => x);
  const ys = polygon.map(([, y]) => y);
  const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const found: number[] = [];
  for (let i = 0; i < flags.length; i += 1) {
    const x = places[2 * i] as number;
    const y = places[2 * i + 1] as number;
    if (x < left || x > right || y < low || y > high || ((flags[i] as number) & HIDDEN) !== 0) continue;
    if (inside(polygon, x, y)) found.push(i);
  }
  return found;
}

// The corners of the rectangle between two opposite ones.
export function box([ax, ay]: Spot, [bx, by]: Spot): Spot[] {
  return [[ax, ay], [bx, ay], [bx, by], [ax, by]];
}

// A fixed pseudorandom permutation of 0 to n − 1, so that no class is always drawn on top.
export function shuffled(n: number): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  let seed = 12345;
  for (let i = n - 1; i > 0; i -= 1) {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    const j = seed % (i + 1);
    const held = order[i] as number;
    order[i] = order[j] as number;
    order[j] = held;
  }
  return order;
}
