// What Python says with every redraw.
import type { Described, Scores, Words } from "./figures";
import type { Colour } from "./sheet";
import type { Brush } from "./strokes";

export interface View {
  kind: string;
  level: number;
  seed: number;
}

export interface Kind extends Brush {
  name: string;
  title: string;
  words: string; // what its level is called
  help: string;
  level: number; // the run's own, else the kind's usual one
  random: boolean;
  given: string; // said of a decoder that goes on from {rows} given ones; else empty
}

export interface Told extends View {
  base: string;
  token: string; // names what the view belongs to: with another one, the visitor's moves are void
  heard: number; // of the visitor's moves the last one that Python knows
  source: string; // names the images; what is painted goes with them
  runs: string[]; // one, or two side by side
  titles: string[]; // of their rows
  kinds: Kind[];
  repair: string; // the kind whose field is simply added
  own: boolean; // no level was chosen: every kind brings its own
  seeds: number;
  images: { values: string; depth: number; dims: [number, number, number, number] };
  ink: number;
  labels: string[];
  pictures: { sheet: string };
  alt: string;
  before: Scores;
  after: Scores[];
  figures: Described[];
  words: Words;
  note: string;
  hidden: Colour;
  columns: number;
  curve: string;
}

// Images as whole numbers from 0 to `depth`, little-endian, base64; returned as shares.
export function unpacked(values: string, depth: number): Float32Array {
  const bytes = Uint8Array.from(atob(values), (letter) => letter.charCodeAt(0));
  const whole = depth > 255 ? new Uint16Array(bytes.buffer) : bytes;
  return Float32Array.from(whole, (value) => value / depth);
}
