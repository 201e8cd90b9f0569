// Dots and pictures written straight into pixels: in a browser without a graphics card, three maps of twenty thousand points
// follow the hand so, and there is no context to lose. Pixels are 32 bits, red lowest. Pure.
import type { Shape } from "./message";

export interface Plane {
  pixels: Uint32Array;
  width: number; // of a row, with the margin on both sides
  side: number; // of the square that is seen
  margin: number; // a dot at the edge is drawn whole into it
}

export const packed = ([r, g, b]: readonly [number, number, number]): number => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;

// --- stamps: the share of each pixel that a dot covers, for sixteen places of its middle within a pixel

interface Stamp {
  at: Int32Array; // from the stamp's corner, in the plane's own rows
  share: Int32Array; // of 256
}
export interface Stamps {
  size: number;
  phases: Stamp[];
}

const FINE = 4; // places of the middle, each way
const SAMPLES = 5; // of a pixel, each way

const SHAPES: Record<Shape, (x: number, y: number) => boolean> = {
  circle: (x, y) => x * x + y * y <= 1,
  square: (x, y) => Math.max(Math.abs(x), Math.abs(y)) <= 0.9,
  diamond: (x, y) => Math.abs(x) + Math.abs(y) <= 1.25,
  cross: (x, y) => Math.min(Math.abs(x), Math.abs(y)) <= 0.4 && Math.max(Math.abs(x), Math.abs(y)) <= 1.2,
};
const REACHES = 1.25; // of the largest shape, in radii

const KEPT = 64; // a zoom goes through some sizes, and its maps through the same
const kept = new Map<string, Stamps>();

export function stamps(shape: Shape, radius: number, opacity: number, width: number): Stamps {
  const name = `${shape} ${radius} ${opacity} ${width}`;
  const found = kept.get(name) ?? cut(shape, radius, opacity, width);
  if (kept.size >= KEPT) kept.clear();
  kept.set(name, found);
  return found;
}

function cut(shape: Shape, radius: number, opacity: number, width: number): Stamps {
  const covers = SHAPES[shape];
  const size = Math.ceil(2 * REACHES * radius) + 2;
  const phases: Stamp[] = [];
  for (let phase = 0; phase < FINE * FINE; phase += 1) {
    const middleX = size / 2 + ((phase % FINE) + 0.5) / FINE;
    const middleY = size / 2 + (Math.floor(phase / FINE) + 0.5) / FINE;
    const at: number[] = [];
    const share: number[] = [];
    for (let y = 0; y <= size; y += 1) {
      for (let x = 0; x <= size; x += 1) {
        let hits = 0;
        for (let sample = 0; sample < SAMPLES * SAMPLES; sample += 1) {
          const dx = x + ((sample % SAMPLES) + 0.5) / SAMPLES - middleX;
          const dy = y + (Math.floor(sample / SAMPLES) + 0.5) / SAMPLES - middleY;
          if (covers(dx / radius, dy / radius)) hits += 1;
        }
        if (hits === 0) continue;
        at.push(y * width + x);
        share.push(Math.round((256 * opacity * hits) / SAMPLES ** 2));
      }
    }
    phases.push({ at: Int32Array.from(at), share: Int32Array.from(share) });
  }
  return { size, phases };
}

// --- dots

export interface Dots {
  places: Float32Array;
  order: Uint32Array;
  flags: Uint8Array;
  colour: Uint8Array;
  inks: Uint32Array; // by colour
  stamps: Stamps[]; // by colour
}

// Where a place lies, in device pixels of the square.
export interface Where {
  by: number;
  left: number;
  top: number;
}

// Of the first `most` points in order, those whose flags under `mask` are `want`; how many were drawn.
export function drawDots(to: Plane, dots: Dots, { by, left, top }: Where, mask: number, want: number, most: number): number {
  const { pixels, width, side, margin } = to;
  const { places, order, flags, colour, inks } = dots;
  let drawn = 0;
  for (let k = 0; k < most; k += 1) {
    const i = order[k] as number;
    if (((flags[i] as number) & mask) !== want) continue;
    const ink = colour[i] as number;
    const { size, phases } = dots.stamps[ink] as Stamps;
    const x = (places[2 * i] as number) * by + left + margin - size / 2;
    const y = top - (places[2 * i + 1] as number) * by + margin - size / 2;
    if (x < 0 || y < 0 || x + size + 1 >= side + 2 * margin || y + size + 1 >= side + 2 * margin) continue;
    const column = Math.floor(x);
    const row = Math.floor(y);
    const { at, share } = phases[Math.floor((y - row) * FINE) * FINE + Math.floor((x - column) * FINE)] as Stamp;
    const corner = row * width + column;
    const source = inks[ink] as number;
    const sourceOuter = source & 0xff00ff;
    const sourceGreen = source & 0x00ff00;
    for (let j = 0; j < at.length; j += 1) {
      const pixel = corner + (at[j] as number);
      const covered = share[j] as number;
      const under = pixels[pixel] as number;
      const outer = under & 0xff00ff;
      const green = under & 0x00ff00;
      pixels[pixel] =
        0xff000000 |
        ((outer + (((sourceOuter - outer) * covered) >> 8)) & 0xff00ff) |
        ((green + (((sourceGreen - green) * covered) >> 8)) & 0x00ff00);
    }
    drawn += 1;
  }
  return drawn;
}

// --- pictures

export interface Tile {
  pixels: Uint32Array;
  at: number; // of its first pixel
  stride: number; // of a row of the sheet it lies in
}

// A picture of h × w pixels, each `times` × `times`, in a frame of `ink`; what lies outside the square is left out.
export function drawTile(to: Plane, tile: Tile, h: number, w: number, times: number, frame: number, ink: number, left: number, top: number): void {
  const { pixels, width, side, margin } = to;
  const across = w * times + 2 * frame;
  const down = h * times + 2 * frame;
  const [fromX, toX] = [Math.max(0, -left), Math.min(across, side - left)];
  for (let y = Math.max(0, -top); y < Math.min(down, side - top); y += 1) {
    const row = (top + y + margin) * width + left + margin;
    if (y < frame || y >= down - frame) {
      pixels.fill(ink, row + fromX, row + toX);
      continue;
    }
    const line = tile.at + Math.floor((y - frame) / times) * tile.stride;
    for (let x = fromX; x < toX; x += 1) {
      const inFrame = x < frame || x >= across - frame;
      pixels[row + x] = inFrame ? ink : (tile.pixels[line + Math.floor((x - frame) / times)] as number);
    }
  }
}
