import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  apart, base64, between, composed, difference, Direction, distance, floats, set, solved, type DirectionData, unset, type Offsets,
} from "../src/walk/codes";

const code = (...values: number[]): Float32Array => new Float32Array(values);
const MEAN = code(1, 2, 3);

function described(more: Partial<DirectionData>): DirectionData {
  return {
    id: "u0", name: "", kind: "unit", note: "", words: "", unit: 0, vector: null, offset: 0, low: -1, high: 1, least: -2, most: 2,
    step: 0.1, decimals: 1, dead: false, ...more,
  };
}
const unit = (i: number): Direction => new Direction(described({ id: `u${i}`, unit: i, offset: MEAN[i] ?? 0 }), MEAN);
const line = (id: string, ...v: number[]): Direction => new Direction(described({ id, unit: null, vector: base64(code(...v)) }), MEAN);
const at = (more: Partial<Offsets> = {}): Offsets => ({ moved: {}, added: {}, along: 0, ...more });
const close = (a: ArrayLike<number>, b: ArrayLike<number>, most = 1e-5): void => {
  assert.equal(a.length, b.length);
  for (let i = 0; i < a.length; i += 1) assert.ok(Math.abs((a[i] ?? 0) - (b[i] ?? 0)) <= most, `${i}: ${a[i]} is not ${b[i]}`);
};

test("floats survive base64", () => {
  const values = code(0, -1.5, 3.4e38, 1e-40, 0.1);
  assert.deepEqual(floats(base64(values)), values);
});

test("a unit reads its value; any other direction reads 0 at the mean and 1 after one step", () => {
  const z = code(5, 6, 7);
  assert.deepEqual([0, 1, 2].map((i) => unit(i).reading(z)), [5, 6, 7]);
  const v = line("p1", 2, 0, -1);
  close([v.reading(MEAN), v.reading(v.add(MEAN.slice(), 1))], [0, 1]);
});

test("a code moved to a reading has that reading", () => {
  const z = code(0.3, -0.2, 0.9);
  for (const direction of [unit(1), line("p1", 1, 2, -1)]) close([direction.reading(direction.moved(z, 0.7))], [0.7]);
});

test("a code is its base, with moved units and added directions, and reads what was set", () => {
  const base = code(0.5, 0.25, -1);
  const all = new Map([unit(0), unit(1), unit(2), line("p1", 1, 1, 0)].map((direction) => [direction.id, direction]));
  let offsets = at();
  for (const [id, to] of [["u1", 1.5], ["p1", 0.7], ["u0", -1.2], ["p1", 0.2]] as const) {
    const direction = all.get(id);
    assert.ok(direction);
    offsets = set(offsets, direction, composed(base, offsets, all), to, base, all);
    close([direction.reading(composed(base, offsets, all))], [to], 1e-3);
  }
  const p1 = all.get("p1");
  assert.ok(p1);
  offsets = unset(offsets, p1);
  assert.deepEqual(Object.keys(offsets.added), []);
  assert.deepEqual(Object.keys(offsets.moved), ["0", "1"]);
});

test("a unit set to its first value again is not moved", () => {
  const base = code(0.5, 0, 0);
  const all = new Map([["u0", unit(0)]]);
  const there = set(at(), unit(0), base, 1.3, base, all);
  assert.deepEqual(there.moved, { 0: 1.3 });
  assert.deepEqual(set(there, unit(0), composed(base, there, all), 0.52, base, all).moved, {});
});

test("two oblique directions reach both readings", () => {
  const [x, y] = [line("a", 1, 0.5, 0), line("b", 0.4, 1, 0.3)];
  const z = code(0.1, 0.2, 0.3);
  const steps = solved(x, y, 0.8 - x.reading(z), -0.6 - y.reading(z));
  assert.ok(steps);
  x.add(z, steps[0]);
  y.add(z, steps[1]);
  close([x.reading(z), y.reading(z)], [0.8, -0.6]);
  assert.equal(solved(x, line("c", 2, 1, 0), 1, 1), undefined);
  assert.deepEqual(solved(unit(0), unit(1), 1, 2), [1, 2]);
});

test("a slider's range holds the value where the walk began, and its values snap to steps", () => {
  const direction = unit(0);
  assert.deepEqual(direction.ends(0.3), [-2, 2]);
  close(direction.ends(2.34), [-2, 2.4]);
  close([direction.snapped(0.44, 0), direction.snapped(9, 0), direction.snapped(9, 2.34)], [0.4, 2, 2.4]);
  assert.equal(direction.text(-0.01), "0.0");
});

test("a path begins and ends at its images, and the spherical one keeps the length", () => {
  const [a, b] = [code(1, 0, 0), code(0, 1, 0)];
  for (const round of [false, true]) {
    close(between(a, b, 0, round), a);
    close(between(a, b, 1, round), b);
  }
  close(between(a, b, 0.5, true), [Math.SQRT1_2, Math.SQRT1_2, 0]);
  close(between(a, b, 0.5, false), [0.5, 0.5, 0]);
  close(between(a, code(-1, 0, 0), 0.5, true), [0, 0, 0]); // opposite codes: no circle is the only one
});

test("the nearest codes, the distance to them and its percentile among typical ones", () => {
  const sample = { codes: code(0, 0, 3, 4, 1, 0), scale: code(1, 2), typical: code(0.1, 0.5, 1, 2) };
  const found = distance(code(1, 0), sample, 3, 2);
  assert.deepEqual(found.nearest, [2, 0]);
  close([found.value, found.percentile], [0, 0]);
  const far = distance(code(0, 2), sample, 2, 5);
  close([far.value, far.percentile], [Math.SQRT1_2, 50]);
  assert.deepEqual(far.nearest, [0, 1]);
  close([apart(code(0, 0), code(1, 2), code(1, 2))], [1]);
});

interface Case {
  mean: string;
  z: string;
  directions: { data: DirectionData; reading: number; to: number; moved: string }[];
  paths: { t: number; spherical: boolean; a: string; b: string; code: string }[];
  sample: { codes: string; scale: string; typical: string };
  distance: { value: number; percentile: number; nearest: number[] };
  difference: { a: string; b: string; channels: number; full: number; rgb: number[] };
}

test("all of these functions agree with the server", { skip: !process.env.AECORE_PARITY }, () => {
  const found = JSON.parse(readFileSync(process.env.AECORE_PARITY ?? "", "utf8")) as Case;
  const [mean, z] = [floats(found.mean), floats(found.z)];
  for (const { data: line_, reading, to, moved } of found.directions) {
    const direction = new Direction(line_, mean);
    close([direction.reading(z)], [reading], 1e-4);
    close(direction.moved(z, to), floats(moved), 1e-4);
  }
  for (const { t, spherical, a, b, code: there } of found.paths) close(between(floats(a), floats(b), t, spherical), floats(there));
  const sample = { codes: floats(found.sample.codes), scale: floats(found.sample.scale), typical: floats(found.sample.typical) };
  const measured = distance(z, sample, sample.codes.length / z.length, 8);
  close([measured.value, measured.percentile], [found.distance.value, found.distance.percentile], 1e-4);
  assert.deepEqual(measured.nearest, found.distance.nearest);
  const { a, b, channels, full, rgb } = found.difference;
  const first = floats(a);
  const drawn = new Uint8ClampedArray((4 * first.length) / channels);
  difference(first, floats(b), channels, full, drawn);
  close(drawn.filter((_, i) => i % 4 !== 3), rgb, 1);
});
