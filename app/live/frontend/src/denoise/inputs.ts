// The model's inputs: the server's images, blank ones to draw on, and the strokes painted on them.
import type { Tensor } from "../model/engine";
import { type Brush, Strokes } from "./strokes";
import { type Message, unpacked } from "./message";

const MAX_BLANK = 4;

export class Inputs {
  strokes: Strokes;
  private images: Float32Array;
  private readonly given: number; // images of the server

  constructor(message: Message) {
    const [n, channels, height, width] = message.images.dims;
    this.images = unpacked(message.images.values, message.images.depth);
    this.given = n;
    this.ink = message.ink;
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
    return this.empty >= MAX_BLANK;
  }

  get untouched(): boolean {
    return this.strokes.empty && this.empty === 0;
  }

  // Adds a blank image, dark if the ink is light.
  addBlank(): void {
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

  // The inputs of a graph: the originals with ink, the field with painted noise and erasures, and the level.
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
