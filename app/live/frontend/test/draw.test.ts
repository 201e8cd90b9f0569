import assert from "node:assert/strict";
import { test } from "node:test";
import { stroke } from "../src/walk/draw";

test("a stroke covers the pixels under the brush, softly at its edge, and no others", () => {
  const picture = new Float32Array(8 * 8);
  stroke(picture, [1, 8, 8], [1.5, 4.5], [6.5, 4.5], 1, [1]);
  const row = (y: number): number[] => [...picture.subarray(8 * y, 8 * y + 8)];
  assert.deepEqual(row(4).slice(1, 7), [1, 1, 1, 1, 1, 1]);
  assert.ok(row(3).slice(1, 7).every((value) => value === 0.5));
  assert.ok([0, 1, 2, 6, 7].every((y) => row(y).every((value) => value === 0)));
});

test("drawing over a stroke never lightens it, and the background's ink erases it", () => {
  const picture = new Float32Array(8 * 8);
  stroke(picture, [1, 8, 8], [4, 4], [4, 4], 1.5, [1]);
  const before = picture.slice();
  stroke(picture, [1, 8, 8], [4, 4], [4, 4], 1, [1]);
  assert.ok(picture.every((value, i) => value >= (before[i] ?? 0)));
  stroke(picture, [1, 8, 8], [4, 4], [4, 4], 6, [0]);
  assert.ok(picture.every((value) => value === 0));
});

test("colours go to their own planes", () => {
  const picture = new Float32Array(3 * 4);
  stroke(picture, [3, 2, 2], [1, 1], [1, 1], 3, [1, 0.5, 0]);
  assert.deepEqual([...picture], [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0, 0, 0, 0]);
});
