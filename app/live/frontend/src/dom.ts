// Small helpers for page elements, keys and timers.

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export type Root = Element | ShadowRoot;

// Adds the style sheet once.
export function addStyle(root: Root, css: string): void {
  if (root.querySelector("style[data-live]")) return;
  root.append(element("style", { "data-live": "" }, css));
}

export interface KeyRange {
  least: number;
  most: number;
  step: number;
}
const ARROW_PRESSES = 50; // from one end of the range to the other
const PAGE_PRESSES = 10;

// The value of a slider after a key press, or undefined if the key does not move it: arrow keys (one step with Shift),
// coarse steps with Page Up and Page Down, the ends with Home and End.
export function valueAfterKey(event: KeyboardEvent, value: number, range: KeyRange, decreasing: string[], increasing: string[]): number | undefined {
  const { least, most, step } = range;
  const medium = Math.max(step, Math.round((most - least) / ARROW_PRESSES / step) * step);
  const coarse = Math.max(step, Math.round((most - least) / PAGE_PRESSES / step) * step);
  const by = event.shiftKey ? step : medium;
  if (event.key === "Home") return least;
  if (event.key === "End") return most;
  if (event.key === "PageUp") return value + coarse;
  if (event.key === "PageDown") return value - coarse;
  if (decreasing.includes(event.key)) return value - by;
  if (increasing.includes(event.key)) return value + by;
  return undefined;
}

// Returns a function after whose last call `then` runs, once `wait` milliseconds have passed without another call.
export function debounced(wait: number, then: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(then, wait);
  };
}

// Returns a function that runs `act` at most once in `wait` milliseconds; the first call runs at once, the last is never lost.
export function throttled(wait: number, act: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let pending = false;
  const run = (): void => {
    pending = false;
    act();
    timer = setTimeout(() => {
      timer = undefined;
      if (pending) run();
    }, wait);
  };
  return () => {
    pending = true;
    if (timer === undefined) run();
  };
}
