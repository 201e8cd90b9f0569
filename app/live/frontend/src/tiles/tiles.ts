// A grid of tiles, cut from one sprite, to pick one of. Each redraw keeps the buttons and only updates them.
import { element, type Root } from "../dom";
import { drawSprite } from "./sprite";

interface Data {
  uri: string; // of the sprite
  width: number; // of a tile, in its own pixels
  height: number;
  across: number; // tiles in a row of the sprite
  title: string;
  labels: string[];
  chosen: number | null;
  columns: number | null; // null: as many as the width allows
  mark: [number, number] | null; // (0, 0) is the middle of the bottom-left tile, (1, 1) of the top-right one
}
interface Component {
  data: Data;
  parentElement: Root;
  setTriggerValue(name: string, value: unknown): void;
}

export default function mount({ data, parentElement, setTriggerValue }: Component): void {
  const root = parentElement.querySelector<HTMLElement>(".tiles");
  if (!root) return;
  root.className = data.columns ? "tiles fill" : "tiles flow";
  root.setAttribute("aria-label", data.title);
  root.style.setProperty("--w", `${data.width}px`);
  root.style.setProperty("--ratio", String(data.height / data.width));
  root.style.setProperty("--n", String(data.columns ?? 1));
  const buttons = resized([...root.querySelectorAll("button")], root, data.labels.length);
  buttons.forEach((button, i) => {
    const label = data.labels[i] ?? "";
    button.title = label;
    button.setAttribute("aria-label", label);
    button.setAttribute("aria-pressed", String(i === data.chosen));
    button.tabIndex = i === (data.chosen ?? 0) ? 0 : -1;
    button.onclick = () => setTriggerValue("picked", i);
  });
  root.onkeydown = (event) => moveFocus(event, root, buttons);
  placeMark(root, data.mark);
  void draw(root, data);
}

// Adds or removes buttons at the end until there are `count`.
function resized(buttons: HTMLButtonElement[], root: HTMLElement, count: number): HTMLButtonElement[] {
  for (const button of buttons.splice(count)) button.remove();
  while (buttons.length < count) {
    const button = element("button", { type: "button" }, element("canvas"));
    root.insertBefore(button, root.querySelector(".mark"));
    buttons.push(button);
  }
  return buttons;
}

// The arrow keys move between tiles, Enter or Space picks; the grid is one stop for the Tab key.
function moveFocus(event: KeyboardEvent, root: HTMLElement, buttons: HTMLButtonElement[]): void {
  const focused = (root.getRootNode() as Document | ShadowRoot).activeElement;
  const at = buttons.indexOf(focused as HTMLButtonElement);
  const row = buttons.filter((button) => button.offsetTop === buttons[0]?.offsetTop).length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -row, ArrowDown: row }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  const next = at < 0 ? undefined : buttons[at + step];
  if (!next) return;
  for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
  next.focus();
}

function placeMark(root: HTMLElement, mark: Data["mark"]): void {
  const known = root.querySelector<HTMLElement>(".mark");
  if (!mark) return known?.remove();
  const dot = known ?? root.appendChild(element("span", { class: "mark" }));
  const height = "calc(var(--cell) * var(--ratio))";
  dot.style.left = `calc(var(--cell) / 2 + ${mark[0]} * (100% - var(--cell)))`;
  dot.style.top = `calc(${height} / 2 + ${1 - mark[1]} * (100% - ${height}))`;
}

async function draw(root: HTMLElement, { uri, width, height, across }: Data): Promise<void> {
  const tiles = root.querySelectorAll("canvas");
  const done = await drawSprite(root, uri, tiles.length, (sprite) => {
    tiles.forEach((tile, i) => {
      Object.assign(tile, { width, height });
      const [x, y] = [(i % across) * width, Math.floor(i / across) * height];
      tile.getContext("2d")?.drawImage(sprite, x, y, width, height, 0, 0, width, height);
    });
  });
  if (done) root.dataset.ready = "true";
}
