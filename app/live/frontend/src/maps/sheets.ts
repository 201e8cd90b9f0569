// The points' pictures: one sheet of all, or blocks that are fetched when they are needed.
import type { Tile } from "./raster";
import { bytes, resolved } from "./cache";
import type { ImagesData, Message } from "./message";

const MAX_FETCHES = 4;
const MAX_QUEUED = 48; // blocks; the oldest requests are dropped
const MAX_PIXELS = 6e6; // of cached blocks: 24 MB

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
  canvas.width = canvas.height = 0; // frees the memory at once
  if (!pixels) throw new Error("no canvas");
  return { pixels: new Uint32Array(pixels), width };
}

// The tile at position `at` of a sheet, whose tiles fill rows of its width.
export function tile({ pixels, width }: Sheet, at: number, [h, w]: [number, number]): Tile {
  const columns = Math.max(1, Math.floor(width / w));
  return { pixels, at: Math.floor(at / columns) * h * width + (at % columns) * w, stride: width };
}

// The sheet at the address that was set last.
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
      () => undefined, // the map is usable without
    );
  }

  tile(at: number, size: [number, number]): Tile | undefined {
    return this.sheet && tile(this.sheet, at, size);
  }
}

export class Pictures {
  // Points whose pictures are loaded, the first loaded first.
  arrived: number[] = [];

  private images: ImagesData = { tile: [1, 1] };
  private base = "";
  private index: Int32Array = new Int32Array();
  private key = "";
  private members = new Map<number, number[]>(); // block → points
  private places = new Map<number, number>(); // point → its tile in `first`
  private readonly all = new OneSheet(() => this.onWhole());
  private blocks = new Map<number, Sheet>(); // the least recently used first
  private failed = new Set<number>();
  private queue: number[] = [];
  private fetching = new Set<number>();
  private wholeSheet: number[] = []; // points of that sheet
  private version = 0;

  constructor(private readonly changed: () => void) {}

  // `order` is the order in which points become thumbnails; `first` are the points of the message's first sheet.
  set({ images, base, index: which }: Message, index: Int32Array, order: Uint32Array, first: Int32Array): void {
    this.failed.clear();
    const key = JSON.stringify([images, base, which]);
    if (key === this.key) return;
    this.key = key;
    Object.assign(this, { images, base, index });
    this.version += 1;
    this.blocks.clear();
    this.members.clear();
    this.queue = [];
    this.fetching.clear();
    this.places = new Map(Array.from(first, (point, at) => [point, at]));
    this.wholeSheet = images.sprite === undefined ? Array.from(first) : Array.from(order);
    this.arrived = [];
    if (images.blocks !== undefined) {
      index.forEach((position, point) => {
        const block = Math.floor(position / this.size);
        const points = this.members.get(block);
        if (points) points.push(point);
        else this.members.set(block, [point]);
      });
    }
    this.all.set(resolved(images.sprite ?? images.first?.sprite ?? "", base));
  }

  get tileSize(): [number, number] {
    return this.images.tile;
  }

  private get size(): number {
    return this.images.block ?? 64;
  }

  private onWhole(): void {
    this.arrived = [...this.wholeSheet, ...this.arrived.filter((point) => !this.places.has(point))];
    this.changed();
  }

  tile(point: number): Tile | undefined {
    const { tile: size, blocks } = this.images;
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

  // Requests the pictures of these points; the last is fetched first.
  request(points: readonly number[]): void {
    if (this.images.blocks === undefined) return;
    for (const point of points) {
      const block = Math.floor((this.index[point] ?? 0) / this.size);
      if (this.blocks.has(block) || this.fetching.has(block) || this.failed.has(block)) continue;
      this.queue = [...this.queue.filter((other) => other !== block), block].slice(-MAX_QUEUED);
    }
    this.next();
  }

  private next(): void {
    while (this.fetching.size < MAX_FETCHES && this.queue.length > 0) void this.fetch(this.queue.pop() ?? 0);
  }

  private async fetch(block: number): Promise<void> {
    const { version } = this;
    this.fetching.add(block);
    const address = resolved((this.images.blocks ?? "").replace("{}", String(block)), this.base);
    const sheet = await read(address).catch(() => undefined);
    if (version !== this.version) return;
    this.fetching.delete(block);
    if (sheet) this.keep(block, sheet);
    else this.failed.add(block);
    this.next();
  }

  private keep(block: number, sheet: Sheet): void {
    this.blocks.set(block, sheet);
    const gone = new Set<number>();
    let kept = 0;
    for (const [other, { pixels }] of [...this.blocks].reverse()) {
      kept += pixels.length;
      if (kept > MAX_PIXELS && other !== block) {
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
    this.version += 1;
    this.queue = [];
    this.blocks.clear();
    this.all.set("");
  }
}
