// The points' pictures: from one sheet of all, or from blocks that are fetched as they are looked at, few at a time.
import type { Tile } from "./raster";
import { bytes, located } from "./shelf";
import type { ImagesTold, Told } from "./message";

const AT_ONCE = 4;
const WAITING = 48; // blocks that may wait; what was asked for first is forgotten first
const MOST_PIXELS = 6e6; // of blocks that are kept: 24 MB

export interface Sheet {
  pixels: Uint32Array;
  width: number;
}

async function read(address: string): Promise<Sheet> {
  const bitmap = await createImageBitmap(new Blob([await bytes(address)], { type: "image/png" }));
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context?.drawImage(bitmap, 0, 0);
  bitmap.close();
  const pixels = context?.getImageData(0, 0, width, height).data.buffer;
  canvas.width = canvas.height = 0; // gives its memory back at once
  if (!pixels) throw new Error("no canvas");
  return { pixels: new Uint32Array(pixels), width };
}

// The tiles stand side by side, as many as the sheet is wide.
export function tile({ pixels, width }: Sheet, at: number, [h, w]: [number, number]): Tile {
  const columns = Math.max(1, Math.floor(width / w));
  return { pixels, at: Math.floor(at / columns) * h * width + (at % columns) * w, stride: width };
}

// One sheet by its address, the last one read.
export class OneSheet {
  private address = "";
  private sheet: Sheet | undefined;

  constructor(private readonly changed: () => void) {}

  set(address: string): void {
    if (address === this.address) return;
    this.address = address;
    this.sheet = undefined;
    if (address === "") return;
    void read(address).then(
      (sheet) => {
        if (address !== this.address) return;
        this.sheet = sheet;
        this.changed();
      },
      () => undefined, // the dots are there without
    );
  }

  tile(at: number, size: [number, number]): Tile | undefined {
    return this.sheet && tile(this.sheet, at, size);
  }
}

export class Pictures {
  // Points whose pictures are here, in the order in which they came.
  arrived: number[] = [];

  private told: ImagesTold = { tile: [1, 1] };
  private base = "";
  private index: Int32Array = new Int32Array();
  private named = "";
  private members = new Map<number, number[]>(); // block → points
  private places = new Map<number, number>(); // point → its tile in `first`
  private readonly all = new OneSheet(() => this.met());
  private blocks = new Map<number, Sheet>(); // the least recently used first
  private broken = new Set<number>();
  private waiting: number[] = [];
  private fetching = new Set<number>();
  private whole: number[] = []; // points of the one sheet
  private round = 0;

  constructor(private readonly changed: () => void) {}

  // `order` is that of the points without a preference; `first` the points that come at once, in theirs.
  set({ images: told, base, index: which }: Told, index: Int32Array, order: Uint32Array, first: Int32Array): void {
    this.broken.clear();
    const named = JSON.stringify([told, base, which]);
    if (named === this.named) return;
    this.named = named;
    Object.assign(this, { told, base, index });
    this.round += 1;
    this.blocks.clear();
    this.members.clear();
    this.waiting = [];
    this.fetching.clear();
    this.places = new Map(Array.from(first, (point, at) => [point, at]));
    this.whole = told.sprite === undefined ? Array.from(first) : Array.from(order);
    this.arrived = [];
    if (told.blocks !== undefined) {
      index.forEach((position, point) => {
        const block = Math.floor(position / this.size);
        const points = this.members.get(block);
        if (points) points.push(point);
        else this.members.set(block, [point]);
      });
    }
    this.all.set(located(told.sprite ?? told.first?.sprite ?? "", base));
  }

  get tileSize(): [number, number] {
    return this.told.tile;
  }

  private get size(): number {
    return this.told.block ?? 64;
  }

  private met(): void {
    this.arrived = [...this.whole, ...this.arrived.filter((point) => !this.places.has(point))];
    this.changed();
  }

  tile(point: number): Tile | undefined {
    const { tile: size, blocks } = this.told;
    const at = blocks === undefined ? point : this.places.get(point);
    const found = at === undefined ? undefined : this.all.tile(at, size);
    if (found || blocks === undefined) return found;
    const position = this.index[point] ?? 0;
    const block = Math.floor(position / this.size);
    const sheet = this.blocks.get(block);
    if (!sheet) return undefined;
    this.blocks.delete(block);
    this.blocks.set(block, sheet);
    return tile(sheet, position % this.size, size);
  }

  // The pictures of these points are wanted, the last ones most.
  ask(points: readonly number[]): void {
    if (this.told.blocks === undefined) return;
    for (const point of points) {
      const block = Math.floor((this.index[point] ?? 0) / this.size);
      if (this.blocks.has(block) || this.fetching.has(block) || this.broken.has(block)) continue;
      this.waiting = [...this.waiting.filter((other) => other !== block), block].slice(-WAITING);
    }
    this.next();
  }

  private next(): void {
    while (this.fetching.size < AT_ONCE && this.waiting.length > 0) void this.fetch(this.waiting.pop() ?? 0);
  }

  private async fetch(block: number): Promise<void> {
    const { round } = this;
    this.fetching.add(block);
    const address = located((this.told.blocks ?? "").replace("{}", String(block)), this.base);
    const sheet = await read(address).catch(() => undefined);
    if (round !== this.round) return;
    this.fetching.delete(block);
    if (sheet) this.keep(block, sheet);
    else this.broken.add(block);
    this.next();
  }

  private keep(block: number, sheet: Sheet): void {
    this.blocks.set(block, sheet);
    const gone = new Set<number>();
    let kept = 0;
    for (const [other, { pixels }] of [...this.blocks].reverse()) {
      kept += pixels.length;
      if (kept > MOST_PIXELS && other !== block) {
        this.blocks.delete(other);
        gone.add(other);
      }
    }
    if (gone.size > 0) {
      this.arrived = this.arrived.filter((point) => this.places.has(point) || !gone.has(Math.floor((this.index[point] ?? 0) / this.size)));
    }
    this.arrived.push(...(this.members.get(block) ?? []).filter((point) => !this.places.has(point)));
    this.changed();
  }

  close(): void {
    this.round += 1;
    this.waiting = [];
    this.blocks.clear();
    this.all.set("");
  }
}
