// The quality figures below a map.
import { element } from "../dom";
import type { Figure } from "./message";

// A figure, with a button that opens its explanation: a sentence and the definition.
export function figureElement({ name, value, word, said, definition }: Figure, id: string): HTMLElement {
  const target = `about-${id.replace(/[^A-Za-z0-9]+/g, "-")}`;
  const about = element(
    "div",
    { class: "about", id: target, popover: "auto" },
    element("b", {}, name), element("p", {}, said), element("p", { class: "definition" }, definition),
  );
  const open = element("button", { type: "button", class: "why", popovertarget: target, "aria-label": `What ${name} says` }, "?");
  about.addEventListener("toggle", () => placeBeside(about, open));
  return element("div", {}, element("dt", {}, name), element("dd", {}, value, open, element("small", {}, word)), about);
}

function placeBeside(about: HTMLElement, open: HTMLElement): void {
  const at = open.getBoundingClientRect();
  const left = Math.min(at.left, document.documentElement.clientWidth - about.offsetWidth - 8);
  const above = at.bottom + about.offsetHeight + 8 > window.innerHeight;
  about.style.left = `${Math.max(8, left)}px`;
  about.style.top = `${above ? Math.max(8, at.top - about.offsetHeight - 6) : at.bottom + 6}px`;
}
