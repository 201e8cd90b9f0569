// The maps of one page: what is shown, what is pointed at and selected, and the only messages that the server hears.
import { FrameLoop } from "../model/engine";
import { element, debounced } from "../dom";
import { addresses, type Arrays, read } from "./arrays";
import { Between, type Load } from "./between";
import { Chosen } from "./chosen";
import { Gestures, type Meant } from "./gestures";
import { Glide } from "./glide";
import { Legend } from "./legend";
import { Morph } from "./morph";
import { type Look, Panel, type Scene } from "./panel";
import { box, caught, nearest, shuffled, toward } from "./pick";
import { Pointer } from "./pointer";
import { packed } from "./raster";
import { OneSheet, Pictures } from "./sheets";
import { located, Shelf } from "./shelf";
import type { Tell, Told } from "./message";
import { type Tool, Tools } from "./tools";
import { Travel } from "./travel";
import { CLOSEST, moved, onMap, revealing, scale, type Spot, type View, WHOLE, zoomed } from "./view";

const MOST_SENT = 5000;
const RESTS = 140; // milliseconds after which the hand rests
const BUDGET = 14; // milliseconds that a moving hand's frame may take for points; more points wait until it rests
const FEWEST = 4000;
const TWICE = 260; // a click is one of two within this time
const HELP = "Arrow keys go from image to image, Enter selects, Shift and Enter add, Escape clears; plus, minus and zero zoom, Shift and arrows move the map.";

export class Atlas {
  private told: Told | undefined;
  private tell: Tell | undefined;
  private wanted = ""; // the last message, as text
  private missed = ""; // what could not be loaded, and was said
  private panels: Panel[] = [];
  private gestures = new Map<Panel, Gestures>();
  private active: Panel | undefined; // the last that was touched: zoomed where each is zoomed by itself
  private together = true;
  private tool: Tool = "loop";
  private scene: Scene;
  private cursor = -1; // of the keyboard
  private cost = 0.0002; // milliseconds of a point, as measured
  private moving = false; // what is drawn may be less than all
  private asking = false; // once a rest, never because a picture came: more may be wanted than are kept
  private tapped: ReturnType<typeof setTimeout> | undefined;
  private closed = false;

  private readonly shelf = new Shelf();
  private readonly grid = element("div", { class: "panels" });
  private readonly said = element("p", { class: "unseen", "aria-live": "polite" });
  private readonly quiet = element("p", { class: "quiet" });
  private readonly tools: Tools;
  private readonly legend: Legend;
  private readonly morph = new Morph((stamp) => this.redraw(stamp));
  private readonly between: Between;
  private readonly pointer: Pointer;
  private readonly travel = new Travel((stamp) => this.redraw(stamp));
  private readonly glide = new Glide();
  private readonly sizes = new ResizeObserver(() => this.redraw(performance.now(), false));
  private readonly views = new FrameLoop<undefined>(() => this.draw());
  private readonly rest = debounced(RESTS, () => {
    this.moving = false;
    if (!this.closed) this.redraw(performance.now(), false);
  });

  constructor(
    private readonly host: HTMLElement,
    load: Load | undefined,
  ) {
    this.legend = new Legend({
      toggle: (name) => this.change((chosen) => chosen.toggle(name)),
      showAll: () => this.change((chosen) => chosen.hide([])),
      choose: (colour, add) => this.change((chosen) => chosen.selectClass(colour, add)),
      clear: () => this.select([], false),
    });
    this.tools = new Tools({
      tool: (tool) => this.take(tool),
      zoom: (factor) => this.zoom(this.active ?? this.panels[0], factor, undefined),
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
      n: 0, colour: none, inks: new Uint32Array(), shapes: [], chosen: new Chosen(), order: new Uint32Array(),
      pictures: new Pictures(anew), thumbnails: false, own: new OneSheet(anew), look: this.looked(),
    };
    this.pointer = new Pointer(host, this.scene, this.between, () => this.panels, () => this.travel.away);
    const help = element("p", { class: "unseen", id: "maps-help" }, HELP);
    const board = element("div", { class: "board" }, this.tools.root, this.morph.root, this.legend.root, this.grid, this.quiet, this.said, help);
    host.replaceChildren(board, this.pointer.tip.root); // the tip is placed on the page, which a container's size may not bound
    host.dataset.ready = "0";
    host.dataset.frame = "0";
  }

  // --- what the server says

  async update(told: Told, tell: Tell): Promise<void> {
    this.tell = tell;
    const wanted = JSON.stringify(told);
    if (wanted === this.wanted) {
      this.scene.look = this.looked(); // another theme
      return this.redraw(performance.now(), false);
    }
    this.wanted = wanted;
    this.arrange(told);
    let arrays: Arrays;
    try {
      arrays = await read(told, this.shelf);
    } catch (error) {
      console.warn(error);
      if (wanted === this.wanted) this.miss(told.token);
      return;
    }
    if (wanted !== this.wanted || this.closed) return;
    this.shelf.keep(addresses(told));
    this.adopt(told, arrays, this.told);
  }

  // Said once for the same maps: the server may answer by drawing them again.
  private miss(token: string): void {
    this.say("The maps could not be loaded: the server did not answer as it should. Reload the page.");
    if (this.missed !== token) this.tell?.setStateValue("failed", { reason: "the maps could not be loaded" });
    this.missed = token;
    this.wanted = "";
  }

  // Panels for what is told, before their points are here: the page's heights are known at once.
  private arrange(told: Told): void {
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
    this.pointer.tip.fit(...told.images.tile);
    this.host.dataset.ready = "0";
    this.tooled();
  }

  private drop(panel: Panel): void {
    this.sizes.unobserve(panel.frame);
    this.gestures.delete(panel);
    panel.close();
    if (this.active === panel) this.active = undefined;
    this.pointer.leave();
  }

  private adopt(told: Told, arrays: Arrays, before: Told | undefined): void {
    const { scene } = this;
    const sameImages = before?.n === told.n && before.index === told.index && scene.n === told.n;
    this.told = told;
    this.pointer.set(told, arrays);
    if (!sameImages) {
      Object.assign(scene, { n: told.n, order: shuffled(told.n) });
      scene.chosen.begin(told.n);
      this.cursor = -1;
      this.pointer.leave();
      for (const panel of this.panels) panel.view = WHOLE;
    }
    Object.assign(scene, {
      colour: arrays.colour, inks: Uint32Array.from(told.table, packed), shapes: told.shapes, thumbnails: told.thumbnails,
      look: this.looked(),
    });
    scene.pictures.set(told, arrays.index, scene.order, arrays.first);
    scene.own.set(told.own ? located(told.own.sprite, told.base) : "");
    scene.chosen.paint(arrays.colour, told.legend.names, JSON.stringify(told.legend));
    this.panels.forEach((panel, i) => {
      panel.colour = arrays.colours[i];
      panel.goal = arrays.places[i] ?? panel.goal;
    });
    this.between.set(told.panels, told.base);
    if (this.between.off === undefined) this.say("");
    this.legend.show(scene.chosen);
    this.travel.settle(this.panels);
    this.host.dataset.ready = "1";
    this.redraw(performance.now(), false);
    if (scene.chosen.count > 0 && before && before.token !== told.token) setTimeout(() => this.commit(), 0); // the same images under another name
    const prepare = (): void => void (this.closed || this.between.prepare());
    if ("requestIdleCallback" in window) requestIdleCallback(prepare, { timeout: 3000 });
    else setTimeout(prepare, 800);
  }

  private looked(): Look {
    const { backgroundColor: back, color: ink, fontFamily: font } = getComputedStyle(this.grid);
    const context = new OffscreenCanvas(1, 1).getContext("2d");
    if (context) context.fillStyle = back;
    context?.fillRect(0, 0, 1, 1);
    const [r = 255, g = 255, b = 255] = context?.getImageData(0, 0, 1, 1).data ?? [];
    return { paper: packed([r, g, b]), back, ink, font };
  }

  private say(words: string): void {
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
    this.travel.morph(panels, this.morph.travel);
    const most = this.moving ? Math.max(FEWEST, Math.floor(BUDGET / this.cost / panels.length)) : scene.n;
    const begun = performance.now();
    let drawn = 0;
    for (const panel of panels) drawn += panel.draw(scene, Math.min(most, scene.n), !this.moving);
    const took = performance.now() - begun;
    if (drawn > FEWEST) this.cost += 0.3 * (took / drawn - this.cost);
    if (this.asking && !this.moving) this.ask();
    this.marks();
    const { dataset } = this.host;
    dataset.selected = String(scene.chosen.count);
    dataset.frame = String(Number(dataset.frame) + 1);
  }

  // Pictures that the maps have room for, in turns.
  private ask(): void {
    this.asking = false;
    const most = Math.max(0, ...this.panels.map(({ wanted }) => wanted.length));
    const turns = Array.from({ length: most }, (_, i) => this.panels.flatMap(({ wanted }) => wanted.slice(i, i + 1)));
    this.scene.pictures.ask(turns.flat().reverse());
  }

  private marks(): void {
    const { chosen } = this.scene;
    const [only = -1] = chosen.count === 1 ? chosen.points(1) : [];
    for (const panel of this.panels) {
      panel.choose(only);
      panel.mark(this.pointer.hovered);
    }
  }

  // --- zoom

  private take(tool: Tool): void {
    this.tool = tool;
    this.host.dataset.tool = tool;
  }

  private join(on: boolean): void {
    this.together = on;
    this.glide.stop();
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

  // Whether there was anything to zoom.
  private zoom(panel: Panel | undefined, factor: number, at: Spot | undefined): boolean {
    if (!panel) return false;
    if (this.active !== panel) this.glide.stop();
    this.active = panel;
    const view = this.glide.to ?? panel.view;
    const to = zoomed(view, factor, at ? onMap(view, panel.side, at) : [view.x, view.y]);
    if (to.zoom === view.zoom) return false;
    this.glide.go(to, () => panel.view, (next, stamp) => this.see(panel, next, stamp));
    return true;
  }

  private whole(): void {
    this.glide.stop();
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
      point: (at, event) => this.pointer.aim(panel, at, event),
      leave: () => this.pointer.leave(),
      sketch: (corners, boxed) => {
        this.active = panel;
        this.pointer.leave();
        const [a, b] = corners;
        panel.sketch(boxed && a && b ? box(a, b) : corners);
      },
      enclose: (corners, boxed, add) => {
        const [a, b] = corners;
        const outline = (boxed && a && b ? box(a, b) : corners).map((corner) => onMap(panel.view, panel.side, corner));
        this.select(caught(panel.places, this.scene.chosen.flags, outline), add);
      },
      tap: (at, add) => this.tap(panel, at, add),
      pan: (dx, dy, stamp) => {
        this.active = panel;
        this.glide.stop();
        this.pointer.leave();
        const by = scale(panel.view, panel.side);
        this.see(panel, moved(panel.view, -dx / by, dy / by), stamp);
      },
      zoom: (factor, at) => {
        clearTimeout(this.tapped);
        return this.zoom(panel, factor, at);
      },
      pinch: (factor, at, stamp) => this.see(panel, zoomed(panel.view, factor, onMap(panel.view, panel.side, at)), stamp),
      hint: (words) => panel.hint(words),
      whole: () => this.whole(),
      step: (direction) => this.step(panel, direction),
      choose: (add) => {
        if (this.cursor >= 0) this.select([this.cursor], add);
      },
      clear: () => {
        this.pointer.leave();
        this.select([], false);
      },
    };
  }

  private tap(panel: Panel, at: Spot, add: boolean): void {
    if (!this.told) return;
    this.active = panel;
    const point = this.pointer.under(panel, at);
    clearTimeout(this.tapped);
    if (point >= 0) this.select([point], add);
    else if (this.pointer.dreams(panel)) {
      const { token } = this.told;
      const [x, y] = onMap(panel.view, panel.side, at);
      this.tapped = setTimeout(() => this.tell?.setTriggerValue("place", { token, panel: panel.told.id, x, y }), TWICE);
    } else if (!add) this.select([], false);
  }

  // --- the keyboard

  private step(panel: Panel, direction: Spot): void {
    const { chosen } = this.scene;
    this.active = panel;
    const found = chosen.shown(this.cursor)
      ? toward(panel.places, chosen.flags, this.cursor, direction)
      : nearest(panel.places, chosen.flags, [panel.view.x, panel.view.y], Infinity);
    if (found < 0) return;
    this.cursor = found;
    this.glide.stop();
    this.see(panel, revealing(panel.view, [panel.places[2 * found] ?? 0, panel.places[2 * found + 1] ?? 0]), performance.now());
    const { name, where } = this.pointer.words(found);
    this.said.textContent = [name, where, chosen.has(found) ? "selected" : ""].filter(Boolean).join(", ");
    this.pointer.go(panel, found);
  }

  // --- the selection

  private select(points: readonly number[], add: boolean): void {
    this.change((chosen) => chosen.select(points, add));
  }

  // `act` says whether the selection is another one, of which the server hears.
  private change(act: (chosen: Chosen) => boolean): void {
    if (act(this.scene.chosen)) this.commit();
    this.legend.show(this.scene.chosen);
    this.redraw(performance.now(), false);
  }

  private commit(): void {
    if (!this.told || this.closed) return;
    const { chosen } = this.scene;
    this.tell?.setStateValue("selection", { token: this.told.token, indices: chosen.points(MOST_SENT), count: chosen.count });
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.tapped);
    this.travel.stop();
    this.glide.stop();
    this.sizes.disconnect();
    this.morph.stop();
    this.pointer.close();
    this.between.close();
    this.scene.pictures.close();
    this.scene.own.set("");
    this.shelf.keep(new Set());
    for (const panel of this.panels) panel.close();
    this.host.replaceChildren();
  }
}
