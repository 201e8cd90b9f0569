// The path from one image to another: a slider over its pictures, and playing it.
import { element } from "../dom";
import { Film } from "./film";
import { FilmRenderer } from "./renderer";
import type { Change, Walk } from "./state";

export interface Ends {
  from: string;
  to: string;
}

const SPEEDS: [string, number][] = [["½×", 0.5], ["1×", 1], ["2×", 2], ["4×", 4]];
const SECONDS = 4; // from one end to the other at 1×
const REDUCED_MOTION_STEP = 0.1; // of the path

export class Path {
  private readonly film: Film;
  private readonly renderer: FilmRenderer;
  private readonly play = element("button", { type: "button", "aria-pressed": "false" }, "▶ Play");
  private readonly speed = element("select", { "aria-label": "Speed" });
  private readonly ends = element("div", { class: "ends" });
  private readonly stop: () => void;
  private playing = false;
  private at = 0;
  private forwards = true;
  private last = 0;

  constructor(
    private readonly walk: Walk,
    private readonly host: HTMLElement,
  ) {
    this.film = new Film("position", "between the two images", {
      hold: () => {
        this.pause(false);
        walk.dragging = true;
      },
      move: (value, stamp) => this.go(value, stamp),
      reset: (stamp) => this.go(0, stamp),
      release: () => walk.release(),
      text: (value) => value.toFixed(2),
    });
    this.speed.append(...SPEEDS.map(([name, value]) => element("option", { value: String(value) }, name)));
    this.speed.value = "1";
    this.play.onclick = () => (this.playing ? this.pause(true) : this.begin());
    const films = element("div", { class: "films" }, this.film.root);
    host.replaceChildren(films, this.ends, element("div", { class: "playing" }, this.play, this.speed));
    this.renderer = new FilmRenderer(walk, films);
    const codes = (values: number[]): Float32Array => {
      const all = new Float32Array(values.length * walk.z.length);
      values.forEach((value, i) => all.set(walk.codeAt(value), i * walk.z.length));
      return all;
    };
    this.renderer.set([{ film: this.film, range: () => [0, 1], codes, filmed: "", visible: false }]);
    this.stop = walk.listen((change) => this.update(change));
    this.update("place");
  }

  setEnds({ from, to }: Ends): void {
    this.ends.replaceChildren(element("span", {}, from), element("span", {}, to));
  }

  private go(value: number, stamp: number): void {
    this.at = Math.min(Math.max(value, 0), 1);
    this.walk.morph(this.at, stamp);
    this.show();
  }

  private update(change: Change): void {
    if (change === "library" || (change === "place" && this.playing && !this.walk.dragging)) this.pause(false);
    if (!this.walk.dragging && !this.playing) this.at = this.walk.offsets.along;
    this.show();
    if (!this.walk.dragging) this.renderer.ask();
    this.host.dataset.ready = this.walk.library ? "true" : "false";
  }

  private show(): void {
    this.film.show({ value: this.at, home: 0, least: 0, most: 1, low: 0, high: 1, step: 0.01, moved: this.at > 0 });
  }

  // --- playing, to and fro until it is stopped; then the position is sent to the server

  private begin(): void {
    this.playing = true;
    this.walk.dragging = true;
    this.last = performance.now();
    this.label();
    requestAnimationFrame((now) => this.tick(now));
  }

  private pause(report: boolean): void {
    if (!this.playing) return;
    this.playing = false;
    this.label();
    if (report) this.walk.release();
  }

  private label(): void {
    this.play.textContent = this.playing ? "❚❚ Pause" : "▶ Play";
    this.play.setAttribute("aria-pressed", String(this.playing));
  }

  private tick(now: number): void {
    if (!this.playing) return;
    const passed = ((now - this.last) / 1000 / SECONDS) * Number(this.speed.value);
    const reduced = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (!reduced || passed >= REDUCED_MOTION_STEP) {
      this.last = now;
      let to = this.at + (this.forwards ? 1 : -1) * Math.min(passed, reduced ? REDUCED_MOTION_STEP : 0.1);
      if (to >= 1 || to <= 0) this.forwards = to <= 0;
      to = Math.min(Math.max(to, 0), 1);
      this.go(to, now);
    }
    requestAnimationFrame((next) => this.tick(next));
  }

  close(): void {
    this.pause(false);
    this.walk.dragging = false;
    this.stop();
    this.renderer.close();
  }
}
