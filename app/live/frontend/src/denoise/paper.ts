// What the model is given: the images, empty ones to draw on, and what is painted on them.
import type { Tensor } from "../model/engine";
import { type Brush, Strokes } from "./strokes";
import { type Told, unpacked } from "./message";

const MOST_EMPTY = 4;

export class Paper {
  strokes: Strokes;
  private images: Float32Array;
  private readonly given: number; // images that came from the server

  constructor(told: Told) {
    const [n, channels, height, width] = told.images.dims;
    this.images = unpacked(told.images.values, told.images.depth);
    this.given = n;
    this.ink = told.ink;
    this.strokes = new Strokes({ images: n, channels, height, width });
  }

  private readonly ink: number;

  get count(): number {
    return this.strokes.shape.images;
  }

  get empty(): number {
    return this.count - this.given;
  }

  get full(): boolean {
    return this.empty >= MOST_EMPTY;
  }

  get untouched(): boolean {
    return this.strokes.empty && this.empty === 0;
  }

  // One more empty image; dark where ink is light.
  another(): void {
    if (!this.full) this.resize(this.count + 1);
  }

  clear(): void {
    this.strokes.clear();
    this.resize(this.given);
  }

  private resize(count: number): void {
    const { channels, height, width } = this.strokes.shape;
    const size = channels * height * width;
    const all = new Float32Array(count * size).fill(1 - this.ink);
    all.set(this.images.subarray(0, this.given * size));
    this.images = all;
    this.strokes = this.strokes.resized(count);
  }

  // The inputs of a graph: originals with their ink, and a field with what is painted in it.
  feeds(field: Float32Array, level: number, brush: Brush): { images: Tensor; field: Tensor; level: Tensor } {
    const { images, channels, height, width } = this.strokes.shape;
    const originals = this.strokes.inked(this.images, this.ink);
    const marked = this.strokes.marked(field, level, originals, brush);
    return {
      images: { data: originals, dims: [images, channels, height, width] },
      field: { data: marked.field, dims: [images, field.length / (images * height * width), height, width] },
      level: { data: Float32Array.of(marked.level), dims: [] },
    };
  }
}
