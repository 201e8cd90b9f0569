// Draws dots and pictures into arrays of pixels. Without a graphics card this is fast enough for three maps of 20,000 points
// to follow the pointer, and there is no WebGL context to lose. Pixels have 32 bits, red in the lowest byte.
import type { Shape } from "./message";

export interface Plane {
  pixels: Uint32Array;
  width: number; // of a row, with the margins
  side: number; // of the visible square
  margin: number; // room for dots at the edge
}

export const packed = ([r, g, b]: readonly [number, number, number]): number => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;

// --- stamps: the share of each pixel that a dot covers, for 16 positions of its middle within a pixel

interface Stamp {
  at: Int32Array; // offset of each covered pixel from the stamp's corner
  share: Int32Array; // 256 if covered whole
}
export interface Stamps {
  size: number;
  phases: Stamp[];
}

const PHASES = 4; // positions of the middle, in x and in y
const SAMPLES = 5; // per pixel, in x and in y

const SHAPES: Record<Shape, (x: number, y: number) => boolean> = {
  circle: (x, y) => x * x + y * y <= 1,
  square: (x, y) => Math.max(Math.abs(x), Math.abs(y)) <= 0.9,
  diamond: (x, y) => Math.abs(x) + Math.abs(y) <= 1.25,
  cross: (x, y) => Math.min(Math.abs(x), Math.abs(y)) <= 0.4 && Math.max(Math.abs(x), Math.abs(y)) <= 1.2,
};
const MAX_REACH = 1.25; // of the largest shape, in radii

const MAX_STAMPS = 64; // in the cache
const stampCache = new Map<string, Stamps>();

export function stamps(shape: Shape, radius: number, opacity: number, width: number): Stamps {
  const name = `${shape} ${radius} ${opacity} ${width}`;
  const found = stampCache.get(name) ?? cut(shape, radius, opacity, width);
  if (stampCache.size >= MAX_STAMPS) stampCache.clear();
  stampCache.set(name, found);
  return found;
}

function cut(shape: Shape, radius: number, opacity: number, width: number): Stamps {
  const covers = SHAPES[shape];
  const size = Math.ceil(2 * MAX_REACH * radius) + 2;
  const phases: Stamp[] = [];
  for (let phase = 0; phase < PHASES * PHASES; phase += 1) {
    const middleX = size / 2 + ((phase % PHASES) + 0.5) / PHASES;
    const middleY = size / 2 + (Math.floor(phase / PHASES) + 0.5) / PHASES;
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

// Converts a place to device pixels of the square: (left + x·by, top − y·by).
export interface Where {
  by: number;
  left: number;
  top: number;
}

// Draws those of the first `most` points in order whose flags under `mask` equal `want`; returns how many were drawn.
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
    const { at, share } = phases[Math.floor((y - row) * PHASES) * PHASES + Math.floor((x - column) * PHASES)] as Stamp;
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
  at: number; // index of its first pixel
  stride: number; // width of the sheet that holds it
}

// Draws a picture of h × w pixels, enlarged `times`, in a frame of colour `ink`; clips it at the square's edge.
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
