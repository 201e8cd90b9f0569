// ONNX Runtime in this thread, loaded once and only when a model is asked for; the page's thread and the worker each have one.
import type * as Ort from "onnxruntime-web/wasm";

declare const ORT: string; // names of the built files, put in by build.mjs
declare const WASM: string;

export interface Tensor {
  data: Float32Array;
  dims: number[];
}
export type Feeds = Record<string, Tensor>;

// The figure that a model may weigh here: more is a download and a memory that a classroom's laptops should not be asked for.
export const LARGEST = 64 * 2 ** 20;

const MOST_WORDS = 200;

// Says in words what kept a model from running; the words stand in the page's quiet line.
export class LiveError extends Error {}

let loading: Promise<typeof Ort> | undefined;

export function runtime(base: string): Promise<typeof Ort> {
  loading ??= load(base).catch((error: unknown) => {
    loading = undefined; // a later model tries again: the network may be back
    throw error;
  });
  return loading;
}

async function load(base: string): Promise<typeof Ort> {
  if (typeof WebAssembly !== "object") throw new LiveError("this browser has no WebAssembly");
  const folder = new URL(`${base}/live/runtime/`, self.location.origin);
  let binary: ArrayBuffer;
  let ort: typeof Ort;
  try {
    [ort, binary] = await Promise.all([
      import(/* @vite-ignore */ new URL(ORT, folder).href) as Promise<typeof Ort>,
      unpacked(new URL(WASM, folder)),
    ]);
  } catch (error) {
    throw new LiveError("the program that runs models in the browser could not be loaded", { cause: error });
  }
  ort.env.logLevel = "error";
  Object.assign(ort.env.wasm, { wasmBinary: binary, numThreads: 1, proxy: false });
  return ort;
}

async function unpacked(url: URL): Promise<ArrayBuffer> {
  const answer = await fetch(url);
  if (!answer.ok || !answer.body) throw new Error(`${url.pathname}: ${answer.status}`);
  return new Response(answer.body.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

// What `loadModel` is given: an ONNX file, or the .json that describes one ({url, size}); both below `base`.
export async function fetchModel(url: string, base: string): Promise<{ url: string; bytes: Uint8Array }> {
  const found = url.endsWith(".json") ? await described(url, base) : url;
  const answer = await reached(found, base);
  return { url: found, bytes: new Uint8Array(await answer.arrayBuffer()) };
}

export async function described(url: string, base: string): Promise<string> {
  const answer: unknown = await (await reached(url, base)).json();
  const { url: found, size } = answer as { url: string; size: number };
  if (size > LARGEST) {
    throw new LiveError(`this model is too large for the browser (${Math.round(size / 2 ** 20)} MB)`);
  }
  return found;
}

async function reached(url: string, base: string): Promise<Response> {
  const whole = new URL(base && !url.startsWith(`${base}/`) ? base + url : url, self.location.origin);
  const answer = await fetch(whole).catch((error: unknown) => {
    throw new LiveError("the model could not be loaded", { cause: error });
  });
  if (!answer.ok) throw new LiveError((await said(answer)) || "the model could not be loaded");
  return answer;
}

// The server's own words for what it refuses: one line.
async function said(answer: Response): Promise<string> {
  if (!answer.headers.get("content-type")?.startsWith("text/plain")) return "";
  const words = (await answer.text()).trim().replace(/\.$/, "");
  return words.length < MOST_WORDS ? words : "";
}

// A session with float32 in and out.
export class Graph {
  private constructor(
    private readonly ort: typeof Ort,
    private readonly session: Ort.InferenceSession,
  ) {}

  static async load(url: string, base: string): Promise<Graph> {
    const [ort, { bytes }] = await Promise.all([runtime(base), fetchModel(url, base)]);
    try {
      return new Graph(ort, await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] }));
    } catch (error) {
      throw new LiveError("the model cannot run in this browser", { cause: error });
    }
  }

  get inputs(): string[] {
    return [...this.session.inputNames];
  }

  async run(feeds: Feeds): Promise<Feeds> {
    const given = Object.entries(feeds).map(([name, { data, dims }]) => [name, new this.ort.Tensor("float32", data, dims)]);
    const found = await this.session.run(Object.fromEntries(given));
    return Object.fromEntries(
      Object.entries(found).map(([name, value]) => [name, { data: value.data as Float32Array, dims: [...value.dims] }]),
    );
  }

  release(): void {
    void this.session.release();
  }
}
