import assert from "node:assert/strict";
import { test } from "node:test";
import { row } from "../src/maps/inverse";
import { Selection } from "../src/maps/selection";
import { blended, eased, easedInverse } from "../src/maps/morph";
import { box, caught, HIDDEN, inside, nearest, SELECTED, shuffled, toward } from "../src/maps/pick";
import { drawDots, drawTile, packed, type Plane, stamps } from "../src/maps/raster";
import { resolved, ArrayCache } from "../src/maps/cache";
import { tile } from "../src/maps/sheets";
import { Packing } from "../src/maps/packing";
import { bounded, CLOSEST, EDGE, moved, onMap, onScreen, revealing, towards, type Spot, type View, WHOLE, zoomed } from "../src/maps/view";

const close = (a: ArrayLike<number>, b: ArrayLike<number>, most = 1e-9): void => {
  assert.equal(a.length, b.length);
  for (let i = 0; i < a.length; i += 1) assert.ok(Math.abs((a[i] ?? 0) - (b[i] ?? 0)) <= most, `${i}: ${a[i]} is not ${b[i]}`);
};
// Pseudorandom numbers, the same each time.
function* numbers(seed = 7): Generator<number> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}
const random = (n: number, seed?: number): Float32Array => {
  const from = numbers(seed);
  return Float32Array.from({ length: n }, () => 2 * (from.next().value as number) - 1);
};

// --- the view

test("map and screen convert into each other, up is up, and the whole map fills its square", () => {
  close(onScreen(WHOLE, 400, [-EDGE, EDGE]), [0, 0]);
  close(onScreen(WHOLE, 400, [EDGE, -EDGE]), [400, 400]);
  const view: View = { zoom: 3, x: 0.2, y: -0.4 };
  close(onMap(view, 321, onScreen(view, 321, [0.3, -0.1])), [0.3, -0.1]);
});

test("zooming keeps the place under the pointer, and never shows anything beyond the map's edge", () => {
  const at: Spot = [0.1, -0.2];
  const before = onScreen(WHOLE, 400, at);
  const near = zoomed(WHOLE, 3, at);
  close(onScreen(near, 400, at), before, 1e-9);
  for (const view of [moved(near, 9, -9), zoomed(near, 1e-9, [1, 1]), zoomed(near, 1e9, [1, 1]), bounded({ zoom: 0.1, x: 5, y: 5 })]) {
    assert.ok(view.zoom >= 1 && view.zoom <= CLOSEST);
    assert.ok(Math.max(Math.abs(view.x), Math.abs(view.y)) + EDGE / view.zoom <= EDGE + 1e-9);
  }
  const far = zoomed(near, 1e-9, [1, 1]);
  close([far.zoom, far.x, far.y], [1, 0, 0]);
});

test("an animated zoom keeps the place under the pointer", () => {
  const at: Spot = [0.3, -0.1];
  const to = zoomed(WHOLE, 6, at);
  const spot = onScreen(WHOLE, 400, at);
  for (const share of [0, 0.2, 0.7, 1]) {
    const view = towards(WHOLE, to, share);
    close([view.zoom], [6 ** share], 1e-9);
    close(onScreen(view, 400, at), spot, 1e-6);
  }
  const aside = { zoom: 2, x: 0.1, y: 0.2 };
  const half = towards(aside, { ...aside, x: 0.3 }, 0.5);
  close([half.zoom, half.x, half.y], [2, 0.2, 0.2]);
});

test("a hidden place is revealed by the smallest move, and a visible one by none", () => {
  const view: View = { zoom: 4, x: 0, y: 0 };
  assert.deepEqual(revealing(view, [0.1, 0.1]), view);
  const there = revealing(view, [0.8, 0]);
  assert.equal(there.y, 0);
  const [x] = onScreen(there, 400, [0.8, 0]);
  assert.ok(x > 380 && x < 400);
});

// --- finding points

test("the nearest point is found within reach, and never one that is hidden", () => {
  const places = random(400);
  const flags = new Uint8Array(200);
  flags.fill(HIDDEN, 0, 100);
  for (const [x = 0, y = 0] of [[0, 0], [0.5, -0.7], [0.99, 0.99]]) {
    const apart = Array.from({ length: 200 }, (_, i) => (i < 100 ? Infinity : Math.hypot((places[2 * i] ?? 0) - x, (places[2 * i + 1] ?? 0) - y)));
    const least = Math.min(...apart);
    assert.equal(nearest(places, flags, [x, y], Infinity), apart.indexOf(least));
    assert.equal(nearest(places, flags, [x, y], least * 0.99), -1);
  }
});

test("arrow keys go right, left, up and down, and reach every visible point", () => {
  const places = Float32Array.of(0, 0, 0.1, 0.02, -0.1, 0, 0, 0.2, 0.01, -0.3, 0.05, 0);
  const flags = new Uint8Array(6);
  flags[5] = HIDDEN;
  const goes = ([[1, 0], [-1, 0], [0, 1], [0, -1]] as Spot[]).map((to) => toward(places, flags, 0, to));
  assert.deepEqual(goes, [1, 2, 3, 4]);
  assert.equal(toward(places, flags, 1, [1, 0]), -1);
  const many = random(60, 3);
  const shown = new Uint8Array(30);
  const reached = new Set([0]);
  for (const at of reached) for (const to of [[1, 0], [-1, 0], [0, 1], [0, -1]] as Spot[]) reached.add(toward(many, shown, at, to));
  reached.delete(-1);
  assert.equal(reached.size, 30);
});

test("a loop and a box select the points inside, except hidden ones", () => {
  const places = random(2000, 5);
  const flags = new Uint8Array(1000);
  flags[3] = HIDDEN;
  const found = caught(places, flags, box([0.5, -0.2], [-0.3, 0.4]));
  const wanted = Array.from(flags.keys()).filter((i) => {
    const [x = 0, y = 0] = [places[2 * i], places[2 * i + 1]];
    return x >= -0.3 && x <= 0.5 && y >= -0.2 && y <= 0.4 && i !== 3;
  });
  assert.deepEqual(found, wanted);
  const bow: Spot[] = [[0, 0], [2, 0], [2, 2], [1, 0.5], [0, 2]]; // with a notch from above
  assert.deepEqual(([[1, 0.25], [1, 1], [0.2, 1], [3, 1]] as Spot[]).map(([x, y]) => inside(bow, x, y)), [true, false, true, false]);
  assert.deepEqual(caught(places, flags, []), []);
});

test("the order is a permutation that depends only on the number of points", () => {
  const order = shuffled(1000);
  assert.deepEqual([...order].sort((a, b) => a - b), [...Array(1000).keys()]);
  assert.deepEqual(shuffled(1000), order);
  assert.notDeepEqual([...order.subarray(0, 5)], [0, 1, 2, 3, 4]);
  assert.deepEqual([...shuffled(0)], []);
});

// --- pixels

const plane = (side: number, margin = 8): Plane => {
  const width = side + 2 * margin;
  return { pixels: new Uint32Array(width * width).fill(0xffffffff), width, side, margin };
};
const where = (side: number) => ({ by: side / 2, left: side / 2, top: side / 2 }); // -1 to 1 from edge to edge

test("a dot covers its area, centred on its place to a fraction of a pixel", () => {
  for (const [shape, area] of [["circle", Math.PI], ["square", 1.8 ** 2], ["diamond", 2 * 1.25 ** 2], ["cross", 2 * 2.4 * 0.8 - 0.8 ** 2]] as const) {
    for (const place of [[0, 0], [0.013, -0.021], [-0.3, 0.444]]) {
      const to = plane(100);
      const dots = {
        places: Float32Array.from(place), order: shuffled(1), flags: new Uint8Array(1), colour: new Uint8Array(1),
        inks: Uint32Array.of(packed([0, 0, 0])), stamps: [stamps(shape, 3, 1, to.width)],
      };
      assert.equal(drawDots(to, dots, where(100), HIDDEN, 0, 1), 1);
      let [sum, x, y] = [0, 0, 0];
      to.pixels.forEach((pixel, at) => {
        const weight = 1 - (pixel & 255) / 255;
        sum += weight;
        x += weight * ((at % to.width) + 0.5);
        y += weight * (Math.floor(at / to.width) + 0.5);
      });
      assert.ok(Math.abs(sum / (9 * area) - 1) < 0.06, `${shape}: ${sum} for ${9 * area}`);
      close([x / sum - 8, y / sum - 8], [50 + 50 * (place[0] ?? 0), 50 - 50 * (place[1] ?? 0)], 0.25);
    }
  }
});

test("colours mix by coverage; points that are hidden, outside or beyond the limit are not drawn", () => {
  const to = plane(20);
  const dots = {
    places: Float32Array.of(0, 0, 1, 1, -1, -1, 40, 0, 0.5, 0.5), order: Uint32Array.of(0, 1, 2, 3, 4), flags: Uint8Array.of(0, SELECTED, 0, 0, HIDDEN),
    colour: new Uint8Array(5), inks: Uint32Array.of(packed([200, 0, 100])), stamps: [stamps("square", 3, 0.5, to.width)],
  };
  assert.equal(drawDots(to, dots, where(20), HIDDEN, 0, 5), 3);
  const middle = to.pixels[18 * to.width + 18] ?? 0;
  close([middle & 255, (middle >> 8) & 255, (middle >> 16) & 255, middle >>> 24], [228, 128, 178, 255], 1);
  assert.equal(drawDots(to, dots, where(20), HIDDEN | SELECTED, SELECTED, 5), 1);
  assert.equal(drawDots(to, dots, where(20), HIDDEN, 0, 1), 1);
});

test("a picture is enlarged by a whole factor, framed, and clipped at the edge", () => {
  const sheet = Uint32Array.of(1, 2, 9, 3, 4, 9);
  const to = plane(8, 0);
  drawTile(to, { pixels: sheet, at: 0, stride: 3 }, 2, 2, 2, 1, 7, 1, 1);
  const rows = (from: Plane): string[] => Array.from({ length: 8 }, (_, y) => [...from.pixels.subarray(8 * y, 8 * y + 8)].map((value) => (value === 0xffffffff ? "." : String(value))).join(""));
  assert.deepEqual(rows(to), ["........", ".777777.", ".711227.", ".711227.", ".733447.", ".733447.", ".777777.", "........"]);
  const cut = plane(8, 0);
  drawTile(cut, { pixels: sheet, at: 0, stride: 3 }, 2, 2, 2, 1, 7, -2, 5);
  assert.deepEqual(rows(cut).slice(4), ["........", "7777....", "1227....", "1227...."]);
});

test("thumbnails do not overlap, fill the room in a fixed order, and stay when zooming in", () => {
  const places = random(4000, 9);
  const standing = (zoom: number): number[] => {
    const packing = new Packing(places, 200 * zoom, 30, 26, EDGE);
    for (let i = 0; i < 2000; i += 1) if (packing.fits(i)) packing.place(i);
    const spots = packing.placed.map((i) => [(places[2 * i] ?? 0) * 200 * zoom, (places[2 * i + 1] ?? 0) * 200 * zoom] as const);
    spots.forEach(([x, y], i) => spots.slice(0, i).forEach(([a, b]) => assert.ok(Math.abs(a - x) >= 30 || Math.abs(b - y) >= 26)));
    return packing.placed;
  };
  const [far, near] = [standing(1), standing(8)];
  assert.equal(far[0], 0);
  assert.ok(far.length > 80, String(far.length));
  assert.ok(near.length > 1.5 * far.length);
  assert.ok(far.every((i) => near.includes(i)));
});

test("a sheet's tiles fill rows of its width", () => {
  const sheet = { pixels: new Uint32Array(6 * 4), width: 6 };
  const corners = [0, 1, 2, 3].map((at) => tile(sheet, at, [2, 2]).at);
  assert.deepEqual(corners, [0, 2, 4, 12]);
});

// --- the selection

const chosen = (): Selection => {
  const made = new Selection();
  made.begin(6);
  made.paint(Uint8Array.of(0, 0, 1, 1, 2, 2), ["a", "b", "c"], "by class");
  return made;
};

test("hidden points are not selected, then or later, and other classes are not hidden by old names", () => {
  const some = chosen();
  assert.equal(some.select([0, 2, 4], false), true);
  assert.equal(some.toggle("b"), true);
  assert.deepEqual(some.points(), [0, 4]);
  some.select([1, 3], true);
  assert.deepEqual(some.points(), [0, 1, 4]);
  assert.equal(some.toggle("b"), false, "showing a class again does not change the selection");
  assert.deepEqual(some.points(), [0, 1, 4]);
  some.toggle("c");
  some.paint(Uint8Array.of(0, 1, 0, 1, 0, 1), ["c", "d"], "by factor");
  assert.ok([0, 1, 2, 3, 4, 5].every((i) => some.shown(i)));
});

test("a class is selected as a whole, added to others, and deselected when chosen again", () => {
  const some = chosen();
  some.toggle("b");
  some.selectClass(1, false);
  assert.deepEqual([some.points(), some.whole(), [...some.hidden]], [[2, 3], [false, true, false], []]);
  some.selectClass(2, true);
  assert.deepEqual([some.points(), some.whole()], [[2, 3, 4, 5], [false, true, true]]);
  some.select([2], false);
  assert.deepEqual(some.whole(), [false, false, false]);
  some.selectClass(0, false);
  assert.equal(some.selectClass(0, false), true);
  assert.equal(some.count, 0);
  assert.equal(some.select([], false), false, "nothing was selected, and nothing is: no message");
  assert.deepEqual(chosen().points(0), []);
});

// --- inverses and morphing

test("a place is inverted to origin + x·X + y·Y", () => {
  const rows = Float32Array.of(1, 2, 10, 0, 0, 100);
  close(row(rows, [0.5, -0.25]), [1 + 5, 2 - 25]);
});

test("points travel from one map to the other, and playing continues where it was stopped", () => {
  const [a, b] = [random(20, 1), random(20, 2)];
  for (const [t, there] of [[0, a], [1, b]] as const) close(blended(a, b, t, new Float32Array(20)), there, 1e-6);
  for (const t of [0, 0.1, 0.5, 0.83, 1]) close([easedInverse(eased(t))], [t], 1e-9);
});

// --- what is fetched

test("addresses get the base path once, and data URIs stay", () => {
  assert.equal(resolved("/live/blob/a", "/deep"), "/deep/live/blob/a");
  assert.equal(resolved("/deep/live/blob/a", "/deep"), "/deep/live/blob/a");
  assert.equal(resolved("data:,x", "/deep"), "data:,x");
});

test("an address is fetched once while it is kept, and again after a failure", async () => {
  const asked: string[] = [];
  let ok = true;
  Object.assign(globalThis, {
    fetch: async (address: string) => {
      asked.push(address);
      return { ok, status: 500, arrayBuffer: async () => Uint8Array.of(1, 2).buffer };
    },
  });
  const cache = new ArrayCache();
  const [a, b] = await Promise.all([cache.get("/a", ""), cache.get("/a", "")]);
  assert.equal(a, b);
  await cache.get("/b", "");
  cache.keep(new Set(["/b"]));
  await cache.get("/b", "");
  await cache.get("/a", "");
  assert.deepEqual(asked, ["/a", "/b", "/a"]);
  ok = false;
  await assert.rejects(cache.get("/c", ""));
  ok = true;
  await cache.get("/c", "");
  assert.deepEqual(asked.slice(3), ["/c", "/c"]);
  assert.deepEqual([...new Uint8Array(await cache.get("data:application/octet-stream;base64,AQID", ""))], [1, 2, 3]);
  assert.equal(asked.length, 5);
});
