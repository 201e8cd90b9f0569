// Pictures for places between the points: the inverse of each map, PCA of the pixels or the run's decoder.
import { LiveError, type Model, type Tensor } from "../model/engine";
import type { ArrayCache } from "./cache";
import type { Inverse, PanelData } from "./message";
import type { Spot } from "./view";

export type Load = (decoder: string, base: string) => Promise<Model>;

const STOPPED = "the model stopped in this browser";

interface Entry {
  inverse: Inverse;
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

export class Inverses {
  private entries = new Map<string, Entry>(); // by panel
  private loading = new Map<string, Promise<void>>();
  private base = "";
  private closed = false;
  off: string | undefined; // why decoders do not run in this browser, in words

  constructor(
    private readonly cache: ArrayCache,
    private readonly load: Load | undefined,
    private readonly failed: (reason: string) => void,
  ) {}

  set(panels: readonly PanelData[], base: string): void {
    this.base = base;
    const before = this.entries;
    this.entries = new Map();
    for (const { id, back } of panels) {
      if (!back) continue;
      const known = before.get(id);
      if (known && JSON.stringify(known.inverse) === JSON.stringify(back)) this.entries.set(id, known);
      else {
        this.entries.set(id, { inverse: back, rows: undefined, model: undefined });
        this.off = undefined; // another model may run
      }
    }
    for (const entry of before.values()) if (![...this.entries.values()].includes(entry)) entry.model?.release();
  }

  // Whether the panel has an inverse that works in this browser.
  has(panel: string): boolean {
    const entry = this.entries.get(panel);
    return entry !== undefined && (entry.inverse.through === "pixels" || (this.load !== undefined && this.off === undefined));
  }

  // Whether everything that its pictures need is loaded.
  isReady(panel: string): boolean {
    const entry = this.entries.get(panel);
    return this.has(panel) && entry?.rows !== undefined && (entry.inverse.through === "pixels" || entry.model !== undefined);
  }

  throughDecoder(panel: string): boolean {
    return this.entries.get(panel)?.inverse.through === "codes";
  }

  // Loads in advance what all panels need.
  prepare(): Promise<unknown> {
    return Promise.all([...this.entries.keys()].filter((id) => this.has(id)).map((id) => this.ready(id)));
  }

  // Resolves when everything that a panel's pictures need is loaded, or cannot be.
  ready(panel: string): Promise<void> {
    const name = `${panel} ${JSON.stringify(this.entries.get(panel)?.inverse)}`;
    const found = this.loading.get(name) ?? this.fetch(panel).finally(() => this.loading.delete(name));
    this.loading.set(name, found);
    return found;
  }

  private async fetch(panel: string): Promise<void> {
    const entry = this.entries.get(panel);
    if (!entry) return;
    try {
      entry.rows ??= new Float32Array(await this.cache.get(entry.inverse.rows, this.base));
      if (entry.inverse.through !== "codes" || entry.model || !this.load) return;
      const model = await this.load(entry.inverse.decoder, this.base);
      if (this.closed || this.entries.get(panel) !== entry || entry.model) model.release();
      else entry.model = model;
    } catch (error) {
      if (entry.inverse.through === "codes") this.stop(error);
    }
  }

  private stop(error: unknown): void {
    if (this.off !== undefined || this.closed) return;
    this.off = error instanceof LiveError ? error.message : STOPPED;
    if (!(error instanceof LiveError)) console.warn(error);
    this.failed(this.off);
  }

  // The picture for a place; undefined if there is none, or not all that it needs is loaded.
  async picture(panel: string, spot: Spot): Promise<Tensor | undefined> {
    const entry = this.entries.get(panel);
    if (!entry || !this.has(panel)) return undefined;
    const { inverse, rows, model } = entry;
    if (!rows || !this.isReady(panel)) return undefined;
    const values = row(rows, spot);
    if (inverse.through === "pixels") return { data: values, dims: inverse.shape };
    if (!model) return undefined;
    try {
      const [name = "code"] = model.inputs;
      const [made] = Object.values(await model.run({ [name]: { data: values, dims: [1, values.length] } }));
      return made && { data: made.data, dims: inverse.shape };
    } catch (error) {
      this.stop(error);
      return undefined;
    }
  }

  close(): void {
    this.closed = true;
    for (const { model } of this.entries.values()) model?.release();
    this.entries.clear();
  }
}
