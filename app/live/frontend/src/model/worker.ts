// Models in a thread of their own: films and grids are made here, so that they never cost the pointer a frame.
import { type Feeds, Graph, LiveError } from "./runtime";

export type Asked =
  | { id: number; op: "load"; model: number; url: string; base: string }
  | { id: number; op: "run"; model: number; feeds: Feeds }
  | { id: number; op: "release"; model: number };
export type Answer = { id: number; inputs?: string[]; outputs?: Feeds; error?: string; plain?: boolean };

const models = new Map<number, Graph>();

async function answer(asked: Asked): Promise<Answer> {
  const { id, op, model } = asked;
  if (op === "load") {
    const graph = await Graph.load(asked.url, asked.base);
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
  return { id, outputs: await graph.run(asked.feeds) };
}

self.onmessage = async ({ data }: MessageEvent<Asked>) => {
  const said = await answer(data).catch(
    (error: unknown): Answer => ({ id: data.id, error: String((error as Error).message), plain: error instanceof LiveError }),
  );
  const buffers = Object.values(said.outputs ?? {}).map(({ data: values }) => values.buffer as ArrayBuffer);
  (self as unknown as Worker).postMessage(said, [...new Set(buffers)]);
};
