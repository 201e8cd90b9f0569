// What a place between the points stands for: a picture of the pixels' own plane, or one that the run's decoder draws.
import { LiveError, type Model, type Tensor } from "../model/engine";
import type { Shelf } from "./shelf";
import type { Back, PanelTold } from "./message";
import type { Spot } from "./view";

export type Load = (decoder: string, base: string) => Promise<Model>;

const STOPPED = "the model stopped in this browser";

interface Way {
  back: Back;
  rows: Float32Array | undefined; // origin, X, Y
  model: Model | undefined;
}

// origin + x·X + y·Y
export function row(rows: Float32Array, [x, y]: Spot): Float32Array {
  const f = rows.length / 3;
  const made = new Float32Array(f);
  for (let i = 0; i < f; i += 1) made[i] = (rows[i] ?? 0) + x * (rows[f + i] ?? 0) + y * (rows[2 * f + i] ?? 0);
  return made;
}

export class Between {
  private ways = new Map<string, Way>(); // by panel
  private loading = new Map<string, Promise<void>>();
  private base = "";
  private closed = false;
  off: string | undefined; // why decoders do not run here, in words

  constructor(
    private readonly shelf: Shelf,
    private readonly load: Load | undefined,
    private readonly failed: (reason: string) => void,
  ) {}

  set(panels: readonly PanelTold[], base: string): void {
    this.base = base;
    const before = this.ways;
    this.ways = new Map();
    for (const { id, back } of panels) {
      if (!back) continue;
      const known = before.get(id);
      if (known && JSON.stringify(known.back) === JSON.stringify(back)) this.ways.set(id, known);
      else {
        this.ways.set(id, { back, rows: undefined, model: undefined });
        this.off = undefined; // another model may run
      }
    }
    for (const way of before.values()) if (![...this.ways.values()].includes(way)) way.model?.release();
  }

  // Whether the panel has a way back that works here.
  has(panel: string): boolean {
    const way = this.ways.get(panel);
    return way !== undefined && (way.back.through === "pixels" || (this.load !== undefined && this.off === undefined));
  }

  // Whether nothing has to be waited for.
  here(panel: string): boolean {
    const way = this.ways.get(panel);
    return this.has(panel) && way?.rows !== undefined && (way.back.through === "pixels" || way.model !== undefined);
  }

  throughDecoder(panel: string): boolean {
    return this.ways.get(panel)?.back.through === "codes";
  }

  // Everything that is needed, fetched once; nothing waits for it.
  prepare(): Promise<unknown> {
    return Promise.all([...this.ways.keys()].filter((id) => this.has(id)).map((id) => this.ready(id)));
  }

  // When what a panel's pictures need is here, or will not come.
  ready(panel: string): Promise<void> {
    const name = `${panel} ${JSON.stringify(this.ways.get(panel)?.back)}`;
    const found = this.loading.get(name) ?? this.fetch(panel).finally(() => this.loading.delete(name));
    this.loading.set(name, found);
    return found;
  }

  private async fetch(panel: string): Promise<void> {
    const way = this.ways.get(panel);
    if (!way) return;
    try {
      way.rows ??= new Float32Array(await this.shelf.get(way.back.rows, this.base));
      if (way.back.through !== "codes" || way.model || !this.load) return;
      const model = await this.load(way.back.decoder, this.base);
      if (this.closed || this.ways.get(panel) !== way || way.model) model.release();
      else way.model = model;
    } catch (error) {
      if (way.back.through === "codes") this.stop(error);
    }
  }

  private stop(error: unknown): void {
    if (this.off !== undefined || this.closed) return;
    this.off = error instanceof LiveError ? error.message : STOPPED;
    if (!(error instanceof LiveError)) console.warn(error);
    this.failed(this.off);
  }

  // The picture at a place; undefined until what it needs is here, and where there is none.
  async picture(panel: string, spot: Spot): Promise<Tensor | undefined> {
    const way = this.ways.get(panel);
    if (!way || !this.has(panel)) return undefined;
    const { back, rows, model } = way;
    if (!rows || !this.here(panel)) return undefined;
    const values = row(rows, spot);
    if (back.through === "pixels") return { data: values, dims: back.shape };
    if (!model) return undefined;
    try {
      const [name = "code"] = model.inputs;
      const [made] = Object.values(await model.run({ [name]: { data: values, dims: [1, values.length] } }));
      return made && { data: made.data, dims: back.shape };
    } catch (error) {
      this.stop(error);
      return undefined;
    }
  }

  close(): void {
    this.closed = true;
    for (const { model } of this.ways.values()) model?.release();
    this.ways.clear();
  }
}
