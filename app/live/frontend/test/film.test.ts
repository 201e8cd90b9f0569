import assert from "node:assert/strict";
import { test } from "node:test";
import { valueAfterKey } from "../src/dom";
import { fitted, middles } from "../src/walk/film";

const RANGE = { least: -2, most: 3, step: 0.05 };
const press = (key: string, value = 0, shiftKey = false): number | undefined =>
  valueAfterKey({ key, shiftKey } as KeyboardEvent, value, RANGE, ["ArrowLeft"], ["ArrowRight"]);

test("frames are enlarged by whole numbers and fill the width", () => {
  for (const [width, w] of [[470, 32], [470, 28], [470, 8], [360, 32], [360, 8], [200, 64], [1200, 8]] as const) {
    const { frames, times } = fitted(width, w);
    assert.ok(Number.isInteger(frames) && Number.isInteger(times) && times >= 1);
    assert.ok(frames >= 5 && frames <= 11);
    assert.ok(frames * times * w <= width || times === 1, `${width} ${w}: ${frames} × ${times}`);
  }
});

test("frames show the middles of equal parts", () => {
  assert.deepEqual(middles(0, 4, 4), [0.5, 1.5, 2.5, 3.5]);
});

test("keys move by fine, medium and coarse steps, to the ends, or not at all", () => {
  const steps = [press("ArrowRight", 0, true), press("ArrowRight"), press("PageUp")];
  assert.deepEqual(steps, [0.05, 0.1, 0.5]);
  assert.deepEqual([press("ArrowLeft"), press("PageDown")], [-0.1, -0.5]);
  assert.deepEqual([press("Home"), press("End")], [-2, 3]);
  assert.equal(press("a"), undefined);
});
