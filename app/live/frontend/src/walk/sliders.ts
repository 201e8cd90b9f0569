// The sliders of the code: units (most effective first, the rest folded), principal directions, attributes.
import type { Direction } from "./codes";
import { element } from "../dom";
import { Film } from "./film";
import { FilmRenderer, type FilmRow } from "./renderer";
import type { Change, Walk } from "./state";

const SHOWN_AT_FIRST = 6;
const SHOWN_MORE = 18;
const GROUPS: [string, string, Direction["data"]["kind"][]][] = [
  ["unit", "Units", ["unit"]],
  ["principal", "Principal directions", ["principal"]],
  ["attribute", "Attributes", ["own", "class", "factor"]],
];

export class Sliders {
  private readonly tabs = element("div", { class: "tabs", role: "group", "aria-label": "What to move along" });
  private readonly list = element("div", { class: "films" });
  private readonly more = element("button", { type: "button", class: "more" });
  private readonly renderer: FilmRenderer;
  private readonly rows = new Map<Direction, FilmRow>();
  private readonly stop: () => void;
  private group = "unit";
  private run = "";
  private count = SHOWN_AT_FIRST;

  constructor(
    private readonly walk: Walk,
    private readonly host: HTMLElement,
  ) {
    host.replaceChildren(this.tabs, this.list, this.more);
    this.renderer = new FilmRenderer(walk, this.list);
    this.more.onclick = () => {
      this.count += SHOWN_MORE;
      this.build();
    };
    this.run = walk.library?.data.run ?? "";
    this.stop = walk.listen((change) => this.update(change));
    this.build();
  }

  private update(change: Change): void {
    if (change === "library") {
      const run = this.walk.library?.data.run ?? "";
      if (run !== this.run) [this.run, this.count, this.group] = [run, SHOWN_AT_FIRST, "unit"];
      this.build();
    } else {
      this.show();
    }
    if (change !== "drawn" || !this.walk.dragging) this.renderer.ask();
  }

  private directions(): Direction[] {
    const kinds = GROUPS.find(([id]) => id === this.group)?.[2] ?? [];
    const found = [...(this.walk.library?.directions.values() ?? [])].filter(({ data }) => kinds.includes(data.kind));
    return found.sort((a, b) => Number(b.data.kind === "own") - Number(a.data.kind === "own")); // the visitor's own first
  }

  private build(): void {
    this.buildTabs();
    const directions = this.directions();
    this.rows.clear();
    for (const direction of directions.slice(0, this.count)) this.rows.set(direction, this.row(direction));
    this.list.replaceChildren(...[...this.rows.values()].map(({ film }) => film.root));
    const folded = directions.length - this.rows.size;
    this.more.hidden = folded <= 0;
    const count = Math.min(folded, SHOWN_MORE);
    this.more.textContent = this.group === "unit" ? `Show ${count} weaker units` : `Show ${count} more`;
    this.show();
    this.renderer.set([...this.rows.values()]);
    this.host.dataset.ready = this.walk.library ? "true" : "false";
  }

  private buildTabs(): void {
    const all = [...(this.walk.library?.directions.values() ?? [])];
    const offered = GROUPS.filter(([, , kinds]) => all.some(({ data }) => kinds.includes(data.kind)));
    this.tabs.hidden = offered.length < 2;
    this.tabs.replaceChildren(
      ...offered.map(([id, name]) => {
        const button = element("button", { type: "button", "aria-pressed": String(id === this.group) }, name);
        button.onclick = () => {
          this.group = id;
          this.count = SHOWN_AT_FIRST;
          this.build();
          this.tabs.querySelector<HTMLElement>("[aria-pressed=true]")?.focus();
        };
        return button;
      }),
    );
  }

  private row(direction: Direction): FilmRow {
    const { walk } = this;
    const { data } = direction;
    const film = new Film(data.name, [data.words, data.note].filter(Boolean).join(" · "), {
      hold: () => (walk.dragging = true),
      move: (value, stamp) => walk.move([[direction, value]], stamp),
      reset: (stamp) => walk.reset(direction, stamp),
      release: () => walk.release(),
      text: (value) => direction.text(value),
    });
    film.root.classList.toggle("dead", data.dead);
    const codes = (values: number[]): Float32Array => {
      const k = walk.z.length;
      const all = new Float32Array(values.length * k);
      values.forEach((value, i) => all.set(direction.moved(walk.z, value), i * k));
      return all;
    };
    return { film, range: () => direction.ends(walk.home(direction)), codes, filmed: "", visible: false };
  }

  private show(): void {
    const { walk } = this;
    if (!walk.library || walk.z.length === 0) return;
    for (const [direction, { film }] of this.rows) {
      const { low, high, step } = direction.data;
      const home = walk.home(direction);
      const [least, most] = direction.ends(home);
      film.show({ value: direction.reading(walk.z), home, least, most, low, high, step, moved: walk.moved(direction) });
    }
  }

  close(): void {
    this.stop();
    this.renderer.close();
  }
}
