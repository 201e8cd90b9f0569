// What every live component stands on: models in the page or in a worker, one draw a frame, and pixels on a canvas.
import type { Answer, Asked } from "./worker";
import { type Feeds, Graph, LiveError, type Tensor } from "./runtime";

export { LiveError, type Tensor };

declare const WORKER: string; // the worker's file, put in by build.mjs

export interface Model {
  readonly inputs: string[];
  run(feeds: Record<string, Tensor>): Promise<Record<string, Tensor>>;
  release(): void;
}

// --- models

// Released models that are kept for whoever asks next: a visitor goes to and fro between two runs.
const IDLE = 2;

interface Held {
  graph: Promise<Graph>;
  users: number;
}
const held = new Map<string, Held>(); // by address; in the order in which they were last let go

// The model behind `url` (an .onnx file, or the .json that names one; paths on this server), in the page's own thread.
export async function loadModel(url: string, base: string): Promise<Model> {
  let entry = held.get(url);
  if (!entry) {
    entry = { graph: Graph.load(url, base), users: 0 };
    held.set(url, entry);
    entry.graph.catch(() => held.delete(url));
  }
  entry.users += 1;
  const graph = await entry.graph;
  let mine = true;
  const release = (): void => {
    if (mine) letGo(url, entry);
    mine = false;
  };
  return { inputs: graph.inputs, run: (feeds) => graph.run(feeds), release };
}

function letGo(url: string, entry: Held): void {
  entry.users -= 1;
  held.delete(url);
  held.set(url, entry);
  const idle = [...held].filter(([, { users }]) => users === 0);
  for (const [old, { graph }] of idle.slice(0, -IDLE)) {
    held.delete(old);
    void graph.then((found) => found.release());
  }
}

// --- the worker, one for the page, started when the first model is asked for

type Waiting = { resolve: (answer: Answer) => void; reject: (error: Error) => void };
const waiting = new Map<number, Waiting>();
let worker: Worker | undefined;
let count = 0;

type Question = Asked extends infer A ? (A extends { id: number } ? Omit<A, "id"> : never) : never;

function ask(question: Question, transfer: Transferable[] = []): Promise<Answer> {
  worker ??= start();
  count += 1;
  const id = count;
  worker.postMessage({ ...question, id }, transfer);
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
}

function start(): Worker {
  const started = new Worker(new URL(WORKER, import.meta.url), { type: "module" });
  started.onmessage = ({ data }: MessageEvent<Answer>) => {
    const asker = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.error === undefined) asker?.resolve(data);
    else asker?.reject(data.plain ? new LiveError(data.error) : new Error(data.error));
  };
  started.onerror = () => {
    for (const { reject } of waiting.values()) reject(new LiveError("the worker could not be started"));
    waiting.clear();
    worker = undefined;
  };
  return started;
}

// The same in the worker. What is fed is copied there; what comes back is the caller's own.
export async function workerModel(url: string, base: string): Promise<Model> {
  count += 1;
  const model = count;
  const { inputs = [] } = await ask({ op: "load", model, url, base });
  return {
    inputs,
    run: async (feeds: Feeds) => (await ask({ op: "run", model, feeds })).outputs ?? {},
    release: () => void ask({ op: "release", model }),
  };
}

// --- frames

export interface Frame {
  stamp: number; // when the browser says that the input happened
  done: number; // when its picture was on the canvas
}
declare global {
  interface Window {
    __aecoreFrames?: Frame[];
  }
}
const LOG = 2000;

function log(frame: Frame): void {
  const frames = (window.__aecoreFrames ??= []);
  frames.push(frame);
  if (frames.length > LOG) frames.splice(0, frames.length - LOG);
}

// One draw a frame, of the latest input; what came before it is dropped, so nothing is ever queued.
export class FrameLoop<T> {
  private next: { input: T; stamp: number } | undefined;
  private busy = false;

  constructor(
    private readonly draw: (input: T, stamp: number) => Promise<void> | void,
    private readonly failed: (error: unknown) => void = (error) => console.error(error),
  ) {}

  push(input: T, stamp: number): void {
    this.next = { input, stamp };
    if (!this.busy) this.schedule();
  }

  private schedule(): void {
    this.busy = true;
    requestAnimationFrame(() => void this.frame());
  }

  private async frame(): Promise<void> {
    const now = this.next;
    this.next = undefined;
    try {
      if (now) {
        await this.draw(now.input, now.stamp);
        log({ stamp: now.stamp, done: performance.now() });
      }
    } catch (error) {
      this.failed(error);
    }
    this.busy = false;
    if (this.next) this.schedule();
  }
}

// --- pixels

const pixels = new WeakMap<HTMLCanvasElement, ImageData>();

// Picture `index` of (n,C,H,W), or the picture (C,H,W), values 0 to 1, in the canvas's own pixels; C is 1 or 3.
export function paint(canvas: HTMLCanvasElement, picture: Tensor, index = 0): void {
  const [c = 1, h = 1, w = 1] = picture.dims.slice(-3);
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
  let image = pixels.get(canvas);
  if (!image || image.width !== w || image.height !== h) {
    image = new ImageData(w, h);
    pixels.set(canvas, image);
  }
  rgba(picture.data, index * c * h * w, c, h * w, image.data);
  canvas.getContext("2d")?.putImageData(image, 0, 0);
}

// Clamps and rounds to the nearest of 256 steps, NaN to 0, as the server's pictures are (the array's own conversion).
export function rgba(from: Float32Array, offset: number, channels: number, area: number, to: Uint8ClampedArray): void {
  const green = channels === 3 ? area : 0;
  for (let i = 0; i < area; i += 1) {
    const at = offset + i;
    to[4 * i] = (from[at] ?? 0) * 255;
    to[4 * i + 1] = (from[at + green] ?? 0) * 255;
    to[4 * i + 2] = (from[at + 2 * green] ?? 0) * 255;
    to[4 * i + 3] = 255;
  }
}
