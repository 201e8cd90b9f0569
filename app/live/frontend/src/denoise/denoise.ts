// Denoise under the hand: the server's picture stands until the graphs are here; then every move is drawn in its frame.
import { FrameLoop, LiveError, type Model } from "../model/engine";
import { Display } from "./display";
import { Easel } from "./easel";
import { Fields, fetchField } from "./fields";
import { figure, type Scores } from "./figures";
import { after, again, before, type Out, steps } from "./loop";
import { Models } from "./models";
import { Panel } from "./panel";
import { Paper } from "./paper";
import type { Layout } from "./sheet";
import type { Tool } from "./strokes";
import type { Told, View } from "./message";
import { Tools } from "./tools";

interface Mounted {
  data: Told;
  parentElement: ParentNode;
  setStateValue(name: string, value: unknown): void;
}

class Denoise {
  private told!: Told;
  private tell!: Mounted["setStateValue"];
  private paper!: Paper;
  private sent = 0; // moves told to Python
  private sentView = "";
  private errors: number[][] = []; // of the loop: per run, one a step
  private round = 0; // grows with every change of what is given; what was begun before is void
  private gone = false;
  private readonly models: Models;
  private readonly frames = new FrameLoop<number>(() => this.draw(), (error) => this.failed(error));
  private readonly fields = new Fields(fetchField, (error) => (error ? this.failed(error) : this.change()));
  private readonly panel: Panel;
  private readonly tools: Tools;
  private readonly display: Display;

  constructor(root: HTMLElement, base: string) {
    const find = (selector: string): HTMLElement => root.querySelector(selector) as HTMLElement;
    this.models = new Models(base);
    this.panel = new Panel(find(".controls"), {
      moved: (stamp) => this.change(stamp), settled: () => this.settle(), hovered: (kind) => this.foresee(kind),
    });
    this.tools = new Tools(find(".controls"), {
      undo: () => this.paint(() => this.paper.strokes.undo()),
      clear: () => this.paint(() => this.paper.clear()),
      another: () => this.paint(() => this.another()),
      feed: () => void this.feed().catch((error: unknown) => this.failed(error)),
      restart: () => this.change(),
    });
    this.display = new Display(root, (live) => this.tools.enable(live));
    new Easel(this.display.canvas, find(".ring"), {
      sheet: () => (this.display.state === "true" ? this.sheet : undefined),
      tool: () => this.tools.tool,
      size: () => this.tools.size,
      begin: (image) => this.paper.strokes.begin(image),
      touch: ({ image, x, y }, stamp) => this.paint(() => this.paper.strokes.touch(image, x, y, this.tools.size, this.tools.tool as Tool), stamp),
      undo: () => this.paint(() => this.paper.strokes.undo()),
      look: (image) => this.display.look(this.told, this.sheet, image),
    });
  }

  private get sheet(): Layout {
    return this.display.sheet(this.told, this.paper.empty);
  }

  // --- what Python says

  update({ data, setStateValue }: Mounted): void {
    const known: Told | undefined = this.told;
    const another = known?.token !== data.token;
    if (another) this.sent = data.heard;
    // An answer to an earlier move must not pull back what has been moved since.
    const adopt = another || (data.heard >= this.sent && !this.panel.busy);
    [this.told, this.tell] = [data, setStateValue];
    const images = known?.images.values !== data.images.values || String(known.images.dims) !== String(data.images.dims);
    if (images) {
      this.paper = new Paper(data);
      this.tools.fit(Math.max(data.images.dims[2], data.images.dims[3]));
    }
    const stays = !images && known?.runs.join() === data.runs.join();
    if (!stays) {
      this.display.state = "false";
      this.display.say("");
    }
    const view = JSON.stringify(this.panel.view);
    this.panel.tell(data, adopt);
    if (adopt) this.sentView = JSON.stringify(this.panel.view);
    if (this.display.state === "true") this.display.dress(data, this.sheet);
    else this.display.served(data);
    this.display.mark(this.panel.view.level);
    this.display.name(this.panel.view.level, this.paper.count);
    if (!stays || view !== JSON.stringify(this.panel.view)) this.change();
  }

  // --- moves

  // What the picture follows has changed: the next frame draws it, and a loop begins anew.
  private change(stamp = performance.now()): void {
    this.round += 1;
    this.errors = [];
    this.tools.looped("");
    this.display.mark(this.panel.view.level);
    if (this.display.state !== "failed") this.frames.push(this.round, stamp);
  }

  private settle(): void {
    this.display.name(this.panel.view.level, this.paper.count);
    const view = JSON.stringify(this.panel.view);
    if (view === this.sentView) return;
    this.sentView = view;
    this.sent += 1;
    this.tell("view", { ...this.panel.view, count: this.sent, token: this.told.token });
  }

  // The kind under the pointer is likely the next one.
  private foresee(kind: string): void {
    if (this.display.state !== "true") return;
    for (const run of this.told.runs) void this.models.load(graph(run, kind)).catch(() => {});
  }

  private paint(stroke: () => void, stamp?: number): void {
    stroke();
    const { strokes, untouched, full } = this.paper;
    this.tools.can({ undo: strokes.undoable, clear: !untouched, another: !full });
    this.change(stamp);
  }

  private another(): void {
    this.paper.another();
    this.tools.choose("draw");
  }

  // --- drawing

  private async draw(): Promise<void> {
    const { told, paper } = this;
    const { view, kind } = this.panel;
    const models = this.needed(view.kind);
    const field = this.field(view);
    if (!models || !field || !kind) return;
    const sheet = this.sheet;
    const feeds = paper.feeds(field, view.level, kind);
    const outs: Out[] = [];
    for (const model of models) outs.push(await model.run(feeds));
    const [corrupted] = outs;
    // While it was drawn, another run may have been chosen.
    if (!corrupted || this.gone || this.paper !== paper || this.told.runs.join() !== told.runs.join()) return;
    this.display.show(this.told, sheet, { originals: feeds.images, corrupted, outs }, kind);
  }

  // The graphs of this kind, or undefined while one is on its way; its arrival draws.
  private needed(kind: string): Model[] | undefined {
    const runs = this.told.runs;
    const urls = runs.map((run) => graph(run, kind));
    const here = urls.map((url) => this.models.get(url));
    if (here.every((model) => model !== undefined)) return here;
    const wanted = (): boolean => !this.gone && this.told.runs.join() === runs.join() && this.panel.view.kind === kind;
    Promise.all(urls.map((url) => this.models.load(url))).then(
      () => wanted() && this.change(),
      (error: unknown) => wanted() && this.failed(error),
    );
    return undefined;
  }

  private field({ kind, seed }: View): Float32Array | undefined {
    const { base, runs, seeds, images } = this.told;
    const n = images.dims[0];
    const address = (count: number, at: number): string => `${base}/live/field/${runs[0]}/${kind}/${count}/${(at + seeds) % seeds}`;
    // An empty image has noise of its own, of a seed far from those that are looked at beside it.
    const urls = [address(n, seed), ...(this.paper.empty > 0 ? [address(this.paper.empty, seed + seeds / 2)] : [])];
    this.fields.want(urls, this.panel.kind?.random ? [seed + 1, seed - 1, seed + 2].map((at) => address(n, at)) : []);
    const here = urls.map((url) => this.fields.get(url)).filter((field) => field !== undefined);
    if (here.length < urls.length) return undefined;
    return here.length === 1 ? here[0] : joined(here);
  }

  // --- the loop

  private async feed(): Promise<void> {
    const { round, told } = this;
    const { drawn } = this.display;
    if (!drawn) return;
    this.tools.can({ feed: false });
    const repairs = await Promise.all(told.runs.map((run) => this.models.load(graph(run, told.repair))));
    const outs: Out[] = [];
    for (const [i, repair] of repairs.entries()) {
      const given = drawn.outs[i]?.reconstruction;
      if (given) outs.push(await again(repair, drawn.originals, given));
    }
    if (this.gone || round !== this.round || this.display.drawn !== drawn) return;
    const error = (scores: Scores): number => figure(scores, "sse", 1) ?? NaN;
    if (this.errors.length === 0) this.errors = drawn.outs.map((out) => [error(before(drawn.corrupted)), error(after(out))]);
    outs.forEach((out, i) => this.errors[i]?.push(error(after(out))));
    this.display.show(told, this.sheet, { ...drawn, outs }, this.panel.kind);
    this.tools.looped(steps(this.errors, told.titles));
  }

  // --- without a live model

  private failed(error: unknown): void {
    if (this.gone) return;
    const plain = error instanceof LiveError;
    if (!plain) console.warn(error);
    const why = plain ? error.message.replace(/\.$/, "") : "the model could not be run in this browser";
    this.display.state = "failed";
    this.display.say(`The picture follows when you let go: ${why}.`);
    this.display.served(this.told);
  }

  release(): void {
    this.gone = true;
    this.models.release();
    this.fields.want([]);
  }
}

const graph = (run: string, kind: string): string => `/live/model/${run}/denoiser-${kind}.json`;

function joined(parts: Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
}

const mounted = new WeakMap<ParentNode, Denoise>();

export default function (component: Mounted): void {
  const { parentElement, data } = component;
  let found = mounted.get(parentElement);
  if (!found) {
    found = new Denoise(parentElement.querySelector(".denoise") as HTMLElement, data.base);
    mounted.set(parentElement, found);
  }
  found.update(component);
}

export function unmount(parentElement: ParentNode): void {
  mounted.get(parentElement)?.release();
  mounted.delete(parentElement);
}
