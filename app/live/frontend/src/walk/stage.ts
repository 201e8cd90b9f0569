// The picture of the code, that of the start and their difference; below, the code's distance from the data.
import { paint } from "../model/engine";
import { difference, distance, apart, type Code } from "./codes";
import { element, throttled, type Root } from "../dom";
import type { Change, Walk } from "./state";

const NEAREST = 8;
const METER_INTERVAL = 80; // milliseconds between two updates of the meter, so that its words do not flicker
const FULL_COLOUR = 0.5; // difference with the full colour, as a share of the pixel range
const ROUND_TRIP_INTERVAL = 120; // milliseconds between two round trips

export class Stage {
  private readonly canvases: Record<string, HTMLCanvasElement> = {};
  private readonly images: Record<string, HTMLImageElement> = {};
  private readonly meter: HTMLElement;
  private readonly stop: () => void;
  private shown: boolean | undefined;
  private roundTripRuns = false;
  private lastRoundTrip: Code | undefined; // the code of the last round trip
  private nearest: number[] = [];
  private sheet: { sprite: string; pictures?: ImageBitmap } = { sprite: "" };
  private readonly near: HTMLCanvasElement;
  private readonly measured = throttled(METER_INTERVAL, () => this.measure());

  constructor(
    private readonly walk: Walk,
    private readonly root: Root,
  ) {
    for (const image of root.querySelectorAll<HTMLImageElement>("img[data-from]")) {
      const name = image.dataset.from ?? "";
      const canvas = element("canvas", { role: "img", "aria-label": image.alt, hidden: "" });
      image.after(canvas);
      this.images[name] = image;
      this.canvases[name] = canvas;
    }
    this.meter = root.querySelector<HTMLElement>(".meter") ?? element("div");
    this.near = root.querySelector<HTMLCanvasElement>("canvas.near") ?? element("canvas");
    this.stop = walk.listen((change) => this.update(change));
    this.update("place");
  }

  private update(change: Change): void {
    if (change === "drawn" && this.walk.live) this.draw();
    this.show(this.walk.live);
    this.measured();
    if (!this.walk.dragging) void this.roundTrip();
  }

  // Shows the live canvases in place of the server's pictures, or those again if the walk is not live.
  private show(live: boolean): void {
    if (this.shown === live) return;
    this.shown = live;
    for (const [name, canvas] of Object.entries(this.canvases)) {
      canvas.hidden = !live;
      const image = this.images[name];
      if (image) image.hidden = live;
    }
    const host = this.root.querySelector<HTMLElement>(".stage");
    if (host) host.dataset.live = String(live);
    const quiet = this.root.querySelector<HTMLElement>(".quiet");
    if (quiet) quiet.hidden = true;
  }

  private draw(): void {
    const { picture, before, library } = this.walk;
    const { start, now, difference: change } = this.canvases;
    if (!picture || !before || !library || !start || !now || !change) return;
    const [c, h, w] = library.data.shape;
    paint(now, { data: picture, dims: [c, h, w] });
    paint(start, { data: before, dims: [c, h, w] });
    if (change.width !== w) change.width = w;
    if (change.height !== h) change.height = h;
    const image = new ImageData(w, h);
    difference(before, picture, c, FULL_COLOUR, image.data);
    change.getContext("2d")?.putImageData(image, 0, 0);
  }

  private measure(): void {
    const { library, z } = this.walk;
    if (!library || z.length === 0) return;
    const { pictured, nearness, farthest } = library.data;
    const found = distance(z, library.sample, pictured, NEAREST);
    this.root.querySelector(".stage")?.setAttribute("data-measured", "");
    const words = nearness.find(([below]) => found.percentile < below)?.[1] ?? farthest;
    this.meter.querySelector<HTMLElement>("[role=meter] i")?.style.setProperty("left", `${found.percentile}%`);
    this.meter.querySelector("[role=meter]")?.setAttribute("aria-valuenow", found.percentile.toFixed(0));
    text(this.meter, ".apart", found.value.toFixed(2));
    text(this.meter, ".words", words);
    if (String(found.nearest) === String(this.nearest) && this.sheet.sprite === library.data.sprite) return;
    this.nearest = found.nearest;
    this.drawNearest();
  }

  // Draws the nearest codes' pictures, cut from one bitmap: the browser would keep each <img> decoded long after it is gone.
  private drawNearest(): void {
    const { library } = this.walk;
    if (!library) return;
    const { sprite, columns, shape } = library.data;
    if (this.sheet.sprite !== sprite) return void this.open(sprite);
    const { pictures } = this.sheet;
    if (!pictures) return;
    const [, h, w] = shape;
    const canvas = this.near;
    canvas.width = this.nearest.length * (w + 1) - 1;
    canvas.height = h;
    canvas.style.setProperty("--natural", `${canvas.width}px`);
    const context = canvas.getContext("2d");
    this.nearest.forEach((i, at) => {
      const [x, y] = [(i % columns) * w, Math.floor(i / columns) * h];
      context?.drawImage(pictures, x, y, w, h, at * (w + 1), 0, w, h);
    });
  }

  private async open(sprite: string): Promise<void> {
    this.sheet.pictures?.close();
    const sheet: Stage["sheet"] = { sprite };
    this.sheet = sheet;
    const pictures = await createImageBitmap(await (await fetch(sprite)).blob());
    if (this.sheet !== sheet) return pictures.close();
    sheet.pictures = pictures;
    this.drawNearest();
  }

  // Decodes and encodes the code, in the worker, and shows the distance between the two codes. Codes that come while one is
  // measured wait, and only the last of them is measured.
  private async roundTrip(): Promise<void> {
    const { walk } = this;
    if (this.roundTripRuns || !walk.live || !walk.picture || walk.z === this.lastRoundTrip) return;
    this.roundTripRuns = true;
    try {
      const { z, picture, library } = walk;
      const encoded = await walk.encoded(picture);
      if (library && walk.library === library) {
        text(this.meter, ".trip", apart(z, encoded, library.sample.scale).toFixed(2));
        this.meter.querySelector<HTMLElement>(".round")?.removeAttribute("hidden");
      }
      this.lastRoundTrip = z;
    } catch {
      this.lastRoundTrip = walk.z; // without a figure
    }
    await new Promise((resolve) => setTimeout(resolve, ROUND_TRIP_INTERVAL));
    this.roundTripRuns = false;
    if (walk.z !== this.lastRoundTrip && !walk.dragging) void this.roundTrip();
  }

  close(): void {
    this.stop();
    this.sheet.pictures?.close();
    this.sheet = { sprite: "" };
    for (const canvas of Object.values(this.canvases)) canvas.remove();
    for (const image of Object.values(this.images)) image.hidden = false;
  }
}

function text(root: Element, selector: string, words: string): void {
  const found = root.querySelector(selector);
  if (found && found.textContent !== words) found.textContent = words;
}
