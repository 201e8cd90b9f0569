// A cache of random fields, fetched by address: first those needed now, then those likely to be needed next. Requests that
// are no longer useful are cancelled.
import { fetchAlive } from "../fetching";

export type Fetch = (url: string, signal: AbortSignal) => Promise<Float32Array>;

const MAX_BYTES = 8 * 2 ** 20; // of cached fields

export class Fields {
  private readonly cached = new Map<string, Float32Array>(); // the least recently used first
  private bytes = 0;
  private wanted: string[] = [];
  private neighbours: string[] = [];
  private readonly coming = new Map<string, AbortController>();

  constructor(
    private readonly fetch: Fetch,
    private readonly arrived: (error?: unknown) => void, // called when a field needed now is here, or cannot be fetched
    private readonly most = MAX_BYTES,
  ) {}

  get(url: string): Float32Array | undefined {
    const found = this.cached.get(url);
    if (found) {
      this.cached.delete(url);
      this.cached.set(url, found);
    }
    return found;
  }

  want(urls: string[], neighbours: string[] = []): void {
    this.wanted = urls;
    this.neighbours = neighbours;
    for (const [url, { abort }] of this.stale()) {
      this.coming.delete(url);
      abort();
    }
    this.next();
  }

  private stale(): [string, { abort: () => void }][] {
    const useful = [...this.wanted, ...this.neighbours];
    return [...this.coming]
      .filter(([url]) => !useful.includes(url))
      .map(([url, controller]) => [url, { abort: () => controller.abort() }]);
  }

  private next(): void {
    const missing = this.wanted.filter((url) => !this.cached.has(url));
    for (const url of missing) this.load(url);
    // One neighbour at a time, and only if no field is missing.
    const next = this.neighbours.find((url) => !this.cached.has(url));
    if (missing.length === 0 && this.coming.size === 0 && next !== undefined) this.load(next);
  }

  private load(url: string): void {
    if (this.coming.has(url)) return;
    const controller = new AbortController();
    this.coming.set(url, controller);
    void this.fetch(url, controller.signal).then(
      (field) => this.take(url, controller, field),
      (error: unknown) => this.lose(url, controller, error),
    );
  }

  private take(url: string, controller: AbortController, field: Float32Array): void {
    if (this.coming.get(url) !== controller) return;
    this.coming.delete(url);
    this.cached.set(url, field);
    this.bytes += field.byteLength;
    this.forget();
    if (this.wanted.includes(url)) this.arrived();
    this.next();
  }

  private lose(url: string, controller: AbortController, error: unknown): void {
    if (this.coming.get(url) !== controller) return;
    this.coming.delete(url);
    this.neighbours = []; // likely to fail too; the next call of `want` tries again
    if (this.wanted.includes(url)) this.arrived(error);
  }

  private forget(): void {
    for (const [url, field] of this.cached) {
      if (this.bytes <= this.most) return;
      if (this.wanted.includes(url)) continue;
      this.cached.delete(url);
      this.bytes -= field.byteLength;
    }
  }
}

// Fetches a field, which the server sends as little-endian float32.
export async function fetchField(url: string, signal: AbortSignal): Promise<Float32Array> {
  const answer = await fetchAlive(url, signal);
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return new Float32Array(await answer.arrayBuffer());
}
