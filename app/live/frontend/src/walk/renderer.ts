// Decodes the pictures on the tracks of the visible sliders, in the worker. Pictures that are out of date are never painted.
import { Film, fitted, middles } from "./film";
import type { Code } from "./codes";
import type { Walk } from "./state";

export interface FilmRow {
  film: Film;
  range(): [number, number]; // the values at the track's ends
  codes(values: number[]): Code; // the codes of the frames, one after the other
  filmed: string; // fingerprint of the codes whose pictures are on the track
  visible: boolean;
}

export class FilmRenderer {
  private rows: FilmRow[] = [];
  private running = false;
  private stale = false;
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

  set(rows: FilmRow[]): void {
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

  // To be called when the code or the layout has changed. During a drag nothing is decoded.
  ask(): void {
    if (this.running) this.stale = true;
    else void this.run();
  }

  private async run(): Promise<void> {
    this.running = true;
    do {
      this.stale = false;
      await this.round();
    } while (this.stale);
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
        return; // the sliders work without pictures
      }
      if (this.stale) return;
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
