// ONNX Runtime in this thread, loaded once, with the first model. The page's thread and the worker each have their own.
import type * as Ort from "onnxruntime-web/wasm";
import { fetchAlive, MOST_SILENCE, within } from "../fetching";

declare const ORT: string; // names of the built files, defined by build.mjs
declare const WASM: string;

export interface Tensor {
  data: Float32Array;
  dims: number[];
}
export type Feeds = Record<string, Tensor>;

// Larger models are refused: too long a download and too much memory for the laptops of a class.
export const MAX_MODEL_BYTES = 64 * 2 ** 20;

const MAX_REFUSAL_LENGTH = 200;

// Why a model cannot run, in words for the page.
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
      within(2 * MOST_SILENCE, import(/* @vite-ignore */ new URL(ORT, folder).href) as Promise<typeof Ort>),
      fetchUnzipped(new URL(WASM, folder)),
    ]);
  } catch (error) {
    throw new LiveError("the program that runs models in the browser could not be loaded", { cause: error });
  }
  ort.env.logLevel = "error";
  Object.assign(ort.env.wasm, { wasmBinary: binary, numThreads: 1, proxy: false });
  return ort;
}

async function fetchUnzipped(url: URL): Promise<ArrayBuffer> {
  const answer = await fetchAlive(url);
  if (!answer.ok || !answer.body) throw new Error(`${url.pathname}: ${answer.status}`);
  return new Response(answer.body.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

// Fetches an ONNX file; `url` is its address or that of a .json that describes it, {url, size}. Both are below `base`.
export async function fetchModel(url: string, base: string): Promise<{ url: string; bytes: Uint8Array }> {
  const onnx = url.endsWith(".json") ? await describedUrl(url, base) : url;
  const answer = await fetchOk(onnx, base);
  return { url: onnx, bytes: new Uint8Array(await answer.arrayBuffer()) };
}

export async function describedUrl(url: string, base: string): Promise<string> {
  const answer: unknown = await (await fetchOk(url, base)).json();
  const { url: onnx, size } = answer as { url: string; size: number };
  if (size > MAX_MODEL_BYTES) {
    throw new LiveError(`this model is too large for the browser (${Math.round(size / 2 ** 20)} MB)`);
  }
  return onnx;
}

async function fetchOk(url: string, base: string): Promise<Response> {
  const whole = new URL(base && !url.startsWith(`${base}/`) ? base + url : url, self.location.origin);
  const answer = await fetchAlive(whole).catch((error: unknown) => {
    throw new LiveError("the model could not be loaded", { cause: error });
  });
  if (!answer.ok) throw new LiveError((await refusal(answer)) || "the model could not be loaded");
  return answer;
}

// The server's reason for refusing, if it sent one line of plain text; else "".
async function refusal(answer: Response): Promise<string> {
  if (!answer.headers.get("content-type")?.startsWith("text/plain")) return "";
  const words = (await answer.text()).trim().replace(/\.$/, "");
  return words.length < MAX_REFUSAL_LENGTH ? words : "";
}

// An inference session with float32 inputs and outputs.
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
    const inputs = Object.entries(feeds).map(([name, { data, dims }]) => [name, new this.ort.Tensor("float32", data, dims)]);
    const outputs = await this.session.run(Object.fromEntries(inputs));
    return Object.fromEntries(
      Object.entries(outputs).map(([name, value]) => [name, { data: value.data as Float32Array, dims: [...value.dims] }]),
    );
  }

  release(): void {
    void this.session.release();
  }
}
