// The selected points, and the classes that are hidden; hidden points cannot be selected. Without side effects.
import { HIDDEN, SELECTED } from "./pick";

export class Selection {
  flags = new Uint8Array();
  count = 0; // selected
  hidden = new Set<string>(); // classes
  names: readonly string[] = [];
  private colour: Uint8Array = new Uint8Array();
  private legend = "";

  // For other images; none of them is selected.
  begin(n: number): void {
    this.flags = new Uint8Array(n);
    this.count = 0;
  }

  // Sets the classes; hidden ones stay hidden if the legend is the same.
  paint(colour: Uint8Array, names: readonly string[], legend: string): void {
    Object.assign(this, { colour, names });
    if (legend !== this.legend) this.hidden.clear();
    this.legend = legend;
    this.flag();
  }

  shown(point: number): boolean {
    return ((this.flags[point] ?? HIDDEN) & HIDDEN) === 0;
  }

  has(point: number): boolean {
    return this.flags[point] === SELECTED;
  }

  // Hides these classes and shows the others; whether that changed the selection.
  hide(names: Iterable<string>): boolean {
    const before = this.count;
    this.hidden = new Set(names);
    this.flag();
    return this.count !== before;
  }

  toggle(name: string): boolean {
    return this.hide(this.hidden.has(name) ? [...this.hidden].filter((other) => other !== name) : [...this.hidden, name]);
  }

  private flag(): void {
    const off = this.names.map((name) => this.hidden.has(name));
    this.flags.forEach((flag, i) => (this.flags[i] = off[this.colour[i] ?? 0] ? HIDDEN : flag & SELECTED));
    this.tally();
  }

  select(points: Iterable<number>, add: boolean): boolean {
    const before = this.count;
    if (!add) this.flags.forEach((flag, i) => (this.flags[i] = flag & ~SELECTED));
    for (const point of points) if (this.shown(point)) this.flags[point] = SELECTED;
    this.tally();
    return before > 0 || this.count > 0;
  }

  // Selects a class, showing it first; if exactly this class is selected, deselects it.
  selectClass(colour: number, add: boolean): boolean {
    this.hide([...this.hidden].filter((name) => name !== this.names[colour]));
    const own: number[] = [];
    this.colour.forEach((other, i) => {
      if (other === colour) own.push(i);
    });
    const already = this.count === own.length && own.every((i) => this.has(i));
    return this.select(already ? [] : own, add && !already);
  }

  private tally(): void {
    this.count = this.flags.reduce((sum, flag) => sum + (flag === SELECTED ? 1 : 0), 0);
  }

  // For each class, whether all of it is selected.
  whole(): boolean[] {
    const own = this.names.map(() => 0);
    const selected = this.names.map(() => 0);
    if (this.count === 0) return own.map(() => false);
    this.flags.forEach((flag, i) => {
      const of = this.colour[i] ?? 0;
      own[of] = (own[of] ?? 0) + 1;
      if (flag === SELECTED) selected[of] = (selected[of] ?? 0) + 1;
    });
    return own.map((n, i) => n > 0 && selected[i] === n);
  }

  points(most = Infinity): number[] {
    const found: number[] = [];
    this.flags.forEach((flag, i) => {
      if (flag === SELECTED && found.length < most) found.push(i);
    });
    return found;
  }
}
