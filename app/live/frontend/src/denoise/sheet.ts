// The layout of the picture: images side by side in lines, each with the same rows (original, corrupted, reconstruction), one
// pixel apart. Equal to the server's sheet, pixel for pixel, so that one can replace the other without a visible change.
import type { Tensor } from "../model/engine";

export interface Layout {
  images: number;
  rows: number;
  height: number; // of one image
  width: number;
  columns: number;
  lines: number;
  across: number; // pixels of the whole sheet
  down: number;
}

export function layout(images: number, height: number, width: number, rows: number, most: number): Layout {
  const columns = Math.max(1, Math.min(images, most));
  const lines = Math.max(1, Math.ceil(images / columns));
  const across = columns * (width + 1) - 1;
  const down = lines * rows * (height + 1) - 1;
  return { images, rows, height, width, columns, lines, across, down };
}

// The top left corner of an image.
export function corner(sheet: Layout, image: number, row: number): { x: number; y: number } {
  const line = Math.floor(image / sheet.columns);
  return {
    x: (image % sheet.columns) * (sheet.width + 1),
    y: (line * sheet.rows + row) * (sheet.height + 1),
  };
}

export interface Spot {
  image: number;
  row: number;
  x: number; // pixels of that image; 0.5 is the middle of the first pixel
  y: number;
}

// The image under a point of the sheet, the gap at its right and below included; undefined outside.
export function hit(sheet: Layout, x: number, y: number): Spot | undefined {
  if (x < 0 || y < 0 || x >= sheet.across + 1 || y >= sheet.down + 1) return undefined;
  const column = Math.floor(x / (sheet.width + 1));
  const step = Math.floor(y / (sheet.height + 1));
  const image = Math.floor(step / sheet.rows) * sheet.columns + column;
  if (image >= sheet.images) return undefined;
  return { image, row: step % sheet.rows, x: x - column * (sheet.width + 1), y: y - step * (sheet.height + 1) };
}

export type Colour = readonly [number, number, number];

// Draws all images (n,C,H,W) into one row of the sheet; pixels that are not `visible` (n,1,H,W) get the colour `hidden`.
// Values are clamped and rounded as by the server, and NaN becomes 0 (by Uint8ClampedArray).
export function draw(
  sheet: Layout, row: number, picture: Tensor, onto: ImageData, visible?: Tensor, hidden: Colour = [0, 0, 0],
): void {
  const { height, width } = sheet;
  const channels = picture.dims[1] ?? 1;
  const area = height * width;
  const words = new Uint32Array(onto.data.buffer); // a pixel a word: a third of the time of four bytes
  const bytes = new Uint8ClampedArray(channels * area);
  const [green, blue] = channels === 3 ? [area, 2 * area] : [0, 0];
  const mark = word(...hidden);
  for (let image = 0; image < sheet.images; image += 1) {
    for (let i = 0, from = image * channels * area; i < bytes.length; i += 1) bytes[i] = picture.data[from + i]! * 255;
    const { x, y } = corner(sheet, image, row);
    for (let line = 0, pixel = 0; line < height; line += 1) {
      let at = (y + line) * sheet.across + x;
      for (const end = pixel + width; pixel < end; pixel += 1, at += 1) {
        const seen = !visible || visible.data[image * area + pixel]! >= 0.5;
        words[at] = seen ? word(bytes[pixel]!, bytes[pixel + green]!, bytes[pixel + blue]!) : mark;
      }
    }
  }
}

// Packs an opaque colour as a little-endian word.
const word = (red: number, green: number, blue: number): number => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;

// The number of rows from the top in which no pixel of any image is hidden.
export function rowsGiven(visible: Tensor): number {
  const [n = 0, , h = 0, w = 0] = visible.dims;
  const whole = (row: number): boolean => {
    for (let image = 0; image < n; image += 1) {
      const from = (image * h + row) * w;
      if (visible.data.subarray(from, from + w).some((seen) => seen < 0.5)) return false;
    }
    return true;
  };
  let rows = 0;
  while (rows < h && whole(rows)) rows += 1;
  return rows;
}
