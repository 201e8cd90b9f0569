import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { FrameLoop, rgba } from "../src/model/engine";

let frames: (() => void)[] = [];
Object.assign(globalThis, { requestAnimationFrame: (run: () => void) => frames.push(run), window: globalThis });

beforeEach(() => {
  frames = [];
  globalThis.window.__aecoreFrames = [];
});

async function frame(): Promise<void> {
  for (const run of frames.splice(0)) run();
  await new Promise((done) => setImmediate(done));
}

test("a frame draws the latest input once", async () => {
  const drawn: number[] = [];
  const loop = new FrameLoop<number>((input) => void drawn.push(input));
  for (const input of [1, 2, 3]) loop.push(input, 10 * input);
  assert.equal(frames.length, 1);
  await frame();
  assert.deepEqual(drawn, [3]);
  assert.equal(frames.length, 0);
  assert.deepEqual(window.__aecoreFrames?.map(({ stamp }) => stamp), [30]);
});

test("behind a slow draw only the latest input waits", async () => {
  const drawn: number[] = [];
  let finish = (): void => {};
  const loop = new FrameLoop<number>((input) => {
    drawn.push(input);
    return new Promise((done) => (finish = done));
  });
  loop.push(1, 0);
  await frame();
  for (const input of [2, 3, 4]) loop.push(input, 0);
  assert.equal(frames.length, 0);
  finish();
  await new Promise((done) => setImmediate(done));
  await frame();
  assert.deepEqual(drawn, [1, 4]);
});

test("a draw that fails is reported, and the next input is drawn", async () => {
  const errors: unknown[] = [];
  const drawn: number[] = [];
  const loop = new FrameLoop<number>(
    (input) => {
      if (input === 1) throw new Error("no");
      drawn.push(input);
    },
    (error) => void errors.push(error),
  );
  loop.push(1, 0);
  await frame();
  loop.push(2, 0);
  await frame();
  assert.equal(errors.length, 1);
  assert.deepEqual(drawn, [2]);
  assert.equal(window.__aecoreFrames?.length, 1);
});

test("the log is bounded", async () => {
  const loop = new FrameLoop<number>(() => undefined);
  for (let i = 0; i < 2100; i += 1) {
    loop.push(i, i);
    for (const run of frames.splice(0)) run();
    await Promise.resolve();
    await Promise.resolve();
  }
  assert.equal(window.__aecoreFrames?.length, 2000);
  assert.equal(window.__aecoreFrames?.at(-1)?.stamp, 2099);
});

test("pixels are rounded as the server rounds them", () => {
  const grey = new Float32Array([0, 1, -1, 2, Number.NaN, 0.4 / 255, 1.6 / 255, 100.4 / 255]);
  const out = new Uint8ClampedArray(4 * grey.length);
  rgba(grey, 0, 1, grey.length, out);
  assert.deepEqual([...out.filter((_, i) => i % 4 === 0)], [0, 255, 0, 255, 0, 0, 2, 100]);
  assert.ok(out.every((value, i) => i % 4 !== 3 || value === 255));
});

test("colours are read plane by plane, from the requested picture", () => {
  const two = Float32Array.from({ length: 2 * 3 * 2 }, (_, i) => i / 255);
  const out = new Uint8ClampedArray(8);
  rgba(two, 6, 3, 2, out);
  assert.deepEqual([...out], [6, 8, 10, 255, 7, 9, 11, 255]);
});
