// Small helpers of the page's elements.

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

export function styled(root: Root, css: string): void {
  if (root.querySelector("style[data-live]")) return;
  root.append(element("style", { "data-live": "" }, css));
}

// Keys as parts of a range: fine steps with Shift, coarse ones with Page Up and Down, ends with Home and End.
// The answer is the new value, or undefined for a key that moves nothing.
export interface Keyed {
  least: number;
  most: number;
  step: number;
}
const USUAL = 50; // presses of an arrow from one end to the other
const COARSE = 10;

export function keyed(event: KeyboardEvent, value: number, range: Keyed, decreasing: string[], increasing: string[]): number | undefined {
  const { least, most, step } = range;
  const usual = Math.max(step, Math.round((most - least) / USUAL / step) * step);
  const coarse = Math.max(step, Math.round((most - least) / COARSE / step) * step);
  const by = event.shiftKey ? step : usual;
  if (event.key === "Home") return least;
  if (event.key === "End") return most;
  if (event.key === "PageUp") return value + coarse;
  if (event.key === "PageDown") return value - coarse;
  if (decreasing.includes(event.key)) return value - by;
  if (increasing.includes(event.key)) return value + by;
  return undefined;
}

// Calls `then` once nothing was asked for `wait` milliseconds: what a wheel does is released when it rests.
export function settled(wait: number, then: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(then, wait);
  };
}

// Calls `act` at once, and then at most every `wait` milliseconds, the last call never being lost.
export function throttled(wait: number, act: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let asked = false;
  const run = (): void => {
    asked = false;
    act();
    timer = setTimeout(() => {
      timer = undefined;
      if (asked) run();
    }, wait);
  };
  return () => {
    asked = true;
    if (timer === undefined) run();
  };
}
