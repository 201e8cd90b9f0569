// The maps of one page: what is shown, what is pointed at and selected, and the only messages that the server hears.
import { FrameLoop } from "../engine";
import { element, settled } from "../dom";
import { Between, type Load } from "./between";
import { Gestures, type Meant } from "./gestures";
import { Legend } from "./legend";
import { blended, calm, eased, Morph } from "./morph";
import { type Look, Panel, type Scene } from "./panel";
import { box, caught, HIDDEN, nearest, SELECTED, shuffled, toward } from "./pick";
import { packed } from "./raster";
import { OneSheet, Pictures } from "./sheets";
import { located, Shelf } from "./shelf";
import { Tip } from "./tip";
import type { Tell, Told } from "./told";
import { type Tool, Tools } from "./tools";
import { CLOSEST, moved, onMap, revealing, scale, type Spot, type View, WHOLE, zoomed } from "./view";

const REACH = 12; // pixels within which a point is meant
const MOST_SENT = 5000;
const RESTS = 140; // milliseconds after which the hand rests
const BUDGET = 14; // milliseconds that a moving hand's frame may take for points; more points wait until it rests
const FEWEST = 4000;
const TRAVELS = 600; // milliseconds, of points from a map to the one that replaces it
const TWICE = 260; // a click is one of two within this time
const HELP = "Arrow keys go from image to image, Enter selects, Shift and Enter add, Escape clears; plus, minus and zero zoom, Shift and arrows move the map.";

interface Pointed {
  panel: Panel;
  at: Spot; // pixels of the panel
  page: Spot; // of the page
  touch: boolean;
  key: boolean;
}

interface Arrays {
  colour: Uint8Array;
  index: Int32Array;
  origin: Uint8Array;
  labels: Uint16Array | undefined;
  first: Int32Array;
  places: Int16Array[];
  colours: (Uint8Array | undefined)[];
}

export class Atlas {
  private told: Told | undefined;
  private tell: Tell | undefined;
  private turn = 0;
  private panels: Panel[] = [];
  private gestures = new Map<Panel, Gestures>();
  private active: Panel | undefined; // the last that was touched: zoomed where each is zoomed by itself
  private together = true;
  private tool: Tool = "loop";
  private hidden = new Set<string>();
  private hiddenOf = "";
  private names: string[] = [];
  private labels: Uint16Array | undefined;
  private index: Int32Array = new Int32Array();
  private origin: Uint8Array = new Uint8Array();
  private scene: Scene;
  private hovered = -1;
  private cursor = -1; // of the keyboard
  private pointed: Pointed | undefined;
  private cost = 0.0002; // milliseconds of a point, as measured
  private moving = false; // what is drawn may be less than all
  private asking = false; // once a rest, never because a picture came: more may be wanted than are kept
  private travelling = 0; // the frame of points on their way to a map that replaces theirs
  private tapped: ReturnType<typeof setTimeout> | undefined;
  private closed = false;

  private readonly shelf = new Shelf();
  private readonly grid = element("div", { class: "panels" });
  private readonly said = element("p", { class: "unseen", "aria-live": "polite" });
  private readonly quiet = element("p", { class: "quiet" });
  private readonly tip = new Tip();
  private readonly tools: Tools;
  private readonly legend: Legend;
  private readonly morph = new Morph((stamp) => this.redraw(stamp));
  private readonly between: Between;
  private readonly sizes = new ResizeObserver(() => this.redraw(performance.now(), false));
  private readonly views = new FrameLoop<undefined>(() => this.draw());
  private readonly hover = new FrameLoop<Pointed | undefined>((pointed) => this.show(pointed));
  private readonly alive = new FrameLoop<Pointed>((pointed) => this.dream(pointed));
  private readonly rest = settled(RESTS, () => {
    this.moving = false;
    if (!this.closed) this.redraw(performance.now(), false);
  });

  constructor(
    private readonly host: HTMLElement,
    load: Load | undefined,
  ) {
    this.legend = new Legend({
      toggle: (name) => this.toggle(name),
      showAll: () => this.hide(new Set()),
      choose: (colour, add) => this.chooseClass(colour, add),
      clear: () => this.select([], false),
    });
    this.tools = new Tools({
      tool: (tool) => this.take(tool),
      zoom: (factor) => this.zoom(this.active ?? this.panels[0], factor, undefined, performance.now()),
      whole: () => this.whole(),
      together: (on) => this.join(on),
      morph: (on) => this.morph.show(on),
    });
    this.between = new Between(this.shelf, load, (reason) => {
      this.say(`The picture between the points is not drawn here: ${reason}.`);
      this.tell?.setStateValue("failed", { reason });
    });
    const anew = (): void => {
      if (this.told) this.views.push(undefined, performance.now());
    };
    const none = new Uint8Array();
    this.scene = {
      n: 0, colour: none, inks: new Uint32Array(), shapes: [], flags: none, selected: 0, order: new Uint32Array(),
      pictures: new Pictures(anew), thumbnails: false, own: new OneSheet(anew), columns: 1, look: this.looked(),
    };
    const help = element("p", { class: "unseen", id: "maps-help" }, HELP);
    const board = element("div", { class: "board" }, this.tools.root, this.morph.root, this.legend.root, this.grid, this.quiet, this.said, help);
    host.replaceChildren(board, this.tip.root); // the tip is placed on the page, which a container's size may not bound
    host.dataset.ready = "0";
    host.dataset.frame = "0";
  }

  // --- what the server says

  async update(told: Told, tell: Tell): Promise<void> {
    this.tell = tell;
    this.turn += 1;
    const { turn } = this;
    if (JSON.stringify(told) === JSON.stringify(this.told)) {
      this.scene.look = this.looked(); // another theme
      return this.redraw(performance.now(), false);
    }
    const before = this.told;
    this.arrange(told);
    let arrays: Arrays;
    try {
      arrays = await this.read(told);
    } catch (error) {
      console.warn(error);
      if (turn === this.turn) this.miss(told.token);
      return;
    }
    if (turn !== this.turn || this.closed) return;
    this.say(this.between.off ? this.quiet.textContent : "");
    this.adopt(told, arrays, before);
  }

  // Said once for the same maps: the server may answer by drawing them again.
  private miss(token: string): void {
    this.say("The maps could not be loaded: the server did not answer as it should. Reload the page.");
    if (this.missed !== token) this.tell?.setStateValue("failed", { reason: "the maps could not be loaded" });
    this.missed = token;
  }
  private missed = "";

  private async read(told: Told): Promise<Arrays> {
    const { base } = told;
    const wanted = new Set<string>();
    const get = (address: string): Promise<ArrayBuffer> => {
      wanted.add(address);
      return this.shelf.get(address, base);
    };
    const maybe = async (address: string | null | undefined): Promise<ArrayBuffer | undefined> => (address ? get(address) : undefined);
    const [colour, index, origin, labels, first, places, colours] = await Promise.all([
      get(told.colour), get(told.index), get(told.origin), maybe(told.labels), maybe(told.images.first?.positions),
      Promise.all(told.panels.map((panel) => get(panel.places))),
      Promise.all(told.panels.map((panel) => maybe(panel.colour))),
    ]);
    for (const { back } of told.panels) if (back) wanted.add(back.rows);
    if (told === this.wanted) this.shelf.keep(wanted);
    return {
      colour: new Uint8Array(colour),
      index: new Int32Array(index),
      origin: new Uint8Array(origin),
      labels: labels && new Uint16Array(labels),
      first: new Int32Array(first ?? new ArrayBuffer()),
      places: places.map((buffer) => new Int16Array(buffer)),
      colours: colours.map((buffer) => buffer && new Uint8Array(buffer)),
    };
  }
  private wanted: Told | undefined;

  // Panels for what is told, before their points are here: the page's heights are known at once.
  private arrange(told: Told): void {
    this.wanted = told;
    const free = new Set(this.panels);
    const take = (found: Panel | undefined): Panel | undefined => (found && free.delete(found) ? found : undefined);
    const same = told.panels.map(({ id }) => take(this.panels.find((panel) => panel.told.id === id)));
    const panels = told.panels.map((panel, i) => {
      const found = same[i] ?? take([...free].find((other) => other === this.panels[i])) ?? new Panel(panel);
      found.hear(panel);
      return found;
    });
    for (const panel of this.panels) if (!panels.includes(panel)) this.drop(panel);
    for (const panel of panels) {
      if (this.gestures.has(panel)) continue;
      this.gestures.set(panel, new Gestures(panel.frame, this.meant(panel)));
      panel.frame.setAttribute("aria-describedby", "maps-help");
      panel.view = this.together ? (this.panels[0]?.view ?? WHOLE) : WHOLE;
      this.sizes.observe(panel.frame);
    }
    this.panels = panels;
    if (this.grid.children.length !== panels.length || panels.some(({ root }, i) => this.grid.children[i] !== root)) {
      this.grid.replaceChildren(...panels.map(({ root }) => root));
    }
    this.grid.dataset.panels = String(panels.length);
    this.legend.build(told);
    this.morph.offer(told.panels);
    this.tip.fit(...told.images.tile);
    this.host.dataset.ready = "0";
    this.tooled();
  }

  private drop(panel: Panel): void {
    this.sizes.unobserve(panel.frame);
    this.gestures.delete(panel);
    panel.close();
    if (this.active === panel) this.active = undefined;
    if (this.pointed?.panel === panel) this.leave();
  }

  private adopt(told: Told, arrays: Arrays, before: Told | undefined): void {
    const { scene } = this;
    const sameImages = before?.n === told.n && before.index === told.index && scene.n === told.n;
    this.told = told;
    this.names = told.legend.names;
    this.index = arrays.index;
    this.origin = arrays.origin;
    this.labels = arrays.labels;
    if (!sameImages) {
      Object.assign(scene, { n: told.n, flags: new Uint8Array(told.n), order: shuffled(told.n), selected: 0 });
      this.cursor = -1;
      this.leave();
      for (const panel of this.panels) panel.view = WHOLE;
    }
    Object.assign(scene, {
      colour: arrays.colour, inks: Uint32Array.from(told.table, packed), shapes: told.shapes, thumbnails: told.thumbnails,
      columns: told.images.columns, look: this.looked(),
    });
    scene.pictures.set(told, arrays.index, scene.order, arrays.first);
    scene.own.set(told.own ? located(told.own.sprite, told.base) : "");
    const legend = JSON.stringify(told.legend);
    if (legend !== this.hiddenOf) this.hidden.clear();
    this.hiddenOf = legend;
    this.flag();
    this.panels.forEach((panel, i) => {
      panel.colour = arrays.colours[i];
      panel.goal = Float32Array.from(arrays.places[i] ?? [], (place) => place / 1000);
    });
    this.between.set(told.panels, told.base);
    this.settlePlaces();
    this.host.dataset.ready = "1";
    this.redraw(performance.now(), false);
    if (scene.selected > 0 && before && before.token !== told.token) setTimeout(() => this.commit(), 0); // the same images under another name
    const prepare = (): void => void (this.closed || this.between.prepare());
    if ("requestIdleCallback" in window) requestIdleCallback(prepare, { timeout: 3000 });
    else setTimeout(prepare, 800);
  }

  // Points travel to the map that replaces theirs.
  private settlePlaces(): void {
    cancelAnimationFrame(this.travelling);
    const far = this.panels.filter(({ places, goal }) => places.length === goal.length && places.some((value, i) => value !== goal[i]));
    for (const panel of this.panels) if (!far.includes(panel)) panel.places = panel.goal;
    if (far.length === 0 || calm()) {
      for (const panel of far) panel.places = panel.goal;
      return;
    }
    const from = far.map(({ places }) => places.slice());
    const begun = performance.now();
    const step = (now: number): void => {
      const t = Math.min(Math.max((now - begun) / TRAVELS, 0), 1);
      far.forEach((panel, i) => {
        panel.places = t < 1 ? blended(from[i] ?? panel.goal, panel.goal, eased(t), new Float32Array(panel.goal.length)) : panel.goal;
      });
      this.redraw(now);
      if (t < 1) this.travelling = requestAnimationFrame(step);
    };
    this.travelling = requestAnimationFrame(step);
  }

  private looked(): Look {
    const { backgroundColor: back, color: ink, fontFamily: font } = getComputedStyle(this.grid);
    const context = new OffscreenCanvas(1, 1).getContext("2d");
    if (context) context.fillStyle = back;
    context?.fillRect(0, 0, 1, 1);
    const [r = 255, g = 255, b = 255] = context?.getImageData(0, 0, 1, 1).data ?? [];
    return { paper: packed([r, g, b]), back, ink, font };
  }

  private say(words: string | null): void {
    this.quiet.textContent = words;
  }

  // --- drawing

  private redraw(stamp: number, moving = true): void {
    if (!this.told) return;
    this.asking = true;
    if (moving) {
      this.moving = true;
      this.rest();
    }
    this.views.push(undefined, stamp);
  }

  private draw(): void {
    if (!this.told || this.closed) return;
    const { scene, panels } = this;
    this.travel();
    const most = this.moving ? Math.max(FEWEST, Math.floor(BUDGET / this.cost / panels.length)) : scene.n;
    const begun = performance.now();
    let drawn = 0;
    for (const panel of panels) drawn += panel.draw(scene, Math.min(most, scene.n), !this.moving);
    const took = performance.now() - begun;
    if (drawn > FEWEST) this.cost += 0.3 * (took / drawn - this.cost);
    if (this.asking && !this.moving) this.ask();
    this.marks();
    this.legend.show(scene.selected, this.hidden, this.names, this.wholeClasses());
    const { dataset } = this.host;
    dataset.selected = String(scene.selected);
    dataset.frame = String(Number(dataset.frame) + 1);
  }

  // Pictures that the maps have room for, in turns.
  private ask(): void {
    this.asking = false;
    const most = Math.max(0, ...this.panels.map(({ wanted }) => wanted.length));
    const turns = Array.from({ length: most }, (_, i) => this.panels.flatMap(({ wanted }) => wanted.slice(i, i + 1)));
    this.scene.pictures.ask(turns.flat().reverse());
  }

  // The places of the map from which the points travel.
  private travel(): void {
    const { travel } = this.morph;
    const to = travel && this.panels.find(({ told }) => told.id === travel.to);
    for (const panel of this.panels) {
      const travels = travel && to && panel.told.id === travel.from && panel.goal.length === to.goal.length;
      panel.name(travels ? `${panel.told.title} → ${to.told.title}, ${Math.round(100 * travel.at)} %` : panel.told.title);
      if (travels) {
        panel.places = blended(panel.goal, to.goal, travel.at, panel.places === panel.goal ? new Float32Array(panel.goal.length) : panel.places);
        this.away = panel;
      } else if (this.away === panel) {
        panel.places = panel.goal;
        this.away = undefined;
      }
    }
  }
  private away: Panel | undefined; // whose points are on their way to another map

  private marks(): void {
    const { scene } = this;
    const only = scene.selected === 1 ? scene.flags.findIndex((flag) => (flag & SELECTED) !== 0) : -1;
    for (const panel of this.panels) {
      panel.choose(only);
      panel.mark(this.hovered);
    }
  }

  // --- zoom

  private take(tool: Tool): void {
    this.tool = tool;
    this.host.dataset.tool = tool;
  }

  private join(on: boolean): void {
    this.together = on;
    const view = (this.active ?? this.panels[0])?.view ?? WHOLE;
    if (on) this.see(undefined, view, performance.now());
  }

  private see(panel: Panel | undefined, view: View, stamp: number): boolean {
    const moving = this.panels.filter((other) => this.together || other === panel);
    const changed = moving.filter((other) => other.view !== view);
    const same = moving.every(({ view: { zoom, x, y } }) => zoom === view.zoom && x === view.x && y === view.y);
    if (same || changed.length === 0) return false;
    for (const other of changed) other.view = view;
    this.tooled();
    this.redraw(stamp);
    return true;
  }

  private zoom(panel: Panel | undefined, factor: number, at: Spot | undefined, stamp: number): boolean {
    if (!panel) return false;
    const { view } = panel;
    return this.see(panel, zoomed(view, factor, at ? onMap(view, panel.side, at) : [view.x, view.y]), stamp);
  }

  private whole(): void {
    this.see(this.active ?? this.panels[0], WHOLE, performance.now());
  }

  private tooled(): void {
    const zooms = this.panels.map(({ view }) => view.zoom);
    this.tools.show(this.panels.length, zooms.every((zoom) => zoom >= CLOSEST), zooms.every((zoom) => zoom <= 1));
  }

  // --- the hand

  private meant(panel: Panel): Meant {
    const atlas = this;
    return {
      get tool() {
        return atlas.tool;
      },
      point: (at, event) => {
        const page: Spot = [event.clientX, event.clientY];
        this.aim({ panel, at, page, touch: event.pointerType === "touch", key: false }, event.timeStamp);
      },
      leave: () => this.leave(),
      sketch: (corners, boxed) => {
        this.active = panel;
        this.leave();
        const [a, b] = corners;
        panel.sketch(boxed && a && b ? box(a, b) : corners);
      },
      enclose: (corners, boxed, add) => {
        const [a, b] = corners;
        const outline = (boxed && a && b ? box(a, b) : corners).map((corner) => onMap(panel.view, panel.side, corner));
        this.select(caught(panel.places, this.scene.flags, outline), add);
      },
      tap: (at, add) => this.tap(panel, at, add),
      pan: (dx, dy, stamp) => {
        this.active = panel;
        this.leave();
        const by = scale(panel.view, panel.side);
        this.see(panel, moved(panel.view, -dx / by, dy / by), stamp);
      },
      zoom: (factor, at, stamp) => {
        clearTimeout(this.tapped);
        this.active = panel;
        return this.zoom(panel, factor, at, stamp);
      },
      hint: (words) => panel.hint(words),
      whole: () => this.whole(),
      step: (direction) => this.step(panel, direction),
      choose: (add) => {
        if (this.cursor >= 0) this.select([this.cursor], add);
      },
      clear: () => {
        this.leave();
        this.select([], false);
      },
    };
  }

  // The point that is meant at a place of a panel: the picture there, or the nearest within reach.
  private under(panel: Panel, at: Spot): number {
    const picture = panel.picture(at);
    if (picture >= 0) return picture;
    return nearest(panel.places, this.scene.flags, onMap(panel.view, panel.side, at), REACH / scale(panel.view, panel.side));
  }

  private aim(pointed: Pointed, stamp: number): void {
    if (!this.told) return;
    this.pointed = pointed;
    this.hover.push(pointed, stamp);
    if (this.dreams(pointed.panel)) this.alive.push(pointed, stamp);
  }

  private leave(): void {
    this.pointed = undefined;
    if (this.hovered < 0 && !this.tip.root.classList.contains("on")) return;
    this.hover.push(undefined, performance.now());
  }

  private tap(panel: Panel, at: Spot, add: boolean): void {
    if (!this.told) return;
    this.active = panel;
    const point = this.under(panel, at);
    clearTimeout(this.tapped);
    if (point >= 0) this.select([point], add);
    else if (this.dreams(panel)) {
      const { token } = this.told;
      const [x, y] = onMap(panel.view, panel.side, at);
      this.tapped = setTimeout(() => this.tell?.setTriggerValue("place", { token, panel: panel.told.id, x, y }), TWICE);
    } else if (!add) this.select([], false);
  }

  // --- what is under the hand

  private dreams(panel: Panel): boolean {
    return this.between.has(panel.told.id) && panel !== this.away;
  }

  private show(pointed: Pointed | undefined): void {
    if (!this.told || this.closed) return;
    const point = pointed ? (pointed.key ? this.cursor : this.under(pointed.panel, pointed.at)) : -1;
    this.hovered = point;
    this.host.dataset.hovered = String(point);
    for (const panel of this.panels) panel.mark(point);
    if (!pointed) return this.tip.hide();
    const { panel } = pointed;
    const made = this.dreams(panel) && !pointed.key;
    if (point < 0 && !made && !panel.told.nowhere) return this.tip.hide();
    const words = made ? "no image this near" : panel.told.nowhere;
    this.tip.show(point < 0 ? undefined : this.about(point), words, made);
    if (made && !this.drawn) this.tip.draw(undefined, this.maker(panel), "…");
    this.tip.place(...pointed.page, pointed.touch);
  }
  private drawn = false;

  private about(point: number): { tile: ReturnType<Pictures["tile"]>; name: string; where: string } {
    const { told, scene } = this;
    const tile = scene.pictures.tile(point);
    if (!tile) scene.pictures.ask([point]);
    const label = this.labels ? (told?.label_names[this.labels[point] ?? 0] ?? "") : "";
    const origin = told?.origins[this.origin[point] ?? 0] ?? "";
    return { tile, name: label, where: `${origin} ${this.index[point] ?? point}`.trim() };
  }

  private maker(panel: Panel): string {
    return this.between.throughDecoder(panel.told.id) ? "Drawn by the decoder" : "Drawn by PCA";
  }

  // What the place between the points stands for; made, not real.
  private async dream(pointed: Pointed): Promise<void> {
    const { panel, at } = pointed;
    const picture = await this.between.picture(panel.told.id, onMap(panel.view, panel.side, at));
    if (this.closed || this.pointed?.panel !== panel || !this.dreams(panel)) return;
    this.drawn = picture !== undefined;
    this.tip.draw(picture, this.maker(panel), picture ? "for this place" : "one moment …");
    this.host.dataset.dreamt = String(this.drawn);
  }

  // --- the keyboard

  private step(panel: Panel, direction: Spot): void {
    const { scene } = this;
    this.active = panel;
    const seenOne = this.cursor >= 0 && ((scene.flags[this.cursor] ?? HIDDEN) & HIDDEN) === 0;
    const found = seenOne
      ? toward(panel.places, scene.flags, this.cursor, direction)
      : nearest(panel.places, scene.flags, [panel.view.x, panel.view.y], Infinity);
    if (found < 0) return;
    this.cursor = found;
    this.see(panel, revealing(panel.view, [panel.places[2 * found] ?? 0, panel.places[2 * found + 1] ?? 0]), performance.now());
    const at = panel.spot(found);
    const frame = panel.frame.getBoundingClientRect();
    const { name, where } = this.about(found);
    this.said.textContent = [name, where, (scene.flags[found] ?? 0) & SELECTED ? "selected" : ""].filter(Boolean).join(", ");
    this.aim({ panel, at, page: [frame.left + at[0], frame.top + at[1]], touch: false, key: true }, performance.now());
  }

  // --- classes and the selection

  private toggle(name: string): void {
    const hidden = new Set(this.hidden);
    if (!hidden.delete(name)) hidden.add(name);
    this.hide(hidden);
  }

  // What is hidden cannot stay selected.
  private hide(hidden: Set<string>): void {
    this.hidden = hidden;
    const before = this.scene.selected;
    this.flag();
    if (this.scene.selected !== before) this.commit();
    this.redraw(performance.now(), false);
  }

  private flag(): void {
    const { flags, colour } = this.scene;
    const off = this.names.map((name) => this.hidden.has(name));
    let selected = 0;
    for (let i = 0; i < flags.length; i += 1) {
      flags[i] = off[colour[i] ?? 0] ? HIDDEN : (flags[i] ?? 0) & SELECTED;
      if (flags[i] === SELECTED) selected += 1;
    }
    this.scene.selected = selected;
  }

  private chooseClass(colour: number, add: boolean): void {
    const { scene } = this;
    const name = this.names[colour] ?? "";
    if (this.hidden.has(name)) this.toggle(name);
    const own: number[] = [];
    scene.colour.forEach((other, i) => {
      if (other === colour) own.push(i);
    });
    const already = scene.selected === own.length && own.every((i) => (scene.flags[i] ?? 0) & SELECTED);
    this.select(already ? [] : own, add && !already);
  }

  private wholeClasses(): boolean[] {
    const whole = this.names.map(() => this.scene.selected > 0);
    const some = this.names.map(() => false);
    const { flags, colour, selected } = this.scene;
    if (selected === 0) return whole;
    for (let i = 0; i < flags.length; i += 1) {
      const of = colour[i] ?? 0;
      some[of] = true;
      if (((flags[i] ?? 0) & SELECTED) === 0) whole[of] = false;
    }
    return whole.map((all, i) => all && (some[i] ?? false));
  }

  private select(points: readonly number[], add: boolean): void {
    const { scene } = this;
    const { flags } = scene;
    const before = scene.selected;
    if (!add) for (let i = 0; i < flags.length; i += 1) flags[i] = (flags[i] ?? 0) & ~SELECTED;
    for (const point of points) if (((flags[point] ?? 0) & HIDDEN) === 0) flags[point] = SELECTED;
    scene.selected = flags.reduce((sum, flag) => sum + (flag === SELECTED ? 1 : 0), 0);
    if (before === 0 && scene.selected === 0) return;
    this.commit();
    this.redraw(performance.now(), false);
  }

  private commit(): void {
    if (!this.told || this.closed) return;
    const indices: number[] = [];
    this.scene.flags.forEach((flag, i) => {
      if (flag === SELECTED && indices.length < MOST_SENT) indices.push(i);
    });
    this.tell?.setStateValue("selection", { token: this.told.token, indices, count: this.scene.selected });
  }

  close(): void {
    this.closed = true;
    this.turn += 1;
    clearTimeout(this.tapped);
    cancelAnimationFrame(this.travelling);
    this.sizes.disconnect();
    this.morph.stop();
    this.between.close();
    this.scene.pictures.close();
    this.scene.own.set("");
    this.shelf.keep(new Set());
    for (const panel of this.panels) panel.close();
    this.host.replaceChildren();
  }
}
