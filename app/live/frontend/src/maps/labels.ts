// What is drawn over a map's points: the names of the classes, and the visitor's own images.
import type { PanelData } from "./message";
import { drawTile, type Plane, type Tile } from "./raster";
import { NARROW, type Scene, type Theme } from "./scene";
import { onScreen, type Spot, type View } from "./view";

const OWN_SIDE = 30; // of an own image, in pixels of the page, about
const MIN_DISTANCE = 20; // of two names, in pixels of the page

interface Map {
  data: PanelData;
  view: View;
  side: number; // in pixels of the page
}

// Draws each class's name at its middle, unless more than half of the names would overlap.
export function drawNames(context: CanvasRenderingContext2D, { data, view, side }: Map, theme: Theme, fine: number): void {
  const spots = data.middles.map(([name, x, y]) => ({ name, at: onScreen(view, side, [x, y]) }));
  const close = spots.filter(({ at: [x, y] }, i) => spots.some(({ at: [a, b] }, j) => i !== j && Math.hypot(a - x, b - y) < MIN_DISTANCE));
  if (close.length > spots.length / 2) return;
  context.save();
  context.scale(fine, fine);
  context.font = `600 ${side < NARROW ? 12 : 14}px ${theme.font}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = 4;
  context.strokeStyle = theme.back;
  context.fillStyle = theme.ink;
  for (const { name, at } of spots) {
    context.strokeText(name, ...at);
    context.fillText(name, ...at);
  }
  context.restore();
}

// Draws the visitor's own images, framed and numbered; those near the edge are moved inwards. `side` is in device pixels.
export function drawOwn(context: CanvasRenderingContext2D, { data, view }: Map, side: number, scene: Scene, fine: number): void {
  const { own, pictures, theme } = scene;
  const [h, w] = pictures.tileSize;
  const times = Math.max(1, Math.floor((OWN_SIDE * fine) / Math.max(h, w)));
  const [width, height, margin] = [w * times, h * times, Math.round(9 * fine)];
  const inside = (at: number, size: number): number => Math.round(Math.min(Math.max(margin, at - size / 2), side - size - margin));
  context.save();
  context.imageSmoothingEnabled = false;
  context.font = `700 ${11 * fine}px ${theme.font}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  data.own.forEach((place, i) => {
    const [x, y] = onScreen(view, side, place);
    const tile = own.tile(i, [h, w]);
    if (!tile || x < 0 || y < 0 || x > side || y > side) return;
    const corner: Spot = [inside(x, width), inside(y, height)];
    drawFramed(context, tile, [h, w], times, corner, theme, fine);
    drawNumber(context, i + 1, [corner[0] + width, corner[1]], theme, fine);
  });
  context.restore();
}

function drawFramed(
  context: CanvasRenderingContext2D, tile: Tile, [h, w]: [number, number], times: number, [left, top]: Spot, theme: Theme, fine: number,
): void {
  const [width, height] = [w * times, h * times];
  const [edge, rim] = [Math.round(3 * fine), Math.round(fine)];
  for (const [by, style] of [[edge + rim, theme.back], [edge, theme.ink], [rim, theme.back]] as const) {
    context.fillStyle = style;
    context.fillRect(left - by, top - by, width + 2 * by, height + 2 * by);
  }
  const image = new ImageData(width, height);
  const onto: Plane = { pixels: new Uint32Array(image.data.buffer), width, side: Math.max(width, height), margin: 0 };
  drawTile(onto, tile, h, w, times, 0, 0, 0, 0);
  context.putImageData(image, left, top);
}

function drawNumber(context: CanvasRenderingContext2D, number: number, [right, top]: Spot, theme: Theme, fine: number): void {
  const edge = Math.round(3 * fine);
  const [x, y] = [right + edge, top - edge];
  context.fillStyle = theme.ink;
  context.beginPath();
  context.arc(x, y, 8 * fine, 0, 2 * Math.PI);
  context.fill();
  context.fillStyle = theme.back;
  context.fillText(`${number}`, x, y + fine / 2);
}
