// The visible part of a map. Places on the map lie in [-1, 1], y up; places on the screen are pixels of a square, y down.
// Without side effects.

export const EDGE = 1.07; // half the width of the visible square at zoom 1
export const CLOSEST = 24;

export interface View {
  readonly zoom: number;
  readonly x: number; // the middle
  readonly y: number;
}
export const WHOLE: View = { zoom: 1, x: 0, y: 0 };

export type Spot = [number, number];

export const scale = (view: View, side: number): number => (side * view.zoom) / (2 * EDGE);

export function onScreen(view: View, side: number, [x, y]: Spot): Spot {
  const by = scale(view, side);
  return [(x - view.x) * by + side / 2, (view.y - y) * by + side / 2];
}

export function onMap(view: View, side: number, [x, y]: Spot): Spot {
  const by = scale(view, side);
  return [(x - side / 2) / by + view.x, view.y - (y - side / 2) / by];
}

// Limits the zoom, and the middle so that nothing beyond the map's edge is visible.
export function bounded({ zoom, x, y }: View): View {
  const near = Math.min(Math.max(zoom, 1), CLOSEST);
  const room = EDGE - EDGE / near;
  const within = (value: number): number => Math.min(Math.max(value, -room), room);
  return { zoom: near, x: within(x), y: within(y) };
}

// Zooms about the place (x, y), which stays where it is on the screen.
export function zoomed(view: View, factor: number, [x, y]: Spot): View {
  const zoom = Math.min(Math.max(view.zoom * factor, 1), CLOSEST);
  const share = view.zoom / zoom;
  return bounded({ zoom, x: x + (view.x - x) * share, y: y + (view.y - y) * share });
}

// Interpolates between two views, so that equal steps look equal and a place that both show in the same spot stays there.
export function towards(from: View, to: View, share: number): View {
  const zoom = from.zoom * (to.zoom / from.zoom) ** share;
  const [near, far] = [1 / to.zoom - 1 / from.zoom, 1 / zoom - 1 / from.zoom];
  const t = Math.abs(near) < 1e-9 ? share : far / near;
  return { zoom, x: from.x + t * (to.x - from.x), y: from.y + t * (to.y - from.y) };
}

export function moved(view: View, dx: number, dy: number): View {
  return bounded({ ...view, x: view.x + dx, y: view.y + dy });
}

// Moves the view as little as possible so that the place is visible, a little from the edge.
export function revealing(view: View, [x, y]: Spot): View {
  const half = (0.92 * EDGE) / view.zoom;
  const needed = (at: number, middle: number): number => Math.min(Math.max(middle, at - half), at + half);
  return bounded({ ...view, x: needed(x, view.x), y: needed(y, view.y) });
}
