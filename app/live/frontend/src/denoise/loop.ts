// Denoising again: the model reconstructs its own reconstruction, step by step.
import type { Model, Tensor } from "../model/engine";
import type { Scores } from "./figures";

export type Out = Record<string, Tensor>;

// Runs the model on the images `given`, with the graph whose field is added to the originals: field `given` − `originals`, level 1.
export async function repeated(repair: Model, originals: Tensor, given: Tensor): Promise<Out> {
  const field = given.data.map((value, i) => value - (originals.data[i] ?? 0));
  return repair.run({
    images: originals,
    field: { data: field, dims: originals.dims },
    level: { data: Float32Array.of(1), dims: [] },
  });
}

export const after = (out: Out): Scores => scores(out.sse_after, out.ssim_after);
export const before = (out: Out): Scores => scores(out.sse_before, out.ssim_before);

function scores(sse: Tensor | undefined, ssim: Tensor | undefined): Scores {
  return { sse: sse?.data ?? [], ...(ssim ? { ssim: ssim.data } : {}) };
}

// Describes the steps: their number, and for each run the errors of the corrupted images and of each reconstruction.
export function steps(errors: readonly number[][], titles: readonly string[]): string {
  const times = (errors[0]?.length ?? 2) - 2;
  const number = (error: number): string => error.toFixed(error < 1 ? 3 : 1);
  const lines = errors.map((own, i) => `${titles.length > 1 ? `${titles[i]}: ` : ""}${own.map(number).join(" → ")}`);
  return [`Denoised ${times === 1 ? "once more" : `${times} more times`}; squared error:`, ...lines].join("\n");
}
