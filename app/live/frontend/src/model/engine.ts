// What all live components share: models in the page's thread or in a worker, one draw per frame, and pixels on a canvas.
import type { WorkerAnswer, WorkerRequest } from "./worker";
import { type Feeds, Graph, LiveError, type Tensor } from "./runtime";

export { LiveError, type Tensor };

declare const WORKER: string; // the worker's file, defined by build.mjs

export interface Model {
  readonly inputs: string[];
  run(feeds: Record<string, Tensor>): Promise<Record<string, Tensor>>;
  release(): void;
}

// --- models

// Released models that stay loaded, since visitors switch back and forth between two runs.
const MAX_IDLE = 2;

interface CachedGraph {
  graph: Promise<Graph>;
  users: number;
}
const cached = new Map<string, CachedGraph>(); // by address; the one released longest ago first

// Loads the model at `url` into the page's thread; `url` is the path of an .onnx file or of a .json that describes one.
export async function loadModel(url: string, base: string): Promise<Model> {
  let entry = cached.get(url);
  if (!entry) {
    entry = { graph: Graph.load(url, base), users: 0 };
    cached.set(url, entry);
    entry.graph.catch(() => cached.delete(url));
  }
  entry.users += 1;
  const graph = await entry.graph;
  let released = false;
  const release = (): void => {
    if (!released) returnGraph(url, entry);
    released = true;
  };
  return { inputs: graph.inputs, run: (feeds) => graph.run(feeds), release };
}

function returnGraph(url: string, entry: CachedGraph): void {
  entry.users -= 1;
  cached.delete(url);
  cached.set(url, entry);
  const idle = [...cached].filter(([, { users }]) => users === 0);
  for (const [old, { graph }] of idle.slice(0, -MAX_IDLE)) {
    cached.delete(old);
    void graph.then((loaded) => loaded.release());
  }
}

// --- the worker, one per page, started with its first model

type Waiting = { resolve: (answer: WorkerAnswer) => void; reject: (error: Error) => void };
const waiting = new Map<number, Waiting>();
let worker: Worker | undefined;
let count = 0;

type Question = WorkerRequest extends infer A ? (A extends { id: number } ? Omit<A, "id"> : never) : never;

function ask(question: Question, transfer: Transferable[] = []): Promise<WorkerAnswer> {
  worker ??= start();
  count += 1;
  const id = count;
  worker.postMessage({ ...question, id }, transfer);
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
}

function start(): Worker {
  const started = new Worker(new URL(WORKER, import.meta.url), { type: "module" });
  started.onmessage = ({ data }: MessageEvent<WorkerAnswer>) => {
    const waiter = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.error === undefined) waiter?.resolve(data);
    else waiter?.reject(data.plain ? new LiveError(data.error) : new Error(data.error));
  };
  started.onerror = () => {
    for (const { reject } of waiting.values()) reject(new LiveError("the worker could not be started"));
    waiting.clear();
    worker = undefined;
  };
  return started;
}

// Loads the model at `url` into the worker. Inputs are copied; outputs belong to the caller.
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
const MAX_LOGGED = 2000;

function log(frame: Frame): void {
  const frames = (window.__aecoreFrames ??= []);
  frames.push(frame);
  if (frames.length > MAX_LOGGED) frames.splice(0, frames.length - MAX_LOGGED);
}

// Draws the latest input once per frame; earlier inputs are dropped, so that no queue builds up.
export class FrameLoop<T> {
  private next: { input: T; stamp: number } | undefined;
  private busy = false;

  constructor(
    private readonly draw: (input: T, stamp: number) => Promise<void> | void,
    private readonly onError: (error: unknown) => void = (error) => console.error(error),
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
      this.onError(error);
    }
    this.busy = false;
    if (this.next) this.schedule();
  }
}

// --- pixels

const pixels = new WeakMap<HTMLCanvasElement, ImageData>();

// Paints picture `index` of (n,C,H,W), or the picture (C,H,W), onto the canvas, one pixel to a pixel. Values are 0 to 1, C is 1 or 3.
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

// Converts values from 0 to 1 to RGBA bytes as the server does: clamped, rounded to 256 steps, NaN as 0 (by Uint8ClampedArray).
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
