// Random fields, fetched by address: what is wanted now first, what may be wanted next behind it, and what is wanted no
// longer not at all.
export type Fetch = (url: string, signal: AbortSignal) => Promise<Float32Array>;

const MOST_BYTES = 8 * 2 ** 20; // Of fields that are kept.

export class Fields {
  private readonly kept = new Map<string, Float32Array>(); // in the order of their last use
  private bytes = 0;
  private wanted: string[] = [];
  private neighbours: string[] = [];
  private readonly coming = new Map<string, AbortController>();

  constructor(
    private readonly fetch: Fetch,
    private readonly arrived: (error?: unknown) => void, // when one of those wanted now is here, or cannot come
    private readonly most = MOST_BYTES,
  ) {}

  get(url: string): Float32Array | undefined {
    const found = this.kept.get(url);
    if (found) {
      this.kept.delete(url);
      this.kept.set(url, found);
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
    this.go();
  }

  private stale(): [string, { abort: () => void }][] {
    const useful = [...this.wanted, ...this.neighbours];
    return [...this.coming]
      .filter(([url]) => !useful.includes(url))
      .map(([url, controller]) => [url, { abort: () => controller.abort() }]);
  }

  private go(): void {
    const missing = this.wanted.filter((url) => !this.kept.has(url));
    for (const url of missing) this.load(url);
    // One neighbour at a time, and only while nothing is waited for.
    const next = this.neighbours.find((url) => !this.kept.has(url));
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
    this.kept.set(url, field);
    this.bytes += field.byteLength;
    this.forget();
    if (this.wanted.includes(url)) this.arrived();
    this.go();
  }

  private lose(url: string, controller: AbortController, error: unknown): void {
    if (this.coming.get(url) !== controller) return;
    this.coming.delete(url);
    this.neighbours = []; // where one fails the next would too; a later wish tries again
    if (this.wanted.includes(url)) this.arrived(error);
  }

  private forget(): void {
    for (const [url, field] of this.kept) {
      if (this.bytes <= this.most) return;
      if (this.wanted.includes(url)) continue;
      this.kept.delete(url);
      this.bytes -= field.byteLength;
    }
  }
}

// Little-endian float32, as the server sends them.
export async function fetchField(url: string, signal: AbortSignal): Promise<Float32Array> {
  const answer = await fetch(url, { signal });
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return new Float32Array(await answer.arrayBuffer());
}
