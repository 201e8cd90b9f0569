// Arithmetic on codes, from values that the server measured (see aecore/session/directions.py). Pure functions.

export type Code = Float32Array;

export function floats(base64: string): Float32Array {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

export function base64(values: Float32Array): string {
  let text = "";
  for (const byte of new Uint8Array(values.buffer, values.byteOffset, values.byteLength)) text += String.fromCharCode(byte);
  return btoa(text);
}

// A direction as the server describes it; that of a unit needs no vector, only the unit's number.
export interface DirectionData {
  id: string;
  name: string;
  kind: "unit" | "principal" | "class" | "factor" | "own";
  note: string;
  words: string;
  unit: number | null;
  vector: string | null;
  offset: number;
  low: number;
  high: number;
  least: number;
  most: number;
  step: number;
  decimals: number;
  dead: boolean;
}

export class Direction {
  private decoded: Code | undefined;
  private readonly shift: number; // v·m, so that a reading needs no difference
  readonly square: number; // |v|²

  constructor(
    readonly data: DirectionData,
    mean: Code,
  ) {
    if (data.unit !== null) {
      this.shift = mean[data.unit] ?? 0;
      this.square = 1;
    } else {
      this.shift = dot(this.vector, mean);
      this.square = dot(this.vector, this.vector);
    }
  }

  get id(): string {
    return this.data.id;
  }

  get vector(): Code {
    this.decoded ??= floats(this.data.vector ?? "");
    return this.decoded;
  }

  // t = v·(z − m)/|v|² + offset
  reading(z: Code): number {
    const { unit, offset } = this.data;
    const along = unit === null ? dot(this.vector, z) : (z[unit] ?? 0);
    return (along - this.shift) / this.square + offset;
  }

  // z + by·v, in place
  add(z: Code, by: number): Code {
    const { unit } = this.data;
    if (unit !== null) z[unit] = (z[unit] ?? 0) + by;
    else this.vector.forEach((v, i) => (z[i] = (z[i] ?? 0) + by * v));
    return z;
  }

  // How far one step along this direction moves a unit.
  part(unit: number): number {
    if (this.data.unit !== null) return this.data.unit === unit ? 1 : 0;
    return this.vector[unit] ?? 0;
  }

  // v·w, with w the other direction's vector
  cross(other: Direction): number {
    if (this.data.unit !== null) return other.part(this.data.unit);
    return other.data.unit !== null ? this.part(other.data.unit) : dot(this.vector, other.vector);
  }

  // z moved along v until its reading is `to`
  moved(z: Code, to: number): Code {
    return this.add(z.slice(), to - this.reading(z));
  }

  // The slider's ends, widened in whole steps to hold `home`, the value at which the walk began.
  ends(home: number): [number, number] {
    const { least, most, step } = this.data;
    return [Math.min(least, Math.floor(home / step) * step), Math.max(most, Math.ceil(home / step) * step)];
  }

  snapped(value: number, home: number): number {
    const [least, most] = this.ends(home);
    const inside = Math.min(Math.max(value, least), most);
    return rounded(Math.round(inside / this.data.step) * this.data.step, this.data.decimals);
  }

  text(value: number): string {
    return value.toFixed(this.data.decimals).replace(/^-(0\.?0*)$/, "$1");
  }
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}

export function rounded(value: number, places: number): number {
  return Number(value.toFixed(places));
}

// A walk's position relative to its origin: units set to values, and directions added to that.
export interface Offsets {
  moved: Record<string, number>; // unit -> value
  added: Record<string, number>; // direction -> number of its steps
  along: number; // position on the path to the other image, 0 to 1
}

export const EXTRA_DECIMALS = 2; // beyond those of a slider's step, for added directions

export function composed(base: Code, offsets: Offsets, directions: Map<string, Direction>): Code {
  const z = base.slice();
  for (const [unit, value] of Object.entries(offsets.moved)) z[Number(unit)] = value;
  for (const [id, times] of Object.entries(offsets.added)) directions.get(id)?.add(z, times);
  return z;
}

// Returns `offsets` with the direction set to read `to` at the code z; a value equal to the base's own is removed.
export function set(offsets: Offsets, direction: Direction, z: Code, to: number, base: Code, all: Map<string, Direction>): Offsets {
  const { unit, step, decimals } = direction.data;
  const moved = { ...offsets.moved };
  const added = { ...offsets.added };
  if (unit !== null) {
    let rest = 0;
    for (const [id, times] of Object.entries(added)) rest += times * (all.get(id)?.part(unit) ?? 0);
    const value = rounded(to - rest, rest === 0 ? decimals : decimals + EXTRA_DECIMALS);
    if (Math.abs(value - (base[unit] ?? 0)) < step / 2 && rest === 0) delete moved[unit];
    else moved[unit] = value;
  } else {
    const times = rounded((added[direction.id] ?? 0) + to - direction.reading(z), decimals + EXTRA_DECIMALS);
    if (Math.abs(times) < step / 2) delete added[direction.id];
    else added[direction.id] = times;
  }
  return { ...offsets, moved, added };
}

// Returns `offsets` without those of the direction.
export function unset(offsets: Offsets, direction: Direction): Offsets {
  const moved = { ...offsets.moved };
  const added = { ...offsets.added };
  if (direction.data.unit !== null) delete moved[direction.data.unit];
  delete added[direction.id];
  return { ...offsets, moved, added };
}

// The steps along x and along y that together change their readings by dx and dy, for directions at any angle.
// Undefined if they are (nearly) parallel.
export function solved(x: Direction, y: Direction, dx: number, dy: number): [number, number] | undefined {
  const cross = x.cross(y);
  const rest = 1 - (cross * cross) / (x.square * y.square);
  if (rest < 1e-6) return undefined;
  return [(dx - (dy * cross) / x.square) / rest, (dy - (dx * cross) / y.square) / rest];
}

// Interpolates from a (t = 0) to b (t = 1): linearly, or spherically (Shoemake 1985; see Session.between).
export function between(a: Code, b: Code, t: number, spherical: boolean): Code {
  const norms = Math.sqrt(dot(a, a) * dot(b, b));
  const omega = norms > 0 ? Math.acos(Math.min(Math.max(dot(a, b) / norms, -1), 1)) : 0;
  const curved = spherical && omega > 1e-3 && omega < Math.PI - 1e-3;
  const [from, to] = curved
    ? [Math.sin((1 - t) * omega) / Math.sin(omega), Math.sin(t * omega) / Math.sin(omega)]
    : [1 - t, t];
  return a.map((value, i) => from * value + to * (b[i] ?? 0));
}

// --- distance from the data

export interface Sample {
  codes: Float32Array; // n × K
  scale: Code;
  typical: Float32Array; // distances between neighbours in the data, sorted
}

export interface Distance {
  value: number;
  percentile: number;
  nearest: number[];
}

// The distance min over i of √(mean over k of ((z − codes_i)/scale)²), its percentile among the typical ones, and the `most`
// nearest of the first `shown` codes (those with a picture).
export function distance(z: Code, { codes, scale, typical }: Sample, shown: number, most: number): Distance {
  const k = z.length;
  const apart = new Float64Array(codes.length / k);
  for (let i = 0; i < apart.length; i += 1) {
    let sum = 0;
    for (let j = 0; j < k; j += 1) {
      const d = ((z[j] ?? 0) - (codes[i * k + j] ?? 0)) / (scale[j] ?? 1);
      sum += d * d;
    }
    apart[i] = sum;
  }
  const value = Math.sqrt(apart.reduce((least, d) => Math.min(least, d), Infinity) / k);
  const nearest = smallest(apart.subarray(0, shown), most);
  return { value, percentile: typical.length ? (100 * notLarger(typical, value)) / typical.length : 0, nearest };
}

function smallest(values: Float64Array, most: number): number[] {
  const found: number[] = [];
  values.forEach((value, i) => {
    if (found.length === most && value >= (values[found[most - 1] ?? 0] ?? 0)) return;
    const at = found.findIndex((other) => value < (values[other] ?? 0));
    found.splice(at < 0 ? found.length : at, 0, i);
    if (found.length > most) found.pop();
  });
  return found;
}

function notLarger(sorted: Float32Array, value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

// √(mean of ((a − b)/scale)²), the distance between two codes
export function apart(a: Code, b: Code, scale: Code): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += (((a[i] ?? 0) - (b[i] ?? 0)) / (scale[i] ?? 1)) ** 2;
  return Math.sqrt(sum / a.length);
}

// --- pictures

// Writes b − a as RGBA like aecore.pictures.sheets.difference: white where equal, orange where brighter, blue where darker.
const BLUE = [0, 114, 178];
const ORANGE = [213, 94, 0];

export function difference(a: Float32Array, b: Float32Array, channels: number, full: number, to: Uint8ClampedArray): void {
  const area = a.length / channels;
  for (let i = 0; i < area; i += 1) {
    let signed = 0;
    for (let c = 0; c < channels; c += 1) signed += (b[c * area + i] ?? 0) - (a[c * area + i] ?? 0);
    signed /= channels * full;
    const strength = Math.min(Math.abs(signed), 1);
    const end = signed < 0 ? BLUE : ORANGE;
    for (let c = 0; c < 3; c += 1) to[4 * i + c] = 255 + strength * ((end[c] ?? 0) - 255);
    to[4 * i + 3] = 255;
  }
}
