// Redraws the films of the sliders in sight, in the worker: of every row its latest wish only, and nothing of an old place.
import { Film, fitted, middles } from "./film";
import type { Code } from "./codes";
import type { Walk } from "./state";

export interface Row {
  film: Film;
  range(): [number, number]; // what the track spans now
  codes(values: number[]): Code; // the codes of the frames, one after the other
  filmed: string; // names what is on the track
  visible: boolean;
}

export class Filmer {
  private rows: Row[] = [];
  private running = false;
  private again = false;
  private readonly sight: IntersectionObserver;
  private readonly sizes: ResizeObserver;
  private width = 0;

  constructor(
    private readonly walk: Walk,
    private readonly host: HTMLElement,
  ) {
    this.sight = new IntersectionObserver((seen) => {
      for (const { target, isIntersecting } of seen) {
        const row = this.rows.find(({ film }) => film.root === target);
        if (row) row.visible = isIntersecting;
      }
      this.ask();
    });
    this.sizes = new ResizeObserver(() => this.resized());
    this.sizes.observe(host);
  }

  set(rows: Row[]): void {
    this.sight.disconnect();
    this.rows = rows;
    this.resized();
    for (const { film } of rows) this.sight.observe(film.root);
  }

  private resized(): void {
    const shape = this.walk.library?.data.shape;
    this.width = this.host.clientWidth;
    if (!shape || this.width === 0) return;
    const { frames, times } = fitted(this.width, shape[2]);
    for (const { film } of this.rows) film.size(frames, times, shape[1], shape[2]);
    this.ask();
  }

  // Called whenever the code or the layout has changed; while a drag lasts, films wait for its end.
  ask(): void {
    if (this.running) this.again = true;
    else void this.run();
  }

  private async run(): Promise<void> {
    this.running = true;
    do {
      this.again = false;
      await this.round();
    } while (this.again);
    this.running = false;
  }

  private async round(): Promise<void> {
    const { walk } = this;
    const shape = walk.library?.data.shape;
    if (!shape || !walk.live || walk.dragging || this.width === 0) return;
    const { frames, times } = fitted(this.width, shape[2]);
    for (const row of this.rows.filter(({ visible }) => visible)) {
      const codes = row.codes(middles(...row.range(), frames));
      const name = fingerprint(codes);
      if (row.filmed === name) continue;
      try {
        const pictures = await walk.pictures(codes);
        if (!this.rows.includes(row)) return;
        row.film.paint(pictures, frames, times, shape);
        row.filmed = name;
      } catch {
        return; // the sliders work without their films
      }
      if (this.again) return;
    }
  }

  close(): void {
    this.sight.disconnect();
    this.sizes.disconnect();
    this.rows = [];
  }
}

function fingerprint(codes: Code): string {
  let hash = codes.length;
  for (const word of new Uint32Array(codes.buffer, codes.byteOffset, codes.length)) hash = (Math.imul(hash, 31) + word) | 0;
  return `${codes.length} ${hash}`;
}
