// The Denoise page's live part: shows the server's picture until the graphs are loaded, then redraws on every move.
import { FrameLoop, LiveError, type Model } from "../model/engine";
import { Display } from "./display";
import { Painter } from "./painter";
import { Fields, fetchField } from "./fields";
import { figure, type Scores } from "./figures";
import { after, repeated, before, type Out, steps } from "./loop";
import { Models } from "./models";
import { Controls } from "./controls";
import { Inputs } from "./inputs";
import type { Layout } from "./sheet";
import type { Tool } from "./strokes";
import type { Message, View } from "./message";
import { Outbox } from "../outbox";
import { Tools } from "./tools";

interface Component {
  data: Message;
  parentElement: ParentNode;
  setStateValue(name: string, value: unknown): void;
}

class Denoise {
  private message!: Message;
  private setState!: Component["setStateValue"];
  private inputs!: Inputs;
  private sent = 0; // moves sent to Python
  private sentView = "";
  private readonly outbox = new Outbox();
  private errors: number[][] = []; // of each run, at each step of denoising again
  private version = 0; // of the inputs; results for an earlier version are dropped
  private released = false;
  private readonly models: Models;
  private readonly frames = new FrameLoop<number>(() => this.draw(), (error) => this.fail(error));
  private readonly fields = new Fields(fetchField, (error) => (error ? this.fail(error) : this.change()));
  private readonly controls: Controls;
  private readonly tools: Tools;
  private readonly display: Display;

  constructor(root: HTMLElement, base: string) {
    const find = (selector: string): HTMLElement => root.querySelector(selector) as HTMLElement;
    this.models = new Models(base);
    this.controls = new Controls(find(".controls"), {
      moved: (stamp) => this.change(stamp), settled: () => this.settle(), hovered: (kind) => this.prefetch(kind),
    });
    this.tools = new Tools(find(".controls"), {
      undo: () => this.paint(() => this.inputs.strokes.undo()),
      clear: () => this.paint(() => this.inputs.clear()),
      add: () => this.paint(() => this.addBlank()),
      repeat: () => void this.denoiseAgain().catch((error: unknown) => this.fail(error)),
      restart: () => this.change(),
    });
    this.display = new Display(root, (live) => this.tools.enable(live));
    new Painter(this.display.canvas, find(".ring"), {
      sheet: () => (this.display.state === "true" ? this.sheet : undefined),
      tool: () => this.tools.tool,
      size: () => this.tools.size,
      begin: (image) => this.inputs.strokes.begin(image),
      touch: ({ image, x, y }, stamp) => this.paint(() => this.inputs.strokes.touch(image, x, y, this.tools.size, this.tools.tool as Tool), stamp),
      undo: () => this.paint(() => this.inputs.strokes.undo()),
      look: (image) => this.display.look(this.message, this.sheet, image),
    });
  }

  private get sheet(): Layout {
    return this.display.sheet(this.message, this.inputs.empty);
  }

  // --- messages of Python

  update({ data, setStateValue }: Component): void {
    const known: Message | undefined = this.message;
    const changed = known?.token !== data.token;
    if (changed) this.sent = data.heard;
    if (changed) this.outbox.clear();
    else this.outbox.received(data.heard);
    // An answer to an earlier move must not undo later ones.
    const adopt = changed || (data.heard >= this.sent && !this.controls.busy);
    [this.message, this.setState] = [data, setStateValue];
    const images = known?.images.values !== data.images.values || String(known.images.dims) !== String(data.images.dims);
    if (images) {
      this.inputs = new Inputs(data);
      this.tools.fit(Math.max(data.images.dims[2], data.images.dims[3]));
    }
    const stays = !images && known?.runs.join() === data.runs.join();
    if (!stays) {
      this.display.state = "false";
      this.display.setStatus("");
    }
    const view = JSON.stringify(this.controls.view);
    this.controls.receive(data, adopt);
    if (adopt) this.sentView = JSON.stringify(this.controls.view);
    if (this.display.state === "true") this.display.label(data, this.sheet);
    else this.display.showServed(data);
    this.display.mark(this.controls.view.level);
    this.display.describe(this.controls.view.level, this.inputs.count);
    if (!stays || view !== JSON.stringify(this.controls.view)) this.change();
  }

  // --- moves

  // To be called when an input has changed: redraws in the next frame, and starts denoising from the corrupted images again.
  private change(stamp = performance.now()): void {
    this.version += 1;
    this.errors = [];
    this.tools.looped("");
    this.display.mark(this.controls.view.level);
    if (this.display.state !== "failed") this.frames.push(this.version, stamp);
  }

  private settle(): void {
    this.display.describe(this.controls.view.level, this.inputs.count);
    const view = JSON.stringify(this.controls.view);
    if (view === this.sentView) return;
    this.sentView = view;
    this.sent += 1;
    const message = { ...this.controls.view, count: this.sent, token: this.message.token };
    this.outbox.put(this.sent, () => this.setState("view", message));
  }

  // Loads the graphs of the kind under the pointer, which is likely to be chosen next.
  private prefetch(kind: string): void {
    if (this.display.state !== "true") return;
    for (const run of this.message.runs) void this.models.load(graph(run, kind)).catch(() => {});
  }

  private paint(stroke: () => void, stamp?: number): void {
    stroke();
    const { strokes, untouched, full } = this.inputs;
    this.tools.can({ undo: strokes.undoable, clear: !untouched, add: !full });
    this.change(stamp);
  }

  private addBlank(): void {
    this.inputs.addBlank();
    this.tools.choose("draw");
  }

  // --- drawing

  private async draw(): Promise<void> {
    const { message, inputs } = this;
    const { view, kind } = this.controls;
    const models = this.needed(view.kind);
    const field = this.field(view);
    if (!models || !field || !kind) return;
    const sheet = this.sheet;
    const feeds = inputs.feeds(field, view.level, kind);
    const outs: Out[] = [];
    for (const model of models) outs.push(await model.run(feeds));
    const [corrupted] = outs;
    // The run or the images may have changed meanwhile.
    if (!corrupted || this.released || this.inputs !== inputs || this.message.runs.join() !== message.runs.join()) return;
    this.display.show(this.message, sheet, { originals: feeds.images, corrupted, outs }, kind);
  }

  // The graphs of this kind, one a run; undefined until all are loaded, after which the picture is redrawn.
  private needed(kind: string): Model[] | undefined {
    const runs = this.message.runs;
    const urls = runs.map((run) => graph(run, kind));
    const here = urls.map((url) => this.models.get(url));
    if (here.every((model) => model !== undefined)) return here;
    const current = (): boolean => !this.released && this.message.runs.join() === runs.join() && this.controls.view.kind === kind;
    Promise.all(urls.map((url) => this.models.load(url))).then(
      () => current() && this.change(),
      (error: unknown) => current() && this.fail(error),
    );
    return undefined;
  }

  private field({ kind, seed }: View): Float32Array | undefined {
    const { base, runs, seeds, images } = this.message;
    const n = images.dims[0];
    const address = (count: number, at: number): string => `${base}/live/field/${runs[0]}/${kind}/${count}/${(at + seeds) % seeds}`;
    // A blank image gets noise of its own, from a seed far from those of its neighbours.
    const urls = [address(n, seed), ...(this.inputs.empty > 0 ? [address(this.inputs.empty, seed + seeds / 2)] : [])];
    this.fields.want(urls, this.controls.kind?.random ? [seed + 1, seed - 1, seed + 2].map((at) => address(n, at)) : []);
    const here = urls.map((url) => this.fields.get(url)).filter((field) => field !== undefined);
    if (here.length < urls.length) return undefined;
    return here.length === 1 ? here[0] : joined(here);
  }

  // --- denoising again

  private async denoiseAgain(): Promise<void> {
    const { version, message } = this;
    const { drawn } = this.display;
    if (!drawn) return;
    this.tools.can({ repeat: false });
    const repairs = await Promise.all(message.runs.map((run) => this.models.load(graph(run, message.repair))));
    const outs: Out[] = [];
    for (const [i, repair] of repairs.entries()) {
      const given = drawn.outs[i]?.reconstruction;
      if (given) outs.push(await repeated(repair, drawn.originals, given));
    }
    if (this.released || version !== this.version || this.display.drawn !== drawn) return;
    const error = (scores: Scores): number => figure(scores, "sse", 1) ?? NaN;
    if (this.errors.length === 0) this.errors = drawn.outs.map((out) => [error(before(drawn.corrupted)), error(after(out))]);
    outs.forEach((out, i) => this.errors[i]?.push(error(after(out))));
    this.display.show(message, this.sheet, { ...drawn, outs }, this.controls.kind);
    this.tools.looped(steps(this.errors, message.titles));
  }

  // --- without a live model

  private fail(error: unknown): void {
    if (this.released) return;
    const plain = error instanceof LiveError;
    if (!plain) console.warn(error);
    const why = plain ? error.message.replace(/\.$/, "") : "the model could not be run in this browser";
    this.display.state = "failed";
    this.display.setStatus(`The picture changes when you release a control: ${why}.`);
    this.display.showServed(this.message);
  }

  release(): void {
    this.released = true;
    this.outbox.clear();
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

const instances = new WeakMap<ParentNode, Denoise>();

export default function (component: Component): void {
  const { parentElement, data } = component;
  let found = instances.get(parentElement);
  if (!found) {
    found = new Denoise(parentElement.querySelector(".denoise") as HTMLElement, data.base);
    instances.set(parentElement, found);
  }
  found.update(component);
}

export function unmount(parentElement: ParentNode): void {
  instances.get(parentElement)?.release();
  instances.delete(parentElement);
}
