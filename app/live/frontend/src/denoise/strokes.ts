// The visitor's strokes: ink on the originals, and noise or erasures in the field, so that only the graph corrupts pixels.

export type Tool = "noise" | "erase" | "draw";

// The field values with which a kind of noise makes a pixel black or white (or hides it) at every level above 0; null if the
// field is added, scaled by the level.
export interface Brush {
  black: number | null;
  white: number | null;
}

export const MIN_LEVEL = 1e-6; // replaces level 0 if noise or erasures are painted
const MAX_UNDOS = 30;
const DENSITY = 0.35; // share of the pixels under the noise brush that one touch changes
const [CLEAN, ERASED, NOISY] = [0, 1, 2];

interface Layer {
  ink: Float32Array; // share of ink per pixel
  marks: Uint8Array;
  noise: Float32Array; // −1 to 1, for pixels marked noisy
}

export interface Shape {
  images: number;
  channels: number;
  height: number;
  width: number;
}

export class Strokes {
  private layers = new Map<number, Layer>();
  private history: { image: number; before: Layer | undefined }[] = [];
  private touches = 0;

  constructor(readonly shape: Shape) {}

  // The same strokes for another number of images.
  resized(images: number): Strokes {
    const result = new Strokes({ ...this.shape, images });
    result.layers = new Map([...this.layers].filter(([image]) => image < images));
    result.history = this.history.filter(({ image }) => image < images);
    result.touches = this.touches;
    return result;
  }

  get empty(): boolean {
    return this.layers.size === 0;
  }

  get undoable(): boolean {
    return this.history.length > 0;
  }

  // Begins a stroke on an image; `touch` adds its points.
  begin(image: number): void {
    const layer = this.layers.get(image);
    this.history.push({ image, before: layer && copy(layer) });
    if (this.history.length > MAX_UNDOS) this.history.shift();
  }

  undo(): void {
    const last = this.history.pop();
    if (!last) return;
    if (last.before) this.layers.set(last.image, last.before);
    else this.layers.delete(last.image);
  }

  clear(): void {
    this.layers.clear();
    this.history.length = 0;
  }

  // Touches the image with a round brush, `size` pixels across and centred at (x, y) in pixels.
  touch(image: number, x: number, y: number, size: number, tool: Tool): void {
    const { height, width } = this.shape;
    const layer = this.layers.get(image) ?? blank(height * width);
    this.layers.set(image, layer);
    this.touches += 1;
    const radius = size / 2;
    for (let row = 0; row < height; row += 1) {
      for (let column = 0; column < width; column += 1) {
        const covered = Math.min(1, radius + 0.5 - Math.hypot(column + 0.5 - x, row + 0.5 - y));
        if (covered > 0) this.change(layer, row * width + column, covered, tool);
      }
    }
  }

  private change(layer: Layer, at: number, covered: number, tool: Tool): void {
    if (tool === "draw") {
      layer.ink[at] = Math.max(layer.ink[at] ?? 0, covered);
    } else if (covered >= 0.5 || tool === "erase") {
      if (tool === "noise" && scattered(at, 2 * this.touches) > DENSITY) return;
      layer.marks[at] = tool === "erase" ? ERASED : NOISY;
      layer.noise[at] = tool === "erase" ? 0 : 2 * scattered(at, 2 * this.touches + 1) - 1;
    }
  }

  // The originals (n,C,H,W) with ink; the same array if there is none.
  inked(images: Float32Array, ink: number): Float32Array {
    let result = images;
    for (const [image, layer] of this.layers) {
      if (!layer.ink.some((share) => share > 0)) continue;
      if (result === images) result = images.slice();
      this.each(image, (value, pixel) => {
        const share = layer.ink[pixel] ?? 0;
        result[value] = (result[value] ?? 0) * (1 - share) + ink * share;
      });
    }
    return result;
  }

  // The field (n,F,H,W) with painted noise and erasures, and the level; both unchanged if there are none.
  marked(field: Float32Array, level: number, originals: Float32Array, brush: Brush): { field: Float32Array; level: number } {
    const layers = [...this.layers].filter(([, layer]) => layer.marks.some((mark) => mark !== CLEAN));
    if (layers.length === 0) return { field, level };
    const at = Math.max(level, MIN_LEVEL);
    // A field value of exactly 0 must not lie below MIN_LEVEL.
    const result = level > 0 ? field.slice() : field.map((value) => (value === 0 ? 10 * MIN_LEVEL : value));
    for (const [image, layer] of layers) this.mark(result, image, layer, at, originals, brush);
    return { field: result, level: at };
  }

  private mark(field: Float32Array, image: number, layer: Layer, level: number, originals: Float32Array, brush: Brush): void {
    const { images, channels, height, width } = this.shape;
    const depth = field.length / (images * height * width);
    this.each(image, (value, pixel, channel) => {
      if (layer.marks[pixel] === CLEAN || channel >= depth) return;
      const at = (image * depth + channel) * height * width + pixel;
      const noise = layer.noise[pixel] ?? 0;
      if (brush.black === null || brush.white === null) {
        const original = originals[value] ?? 0;
        field[at] = (layer.marks[pixel] === ERASED ? -original : noise) / level;
      } else {
        field[at] = layer.marks[pixel] === ERASED || noise < 0 ? brush.black : brush.white;
      }
    }, channels);
  }

  private each(image: number, visit: (value: number, pixel: number, channel: number) => void, channels = this.shape.channels): void {
    const area = this.shape.height * this.shape.width;
    for (let channel = 0; channel < channels; channel += 1) {
      for (let pixel = 0; pixel < area; pixel += 1) {
        visit((image * channels + channel) * area + pixel, pixel, channel);
      }
    }
  }
}

const blank = (area: number): Layer => ({
  ink: new Float32Array(area), marks: new Uint8Array(area), noise: new Float32Array(area),
});

const copy = ({ ink, marks, noise }: Layer): Layer => ({ ink: ink.slice(), marks: marks.slice(), noise: noise.slice() });

// A pseudorandom number from 0 to 1 that depends only on pixel and touch, so that a stroke can be replayed.
export function scattered(pixel: number, touch: number): number {
  let hash = Math.imul(pixel + 1, 0x9e3779b1) ^ Math.imul(touch + 1, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  hash = Math.imul(hash ^ (hash >>> 15), 0x846ca68b);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

// The points from one position to another, at most half a pixel apart; includes the last.
export function between(from: { x: number; y: number }, to: { x: number; y: number }): { x: number; y: number }[] {
  const steps = Math.max(1, Math.ceil(2 * Math.hypot(to.x - from.x, to.y - from.y)));
  return Array.from({ length: steps }, (_, i) => {
    const share = (i + 1) / steps;
    return { x: from.x + share * (to.x - from.x), y: from.y + share * (to.y - from.y) };
  });
}
