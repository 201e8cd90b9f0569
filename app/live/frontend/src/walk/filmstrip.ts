// Filmstrips over plain sliders, for the Walk page without a live model: the server draws the pictures after each release.
// Each redraw only updates the elements that are there.
import { element, type Root } from "../dom";
import { drawSprite } from "../tiles/sprite";

interface FilmData {
  title: string;
  note: string;
  ends: [string, string];
  faint: boolean;
  low: number;
  high: number;
  step: number;
  decimals: number;
  value: number;
  home: number; // the value that "reset" returns to
  moved: boolean;
}
interface Data {
  uri: string; // of the sheet: one strip a row, a pixel apart
  width: number; // of a frame
  height: number;
  natural: number; // width of a strip
  rounds: string; // names the rows; with another name the sliders start afresh
  heard: number; // the last move that the server has received
  films: FilmData[];
  page: number;
  pages: number;
  paging: string; // the page, in words
}
interface Component {
  data: Data;
  parentElement: Root;
  setTriggerValue(name: string, value: unknown): void;
}
interface Session {
  rounds: string;
  sent: number; // moves sent to the server
  send(row: number, value: number): void;
}

const sessions = new WeakMap<Element, Session>();

export default function mount({ data, parentElement, setTriggerValue }: Component): void {
  const root = parentElement.querySelector<HTMLElement>(".films");
  if (!root) return;
  const session = sessionOf(root, data);
  session.send = (row, value) => {
    session.sent += 1;
    setTriggerValue("moved", { row, value, count: session.sent, rounds: session.rounds });
  };
  root.style.setProperty("--natural", `${data.natural}px`);
  root.style.setProperty("--wide", String(data.width / data.natural));
  root.style.setProperty("--tall", String(data.height / data.natural));
  const films = [...root.children] as HTMLElement[];
  for (const film of films.splice(data.films.length)) film.remove();
  while (films.length < data.films.length) films.push(root.appendChild(newFilm(films.length, session)));
  // An answer to an earlier move must not pull back a slider that has been moved since.
  const late = data.heard < session.sent;
  data.films.forEach((described, i) => films[i] && update(films[i], described, late));
  turnPages(parentElement, data, (page) => setTriggerValue("turned", page));
  void drawSprite(root, data.uri, data.films.length, (sheet) => {
    root.querySelectorAll("canvas").forEach((strip, i) => {
      const { natural, height } = data;
      Object.assign(strip, { width: natural, height });
      strip.getContext("2d")?.drawImage(sheet, 0, i * (height + 1), natural, height, 0, 0, natural, height);
    });
  });
  root.dataset.ready = "true";
}

function sessionOf(root: Element, { rounds, heard }: Data): Session {
  const known = sessions.get(root) ?? { rounds, sent: heard, send: () => undefined };
  if (known.rounds !== rounds) Object.assign(known, { rounds, sent: heard });
  sessions.set(root, known);
  return known;
}

function newFilm(row: number, session: Session): HTMLElement {
  const input = element("input", { type: "range" });
  const reset = element("button", { type: "button" }, "reset");
  const words = element("span", { class: "words" }, element("b"), " ", element("span"));
  const film = element(
    "div", {},
    element("div", { class: "head" }, words, reset, element("output")),
    element("div", { class: "strip", role: "img" }, element("canvas"), element("i", { class: "needle" })),
    input,
    element("div", { class: "ends" }),
  );
  input.oninput = () => show(film);
  input.onchange = () => session.send(row, input.valueAsNumber);
  reset.onclick = () => {
    session.send(row, Number(film.dataset.home));
    input.focus();
  };
  return film;
}

function update(film: HTMLElement, described: FilmData, late: boolean): void {
  const find = <T extends HTMLElement>(selector: string): T => film.querySelector<T>(selector) as T;
  const input = find<HTMLInputElement>("input");
  const { title, low, high, step, value } = described;
  film.className = described.faint ? "film faint" : "film";
  film.dataset.decimals = String(described.decimals);
  film.dataset.home = String(described.home);
  find("b").textContent = title;
  find(".words span").textContent = described.note;
  find(".strip").setAttribute("aria-label", `${title}: the pictures along its slider`);
  find("button").hidden = !described.moved;
  find(".ends").replaceChildren(...described.ends.filter(Boolean).map((text) => element("span", {}, text)));
  input.setAttribute("aria-label", title);
  if (!late) Object.assign(input, { min: low, max: high, step, value });
  show(film);
}

// Moves the needle and writes the value as the slider has it.
function show(film: HTMLElement): void {
  const input = film.querySelector("input") as HTMLInputElement;
  const [low, high] = [Number(input.min), Number(input.max)];
  film.style.setProperty("--share", String((input.valueAsNumber - low) / (high - low)));
  const text = input.valueAsNumber.toFixed(Number(film.dataset.decimals));
  (film.querySelector("output") as HTMLOutputElement).textContent = text;
  input.setAttribute("aria-valuetext", text);
}

function turnPages(parent: Root, { page, pages, paging }: Data, turn: (page: number) => void): void {
  const pager = parent.querySelector<HTMLElement>(".pager");
  const [before, after] = pager?.querySelectorAll("button") ?? [];
  if (!pager || !before || !after) return;
  pager.hidden = pages < 2;
  (pager.querySelector("output") as HTMLOutputElement).textContent = paging;
  before.disabled = page <= 0;
  after.disabled = page >= pages - 1;
  before.onclick = () => turn(page - 1);
  after.onclick = () => turn(page + 1);
}
