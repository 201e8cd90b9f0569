// Runs models in a thread of their own: filmstrips and grids are decoded here, so that the pointer never waits for them.
import { type Feeds, Graph, LiveError } from "./runtime";

export type WorkerRequest =
  | { id: number; op: "load"; model: number; url: string; base: string }
  | { id: number; op: "run"; model: number; feeds: Feeds }
  | { id: number; op: "release"; model: number };
export type WorkerAnswer = { id: number; inputs?: string[]; outputs?: Feeds; error?: string; plain?: boolean };

const models = new Map<number, Graph>();

async function answer(request: WorkerRequest): Promise<WorkerAnswer> {
  const { id, op, model } = request;
  if (op === "load") {
    const graph = await Graph.load(request.url, request.base);
    models.set(model, graph);
    return { id, inputs: graph.inputs };
  }
  const graph = models.get(model);
  if (op === "release") {
    graph?.release();
    models.delete(model);
    return { id };
  }
  if (!graph) throw new LiveError("the model was released");
  return { id, outputs: await graph.run(request.feeds) };
}

self.onmessage = async ({ data }: MessageEvent<WorkerRequest>) => {
  const message = await answer(data).catch(
    (error: unknown): WorkerAnswer => ({ id: data.id, error: String((error as Error).message), plain: error instanceof LiveError }),
  );
  const buffers = Object.values(message.outputs ?? {}).map(({ data: values }) => values.buffer as ArrayBuffer);
  (self as unknown as Worker).postMessage(message, [...new Set(buffers)]);
};
