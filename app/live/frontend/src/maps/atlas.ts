// The maps of one page: lays them out, draws them, and exchanges messages with the server.
import { element, debounced } from "../dom";
import { FrameLoop } from "../model/engine";
import { addresses, type Arrays, read } from "./arrays";
import { ArrayCache, resolved } from "./cache";
import { Gestures } from "./gestures";
import { Interaction } from "./interaction";
import { Inverses, type Load } from "./inverse";
import { Legend } from "./legend";
import type { Message, Sender } from "./message";
import { Morph } from "./morph";
import { Panel } from "./panel";
import { shuffled } from "./pick";
import { Pointer } from "./pointer";
import { packed } from "./raster";
import type { Scene, Theme } from "./scene";
import { Selection } from "./selection";
import { OneSheet, Pictures } from "./sheets";
import { Tools } from "./tools";
import { Travel } from "./travel";
import { WHOLE } from "./view";
import { Zoom } from "./zoom";

const MAX_SENT = 5000; // selected images in a message
const PAUSE = 140; // milliseconds without a move after which all points are drawn
const FRAME_BUDGET = 14; // milliseconds for the points of a frame during a move; the others are drawn after it
const MIN_POINTS = 4000;
const HELP = "Arrow keys go from image to image, Enter selects, Shift and Enter add, Escape clears; plus, minus and zero zoom, Shift and arrows move the map.";

export class Atlas {
  private message: Message | undefined; // whose maps are shown
  private sender: Sender | undefined;
  private latest = ""; // the last message, as text
  private failedToken = ""; // of maps whose failure was reported
  private panels: Panel[] = [];
  private gestures = new Map<Panel, Gestures>();
  private pointCost = 0.0002; // milliseconds to draw a point, as measured
  private moving = false; // so that a frame may leave points out
  private picturesDue = false; // once a pause, not after each picture: more may be wanted than the cache holds
  private closed = false;

  private readonly cache = new ArrayCache();
  private readonly grid = element("div", { class: "panels" });
  private readonly announced = element("p", { class: "unseen", "aria-live": "polite" });
  private readonly quiet = element("p", { class: "quiet" });
  private readonly scene: Scene;
  private readonly tools: Tools;
  private readonly legend: Legend;
  private readonly morph = new Morph((stamp) => this.redraw(stamp));
  private readonly inverses: Inverses;
  private readonly pointer: Pointer;
  private readonly zoom: Zoom;
  private readonly interaction: Interaction;
  private readonly travel = new Travel((stamp) => this.redraw(stamp));
  private readonly sizes = new ResizeObserver(() => this.redraw(performance.now(), false));
  private readonly frames = new FrameLoop<undefined>(() => this.draw());
  private readonly drawAllLater = debounced(PAUSE, () => {
    this.moving = false;
    if (!this.closed) this.redraw(performance.now(), false);
  });

  constructor(
    private readonly host: HTMLElement,
    load: Load | undefined,
  ) {
    this.legend = new Legend({
      toggle: (name) => this.change((selection) => selection.toggle(name)),
      showAll: () => this.change((selection) => selection.hide([])),
      choose: (colour, add) => this.change((selection) => selection.selectClass(colour, add)),
      clear: () => this.select([], false),
    });
    this.inverses = new Inverses(this.cache, load, (reason) => {
      this.showStatus(`The picture between the points is not drawn here: ${reason}.`);
      this.sender?.setStateValue("failed", { reason });
    });
    this.scene = this.emptyScene();
    const panels = (): readonly Panel[] => this.panels;
    this.pointer = new Pointer(host, this.scene, this.inverses, panels, () => this.travel.away);
    this.zoom = new Zoom(panels, (stamp) => {
      this.showTools();
      this.redraw(stamp);
    });
    this.interaction = new Interaction(this.scene, this.pointer, this.zoom, {
      token: () => this.message?.token,
      select: (points, add) => this.select(points, add),
      openPlace: (place) => this.sender?.setTriggerValue("place", place),
      announce: (words) => (this.announced.textContent = words),
    });
    this.tools = new Tools({
      tool: (tool) => (this.interaction.tool = host.dataset.tool = tool),
      zoom: (factor) => this.zoom.zoom(factor),
      whole: () => this.zoom.reset(),
      together: (on) => this.zoom.join(on),
      morph: (on) => this.morph.show(on),
    });
    const help = element("p", { class: "unseen", id: "maps-help" }, HELP);
    const board = element(
      "div", { class: "board" }, this.tools.root, this.morph.root, this.legend.root, this.grid, this.quiet, this.announced, help,
    );
    host.replaceChildren(board, this.pointer.tip.root); // outside of the board, which would clip the tip
    host.dataset.ready = "0";
    host.dataset.frame = "0";
  }

  private emptyScene(): Scene {
    const redraw = (): void => {
      if (this.message) this.frames.push(undefined, performance.now());
    };
    return {
      n: 0, colour: new Uint8Array(), inks: new Uint32Array(), shapes: [], selection: new Selection(), order: new Uint32Array(),
      pictures: new Pictures(redraw), thumbnails: false, own: new OneSheet(redraw), theme: this.readTheme(),
    };
  }

  // --- messages of the server

  async update(message: Message, sender: Sender): Promise<void> {
    this.sender = sender;
    const text = JSON.stringify(message);
    if (text === this.latest) {
      this.scene.theme = this.readTheme();
      return this.redraw(performance.now(), false);
    }
    this.latest = text;
    this.arrange(message);
    let arrays: Arrays;
    try {
      arrays = await read(message, this.cache);
    } catch (error) {
      console.warn(error);
      if (text === this.latest) this.fail(message.token);
      return;
    }
    if (text !== this.latest || this.closed) return;
    this.cache.keep(addresses(message));
    this.adopt(message, arrays, this.message);
  }

  // Reports a failure once for the same maps, since the server may answer by drawing them again.
  private fail(token: string): void {
    this.showStatus("The maps could not be loaded: the server did not answer as it should. Reload the page.");
    if (this.failedToken !== token) this.sender?.setStateValue("failed", { reason: "the maps could not be loaded", whole: true });
    this.failedToken = token;
    this.latest = "";
  }

  // Lays out a panel for each map before its points are loaded, so that the page gets its height at once.
  private arrange(message: Message): void {
    const panels = this.matched(message);
    for (const panel of this.panels) if (!panels.includes(panel)) this.drop(panel);
    for (const panel of panels) {
      if (this.gestures.has(panel)) continue;
      this.gestures.set(panel, new Gestures(panel.frame, this.interaction.actions(panel)));
      panel.frame.setAttribute("aria-describedby", "maps-help");
      panel.view = this.zoom.together ? (this.panels[0]?.view ?? WHOLE) : WHOLE;
      this.sizes.observe(panel.frame);
    }
    this.panels = panels;
    if (this.grid.children.length !== panels.length || panels.some(({ root }, i) => this.grid.children[i] !== root)) {
      this.grid.replaceChildren(...panels.map(({ root }) => root));
    }
    this.grid.dataset.panels = String(panels.length);
    this.legend.build(message);
    this.morph.setPanels(message.panels);
    this.pointer.tip.fit(...message.images.tile);
    this.host.dataset.ready = "0";
    this.showTools();
  }

  // A panel for each map: the one with the same id, else one in the same position that is free, else a new one.
  private matched(message: Message): Panel[] {
    const free = new Set(this.panels);
    const take = (found: Panel | undefined): Panel | undefined => (found && free.delete(found) ? found : undefined);
    const same = message.panels.map(({ id }) => take(this.panels.find((panel) => panel.data.id === id)));
    return message.panels.map((data, i) => {
      const found = same[i] ?? take([...free].find((other) => other === this.panels[i])) ?? new Panel(data);
      found.receive(data);
      return found;
    });
  }

  private drop(panel: Panel): void {
    this.sizes.unobserve(panel.frame);
    this.gestures.delete(panel);
    panel.close();
    this.zoom.forget(panel);
    this.pointer.leave();
  }

  private adopt(message: Message, arrays: Arrays, before: Message | undefined): void {
    const { scene } = this;
    const sameImages = before?.n === message.n && before.index === message.index && scene.n === message.n;
    this.message = message;
    this.pointer.set(message, arrays);
    if (!sameImages) {
      Object.assign(scene, { n: message.n, order: shuffled(message.n) });
      scene.selection.begin(message.n);
      this.interaction.reset();
      this.pointer.leave();
      for (const panel of this.panels) panel.view = WHOLE;
    }
    this.adoptScene(message, arrays);
    this.inverses.set(message.panels, message.base);
    if (this.inverses.off === undefined) this.showStatus("");
    this.legend.show(scene.selection);
    this.travel.settle(this.panels);
    this.host.dataset.ready = "1";
    this.redraw(performance.now(), false);
    // The selection stays if the same images come with another token.
    if (scene.selection.count > 0 && before && before.token !== message.token) setTimeout(() => this.sendSelection(), 0);
    const prepare = (): void => void (this.closed || this.inverses.prepare());
    if ("requestIdleCallback" in window) requestIdleCallback(prepare, { timeout: 3000 });
    else setTimeout(prepare, 800);
  }

  private adoptScene(message: Message, arrays: Arrays): void {
    const { scene } = this;
    const { table, shapes, thumbnails, own, base, legend } = message;
    Object.assign(scene, { colour: arrays.colour, inks: Uint32Array.from(table, packed), shapes, thumbnails, theme: this.readTheme() });
    scene.pictures.set(message, arrays.index, scene.order, arrays.first);
    scene.own.set(own ? resolved(own.sprite, base) : "");
    scene.selection.paint(arrays.colour, legend.names, JSON.stringify(legend));
    this.panels.forEach((panel, i) => {
      panel.colour = arrays.colours[i];
      panel.goal = arrays.places[i] ?? panel.goal;
    });
  }

  private readTheme(): Theme {
    const { backgroundColor: back, color: ink, fontFamily: font } = getComputedStyle(this.grid);
    const context = new OffscreenCanvas(1, 1).getContext("2d");
    if (context) context.fillStyle = back;
    context?.fillRect(0, 0, 1, 1);
    const [r = 255, g = 255, b = 255] = context?.getImageData(0, 0, 1, 1).data ?? [];
    return { paper: packed([r, g, b]), back, ink, font };
  }

  private showStatus(words: string): void {
    this.quiet.textContent = words;
  }

  private showTools(): void {
    this.tools.show(this.panels.length, ...this.zoom.limits);
  }

  // --- drawing

  private redraw(stamp: number, moving = true): void {
    if (!this.message) return;
    this.picturesDue = true;
    if (moving) {
      this.moving = true;
      this.drawAllLater();
    }
    this.frames.push(undefined, stamp);
  }

  private draw(): void {
    if (!this.message || this.closed) return;
    const { scene, panels } = this;
    this.travel.morph(panels, this.morph.travel);
    const most = this.moving ? Math.max(MIN_POINTS, Math.floor(FRAME_BUDGET / this.pointCost / panels.length)) : scene.n;
    const begun = performance.now();
    let drawn = 0;
    for (const panel of panels) drawn += panel.draw(scene, Math.min(most, scene.n), !this.moving);
    const took = performance.now() - begun;
    if (drawn > MIN_POINTS) this.pointCost += 0.3 * (took / drawn - this.pointCost);
    if (this.picturesDue && !this.moving) this.requestPictures();
    this.drawMarks();
    const { dataset } = this.host;
    dataset.selected = String(scene.selection.count);
    dataset.frame = String(Number(dataset.frame) + 1);
  }

  // Requests the pictures that the maps have room for, in turns.
  private requestPictures(): void {
    this.picturesDue = false;
    const most = Math.max(0, ...this.panels.map(({ wanted }) => wanted.length));
    const turns = Array.from({ length: most }, (_, i) => this.panels.flatMap(({ wanted }) => wanted.slice(i, i + 1)));
    this.scene.pictures.request(turns.flat().reverse());
  }

  private drawMarks(): void {
    const { selection } = this.scene;
    const [only = -1] = selection.count === 1 ? selection.points(1) : [];
    for (const panel of this.panels) {
      panel.choose(only);
      panel.mark(this.pointer.hovered);
    }
  }

  // --- the selection

  private select(points: readonly number[], add: boolean): void {
    this.change((selection) => selection.select(points, add));
  }

  // Applies `act`, which returns whether it changed the selection; if so, sends the selection to the server.
  private change(act: (selection: Selection) => boolean): void {
    if (act(this.scene.selection)) this.sendSelection();
    this.legend.show(this.scene.selection);
    this.redraw(performance.now(), false);
  }

  private sendSelection(): void {
    if (!this.message || this.closed) return;
    const { selection } = this.scene;
    this.sender?.setStateValue("selection", { token: this.message.token, indices: selection.points(MAX_SENT), count: selection.count });
  }

  close(): void {
    this.closed = true;
    this.interaction.close();
    this.travel.stop();
    this.zoom.stop();
    this.sizes.disconnect();
    this.morph.stop();
    this.pointer.close();
    this.inverses.close();
    this.scene.pictures.close();
    this.scene.own.set("");
    this.cache.keep(new Set());
    for (const panel of this.panels) panel.close();
    this.host.replaceChildren();
  }
}
