// Places thumbnails so that none overlaps another. Points are tried in a fixed order, so that zooming in only adds thumbnails.

// A grid of cells as large as a thumbnail, `across` × `down` device pixels (`by` to a unit); a cell holds the middle of one at most.
export class Packing {
  private readonly cells: Int32Array;
  private readonly columns: number;
  readonly placed: number[] = [];

  constructor(
    private readonly places: Float32Array,
    private readonly by: number,
    private readonly across: number,
    private readonly down: number,
    private readonly edge: number, // the places' largest number
  ) {
    this.columns = Math.ceil((2 * edge * by) / across) + 3;
    this.cells = new Int32Array(this.columns * (Math.ceil((2 * edge * by) / down) + 3)).fill(-1);
  }

  private spot(i: number): [number, number] {
    return [((this.places[2 * i] ?? 0) + this.edge) * this.by, (this.edge - (this.places[2 * i + 1] ?? 0)) * this.by];
  }

  fits(i: number): boolean {
    const [x, y] = this.spot(i);
    const column = Math.floor(x / this.across) + 1;
    const row = Math.floor(y / this.down) + 1;
    for (let r = row - 1; r <= row + 1; r += 1) {
      for (let c = column - 1; c <= column + 1; c += 1) {
        const other = this.cells[r * this.columns + c] ?? -1;
        if (other < 0) continue;
        const [a, b] = this.spot(other);
        if (Math.abs(a - x) < this.across && Math.abs(b - y) < this.down) return false;
      }
    }
    return true;
  }

  place(i: number): void {
    const [x, y] = this.spot(i);
    this.cells[(Math.floor(y / this.down) + 1) * this.columns + Math.floor(x / this.across) + 1] = i;
    this.placed.push(i);
  }
}
