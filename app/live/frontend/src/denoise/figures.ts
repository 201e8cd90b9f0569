// Averages and formats the figures. Errors and similarities come from the graph or the server.

export interface Scores {
  sse: ArrayLike<number>; // per image
  ssim?: ArrayLike<number>; // per image; absent where the images are smaller than its windows
}

export interface Described {
  key: "sse" | "psnr" | "ssim";
  name: string;
  hint: string;
  digits: number;
}

export interface Words {
  none: string; // nothing was corrupted
  harm: string; // the error has grown
  good: string; // with {share}
}

const mean = (values: ArrayLike<number>): number => Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

// −10 log₁₀ of a mean squared error per pixel value; infinite for 0. Unit: dB.
export const decibels = (error: number): number => -10 * Math.log10(error);

// One figure of one image, or without `image` its mean over all; the mean PSNR is the PSNR of the mean error.
export function figure(scores: Scores, key: Described["key"], values: number, image?: number): number | undefined {
  const of = (list: ArrayLike<number>): number => (image === undefined ? mean(list) : (list[image] ?? NaN));
  if (key === "ssim") return scores.ssim && of(scores.ssim);
  return key === "sse" ? of(scores.sse) : decibels(of(scores.sse) / values);
}

export function text(value: number | undefined, digits: number): string {
  if (value === undefined || Number.isNaN(value)) return "";
  return Number.isFinite(value) ? value.toFixed(digits) : value > 0 ? "∞" : "−∞";
}

// As `text`, but without a fraction from 100 on, for narrow columns.
export const brief = (value: number | undefined, digits: number): string =>
  text(value, value !== undefined && Math.abs(value) >= 99.995 ? 0 : digits);

// The share of the squared error that was removed; undefined if there was none.
export function removed(before: ArrayLike<number>, after: ArrayLike<number>): number | undefined {
  const put = mean(before);
  return put > 0 ? 1 - mean(after) / put : undefined;
}

export function reading(share: number | undefined, words: Words): string {
  if (share === undefined) return words.none;
  return share <= 0 ? words.harm : words.good.replace("{share}", `${Math.round(100 * share)}%`);
}
