// The message of Python, sent with every redraw.
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
  words: string; // name of its level
  help: string;
  level: number; // the run's own, else the kind's default
  random: boolean;
  given: string; // shown if the decoder continues from {rows} given rows; else empty
}

export interface Message extends View {
  base: string;
  token: string; // the run that the view belongs to; with another one, the visitor's moves are dropped
  heard: number; // the visitor's last move that Python has received
  runs: string[]; // one, or two side by side
  titles: string[]; // of the runs' rows
  kinds: Kind[];
  repair: string; // the kind whose field is added to the images
  own: boolean; // no level was chosen, so each kind begins with its own
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

// Decodes images (whole numbers from 0 to `depth`, little-endian, base64) to values from 0 to 1.
export function unpacked(values: string, depth: number): Float32Array {
  const bytes = Uint8Array.from(atob(values), (letter) => letter.charCodeAt(0));
  const whole = depth > 255 ? new Uint16Array(bytes.buffer) : bytes;
  return Float32Array.from(whole, (value) => value / depth);
}
