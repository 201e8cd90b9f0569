import assert from "node:assert/strict";
import { test } from "node:test";
import { Fields } from "../src/denoise/fields";
import { decibels, figure, reading, removed, text } from "../src/denoise/figures";
import { repeated, steps } from "../src/denoise/loop";
import { Inputs } from "../src/denoise/inputs";
import { corner, draw, hit, layout, rowsGiven } from "../src/denoise/sheet";
import { between, MIN_LEVEL, scattered, Strokes } from "../src/denoise/strokes";
import { type Message, unpacked } from "../src/denoise/message";

const turn = (): Promise<void> => new Promise((done) => setImmediate(done));

// --- the sheet

test("every pixel of every image is found where it is drawn", () => {
  const sheet = layout(7, 3, 2, 3, 4);
  assert.deepEqual([sheet.columns, sheet.lines, sheet.across, sheet.down], [4, 2, 11, 23]);
  for (let image = 0; image < 7; image += 1) {
    for (let row = 0; row < 3; row += 1) {
      const { x, y } = corner(sheet, image, row);
      assert.deepEqual(hit(sheet, x + 1.5, y + 2.5), { image, row, x: 1.5, y: 2.5 });
    }
  }
  assert.equal(hit(sheet, 11, 20), undefined, "the second line has three images");
  assert.equal(hit(sheet, -1, 0), undefined);
  assert.equal(hit(sheet, 0, 24), undefined);
});

test("images are drawn a pixel apart, hidden pixels in their colour, gaps left open", () => {
  const sheet = layout(2, 1, 2, 2, 4);
  const onto = { data: new Uint8ClampedArray(4 * sheet.across * sheet.down), width: sheet.across } as ImageData;
  const picture = { data: Float32Array.of(0, 1, 0.5, 2), dims: [2, 1, 1, 2] };
  const visible = { data: Float32Array.of(1, 1, 0, 1), dims: [2, 1, 1, 2] };
  draw(sheet, 1, picture, onto, visible, [9, 8, 7]);
  const pixels = Array.from({ length: 5 }, (_, i) => [...onto.data.subarray(4 * (2 * 5 + i), 4 * (2 * 5 + i) + 4)]);
  assert.deepEqual(pixels, [[0, 0, 0, 255], [255, 255, 255, 255], [0, 0, 0, 0], [9, 8, 7, 255], [255, 255, 255, 255]]);
  assert.ok(onto.data.subarray(0, 4 * 10).every((byte) => byte === 0));
});

test("the given rows are those without hidden pixels in any image", () => {
  const of = (...rows: number[]) => ({ data: Float32Array.from(rows), dims: [2, 1, 3, 1] });
  assert.equal(rowsGiven(of(1, 1, 0, 1, 1, 1)), 2);
  assert.equal(rowsGiven(of(1, 1, 1, 0, 1, 1)), 0);
  assert.equal(rowsGiven(of(1, 1, 1, 1, 1, 1)), 3);
});

// --- strokes

const shape = { images: 2, channels: 1, height: 4, width: 4 };
const zeros = new Float32Array(32);

test("a stroke changes only the pixels under it, and undo and clear remove it", () => {
  const strokes = new Strokes(shape);
  const field = Float32Array.from({ length: 32 }, (_, i) => i / 32);
  assert.equal(strokes.marked(field, 0.5, zeros, { black: -1, white: -1 }).field, field);
  strokes.begin(1);
  strokes.touch(1, 1.5, 2.5, 1, "erase");
  const painted = strokes.marked(field, 0.5, zeros, { black: -1, white: -1 });
  const at = 16 + 2 * 4 + 1;
  assert.equal(painted.field[at], -1);
  assert.equal(painted.level, 0.5);
  assert.deepEqual([...painted.field].filter((value, i) => value !== field[i]).length, 1);
  strokes.begin(0);
  strokes.touch(0, 0.5, 0.5, 4, "draw");
  assert.ok((strokes.inked(zeros, 1)[0] ?? 0) === 1);
  strokes.undo();
  assert.equal(strokes.inked(zeros, 1), zeros);
  strokes.undo();
  assert.ok(strokes.empty && !strokes.undoable);
  strokes.begin(0);
  strokes.touch(0, 1, 1, 2, "noise");
  strokes.clear();
  assert.ok(strokes.empty && !strokes.undoable);
});

test("added noise is painted in the picture's own range at any level, in every channel", () => {
  const strokes = new Strokes({ images: 1, channels: 3, height: 1, width: 2 });
  strokes.begin(0);
  strokes.touch(0, 0.5, 0.5, 1, "erase");
  const originals = Float32Array.of(0.25, 1, 0.5, 1, 0.75, 1);
  for (const level of [0, 0.2, 1]) {
    const { field, level: at } = strokes.marked(new Float32Array(6), level, originals, { black: null, white: null });
    const corrupted = originals.map((value, i) => value + at * (field[i] ?? 0));
    [0, 2, 4].forEach((i) => assert.ok(Math.abs(corrupted[i] ?? 1) < 1e-6));
    [1, 3, 5].forEach((i) => assert.ok(Math.abs((corrupted[i] ?? 0) - 1) < 1e-6));
  }
});

test("at level 0 only painted pixels change", () => {
  const strokes = new Strokes({ images: 1, channels: 1, height: 1, width: 3 });
  strokes.begin(0);
  strokes.touch(0, 0.5, 0.5, 1, "erase");
  const { field, level } = strokes.marked(Float32Array.of(0.5, 0, 0.5), 0, new Float32Array(3), { black: -1, white: -1 });
  assert.equal(level, MIN_LEVEL);
  assert.deepEqual([...field].map((value) => value >= level), [false, true, true]);
});

test("painted noise is uniform, and the same when replayed", () => {
  const values = Array.from({ length: 4000 }, (_, i) => scattered(i % 50, Math.floor(i / 50)));
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  assert.ok(Math.abs(mean - 0.5) < 0.02);
  assert.equal(new Set(values).size, 4000);
  assert.equal(scattered(7, 3), scattered(7, 3));
});

test("a fast stroke has no gaps", () => {
  const points = between({ x: 0, y: 0 }, { x: 3, y: 4 });
  assert.deepEqual(points.at(-1), { x: 3, y: 4 });
  let last = { x: 0, y: 0 };
  for (const point of points) {
    assert.ok(Math.hypot(point.x - last.x, point.y - last.y) <= 0.5 + 1e-9);
    last = point;
  }
  assert.deepEqual(between(last, last), [last]);
});

// --- fields

function fieldsWithFetch(most?: number) {
  const asked: string[] = [];
  const aborted: string[] = [];
  const answers = new Map<string, (field: Float32Array | Error) => void>();
  const arrived: unknown[] = [];
  const fields = new Fields(
    (url, signal) =>
      new Promise((resolve, reject) => {
        asked.push(url);
        signal.addEventListener("abort", () => aborted.push(url));
        answers.set(url, (field) => (field instanceof Error ? reject(field) : resolve(field)));
      }),
    (error) => arrived.push(error),
    most,
  );
  const answer = async (url: string, field: Float32Array | Error = new Float32Array(4)): Promise<void> => {
    answers.get(url)?.(field);
    await turn();
  };
  return { asked, aborted, answer, arrived, fields };
}

test("only the fields wanted last are waited for, and their neighbours are fetched after them, one by one", async () => {
  const { asked, aborted, answer, arrived, fields } = fieldsWithFetch();
  for (const seed of [1, 2, 3]) fields.want([`${seed}`], [`${seed + 1}`, `${seed - 1}`]);
  assert.deepEqual(asked, ["1", "2", "3"]);
  assert.deepEqual(aborted, ["1"], "2 is a neighbour of 3 and may still be useful");
  await answer("1");
  assert.deepEqual(arrived, []);
  await answer("3");
  assert.deepEqual(arrived, [undefined]);
  assert.deepEqual(asked, ["1", "2", "3"]);
  await answer("2");
  assert.deepEqual(asked, ["1", "2", "3", "4"]);
  assert.deepEqual([arrived.length, fields.get("2")?.length], [1, 4]);
  fields.want(["2"], ["3"]);
  assert.deepEqual(asked.length, 4, "a cached field is not fetched again");
});

test("a field that cannot be fetched is reported, and fetched again when it is wanted again", async () => {
  const { asked, answer, arrived, fields } = fieldsWithFetch();
  fields.want(["1"], ["2"]);
  await answer("1", new Error("gone"));
  assert.equal((arrived[0] as Error).message, "gone");
  assert.deepEqual(asked, ["1"]);
  fields.want(["1"]);
  assert.deepEqual(asked, ["1", "1"]);
});

test("the cache is bounded; the least recently used field goes first", async () => {
  const { answer, fields } = fieldsWithFetch(48);
  for (const name of ["1", "2", "3"]) {
    fields.want([name]);
    await answer(name);
  }
  fields.get("1");
  fields.want(["4"]);
  await answer("4");
  assert.deepEqual(["1", "2", "3", "4"].map((name) => fields.get(name) !== undefined), [true, false, true, true]);
});

// --- figures

test("a mean PSNR is that of the mean error, and infinite for no error", () => {
  const scores = { sse: [1, 3], ssim: [0.5, 0.7] };
  assert.equal(figure(scores, "sse", 100), 2);
  assert.equal(figure(scores, "psnr", 100), decibels(0.02));
  assert.equal(figure(scores, "psnr", 100, 1), decibels(0.03));
  assert.ok(Math.abs((figure(scores, "ssim", 100) ?? 0) - 0.6) < 1e-12);
  assert.equal(text(figure({ sse: [0] }, "psnr", 100), 1), "∞");
  assert.equal(text(figure({ sse: [0] }, "ssim", 100), 1), "");
  assert.equal(text(12.345, 1), "12.3");
});

test("the reading tells the share of the error that was removed", () => {
  const words = { none: "nothing", harm: "worse", good: "takes away {share}" };
  assert.equal(reading(removed([4, 4], [1, 1]), words), "takes away 75%");
  assert.equal(reading(removed([1, 1], [2, 2]), words), "worse");
  assert.equal(reading(removed([0, 0], [2, 2]), words), "nothing");
});

// --- the loop and what is given

test("denoising again gives the graph the reconstruction, to be compared with the originals", async () => {
  const originals = { data: Float32Array.of(0.25, 1), dims: [1, 1, 1, 2] };
  const given = { data: Float32Array.of(0.5, 0.75), dims: [1, 1, 1, 2] };
  const out = await repeated(
    {
      inputs: [],
      release: () => {},
      run: async ({ images, field, level }) => ({
        images: images!,
        corrupted: { data: images!.data.map((x, i) => x + level!.data[0]! * field!.data[i]!), dims: images!.dims },
      }),
    },
    originals, given,
  );
  assert.deepEqual([...(out.corrupted?.data ?? [])], [0.5, 0.75]);
  assert.equal(out.images, originals);
});

test("the steps of denoising again are described, a line a run", () => {
  assert.equal(steps([[52.34, 4.9, 0.25]], ["Reconstruction"]), "Denoised once more; squared error:\n52.3 → 4.9 → 0.250");
  assert.equal(steps([[1, 2, 3, 4], [1, 3, 4, 5]], ["A", "B"]).split("\n").at(-1), "B: 1.0 → 3.0 → 4.0 → 5.0");
});

test("images come as bytes or 16 bits; blank ones are added after them, in contrast to the ink", () => {
  assert.deepEqual([...unpacked(btoa("\x00\xff"), 255)], [0, 1]);
  assert.deepEqual([...unpacked(btoa("\xff\xff\x00\x00"), 65535)], [1, 0]);
  const images = { values: btoa("\x00\xff\xff\x00"), depth: 255, dims: [1, 1, 2, 2] as [number, number, number, number] };
  for (const ink of [0, 1]) {
    const inputs = new Inputs({ images, ink } as Message);
    for (let i = 0; i < 9; i += 1) inputs.addBlank();
    assert.deepEqual([inputs.full, inputs.count], [true, 5]);
    const { images: given, field, level } = inputs.feeds(new Float32Array(5 * 4), 0.5, { black: -1, white: -1 });
    assert.deepEqual([...given.data], [0, 1, 1, 0, ...Array.from({ length: 16 }, () => 1 - ink)]);
    assert.deepEqual([given.dims, field.dims, level.dims, level.data[0]], [[5, 1, 2, 2], [5, 1, 2, 2], [], 0.5]);
    inputs.strokes.begin(3);
    inputs.strokes.touch(3, 0.5, 0.5, 1, "draw");
    assert.equal(inputs.feeds(new Float32Array(20), 0, { black: -1, white: -1 }).images.data[12], ink);
    inputs.clear();
    assert.ok(inputs.untouched && inputs.count === 1);
  }
});
