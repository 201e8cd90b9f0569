// One walk of the page: its code, the models that decode it, and the message sent when the visitor lets go.
import { FrameLoop, LiveError, type Model, loadModel, workerModel } from "../model/engine";
import { fetchAlive } from "../fetching";
import { Outbox } from "../outbox";
import { type Code, Direction, type Sample, type DirectionData, type Offsets, between, composed, floats, set, solved, unset } from "./codes";

// The server's description of a run.
export interface LibraryData {
  run: string;
  shape: [number, number, number];
  mean: string;
  directions: DirectionData[];
  codes: string;
  scale: string;
  typical: string;
  labels: number[] | null;
  pictured: number;
  columns: number;
  sprite: string;
  nearness: [number, string][];
  farthest: string;
}

// The address of that description, and the directions that the visitor has named.
export interface LibraryPlace {
  run: string;
  address: string;
  named: DirectionData[];
}

// The server's message about the position of the walk.
export interface PlaceData extends Offsets {
  run: string;
  base: string; // the path below which the app is served
  decoder: string;
  encoder: string;
  token: string; // names the origin: another run, image or random code is another token
  heard: number; // the last release that the server has received
  start: string;
  origin: string;
  other: string | null;
  spherical: boolean;
  off: boolean; // the server has received that this walk is not live, and draws the controls itself
}

export interface Library {
  data: LibraryData;
  mean: Code;
  directions: Map<string, Direction>;
  sample: Sample;
}

const LIBRARY_FAILED = "the run's directions could not be loaded";
const MAX_REPORTS = 5;
const REPORT_INTERVAL = 1500; // milliseconds

export type Change = "library" | "place" | "moved" | "drawn" | "live";
type Listener = (change: Change) => void;

export class Walk {
  library: Library | undefined;
  place: PlaceData | undefined;
  offsets: Offsets = { moved: {}, added: {}, along: 0 };
  z: Code = new Float32Array();
  start: Code = new Float32Array();
  live = false;
  off: string | undefined; // why the walk is not live, in words
  dragging = false;
  picture: Float32Array | undefined; // of z, as last decoded
  before: Float32Array | undefined; // of the start
  send: (message: object) => void = () => undefined;
  report: (reason: string) => void = () => undefined;

  private requested: LibraryPlace | undefined;
  private origin: Code = this.z;
  private other: Code | undefined;
  private sent = 0;
  private readonly outbox = new Outbox();
  private decoder: Model | undefined;
  private decoderWorker: Promise<Model> | undefined;
  private encoderWorker: Promise<Model> | undefined;
  private readonly listeners = new Set<Listener>();
  private readonly loop = new FrameLoop<Code>((z) => this.draw(z), (error) => this.fail(error));

  listen(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  notify(change: Change): void {
    for (const listener of [...this.listeners]) listener(change);
  }

  // --- messages of the server

  // Fetches the run's library, which the browser caches; if another was requested meanwhile, the answer is dropped.
  async loadLibrary(place: LibraryPlace): Promise<void> {
    if (this.library && this.requested && JSON.stringify(place) === JSON.stringify(this.requested)) return;
    this.requested = place;
    try {
      const answer = await fetchAlive(place.address);
      if (!answer.ok) throw new LiveError((await answer.text()).trim());
      const data = (await answer.json()) as LibraryData;
      if (this.requested === place) this.adoptLibrary({ ...data, directions: [...data.directions, ...place.named] });
    } catch (error) {
      if (this.requested === place) this.fail(error instanceof LiveError ? error : new LiveError(LIBRARY_FAILED));
    }
  }

  private adoptLibrary(data: LibraryData): void {
    const known = this.library?.data;
    if (known?.run === data.run && known.directions.length === data.directions.length) return;
    const mean = floats(data.mean);
    const directions = new Map(data.directions.map((one) => [one.id, new Direction(one, mean)]));
    const sample = { codes: floats(data.codes), scale: floats(data.scale), typical: floats(data.typical) };
    this.library = { data, mean, directions, sample };
    this.notify("library");
    if (this.place) this.adopt(this.place);
  }

  receive(data: PlaceData): void {
    if (this.place && this.place.run !== data.run) this.forget(data.run);
    const another = this.place?.token !== data.token;
    const first = this.place === undefined;
    if (another) this.dragging = false; // another run, image or random code, or a link, ends the drag
    this.sent = another ? data.heard : Math.max(this.sent, data.heard);
    if (another) this.outbox.clear();
    else this.outbox.received(data.heard);
    const late = data.heard < this.sent || this.dragging;
    this.place = data;
    this.other = data.other === null ? undefined : floats(data.other);
    this.start = floats(data.start);
    this.origin = floats(data.origin);
    if (another) this.before = undefined;
    if (!late) this.adopt(data);
    if (first) void this.load(data);
    this.notify("place");
  }

  private adopt({ moved, added, along }: PlaceData): void {
    this.offsets = { moved: { ...moved }, added: { ...added }, along };
    this.redraw(performance.now());
  }

  // --- moving

  // The code without moved units and added directions: the origin, or a code on the path to the other image.
  get base(): Code {
    const { along } = this.offsets;
    if (along <= 0 || !this.other) return this.origin;
    return between(this.origin, this.other, along, this.place?.spherical ?? false);
  }

  // The code at a position on the path to the other image.
  codeAt(along: number): Code {
    return this.other ? between(this.origin, this.other, along, this.place?.spherical ?? false) : this.origin;
  }

  // The reading that "reset" returns to.
  home(direction: Direction): number {
    return direction.reading(this.base);
  }

  // Moves along each direction, one after the other, until it reads the value given with it.
  move(steps: [Direction, number][], stamp: number): void {
    const { library } = this;
    if (!library) return;
    for (const [direction, to] of steps) {
      const z = composed(this.base, this.offsets, library.directions);
      this.offsets = set(this.offsets, direction, z, direction.snapped(to, this.home(direction)), this.base, library.directions);
    }
    this.redraw(stamp);
  }

  // Moves to these readings of two directions at once, even where moving along one changes the reading of the other.
  moveBoth(x: Direction, y: Direction, to: [number, number], stamp: number): void {
    const { library } = this;
    if (!library) return;
    const [at, up] = [x.snapped(to[0], this.home(x)), y.snapped(to[1], this.home(y))];
    for (const [direction, by] of this.steps(x, y, this.z, [at, up])) {
      const z = composed(this.base, this.offsets, library.directions);
      const there = direction.reading(z) + by;
      this.offsets = set(this.offsets, direction, z, there, this.base, library.directions);
    }
    this.redraw(stamp);
  }

  // How far to move from z along x and y to read `to`; only along x if the two are parallel.
  steps(x: Direction, y: Direction, z: Code, to: [number, number]): [Direction, number][] {
    const found = solved(x, y, to[0] - x.reading(z), to[1] - y.reading(z));
    return found ? [[x, found[0]], [y, found[1]]] : [[x, to[0] - x.reading(z)]];
  }

  reset(direction: Direction, stamp: number): void {
    this.offsets = unset(this.offsets, direction);
    this.redraw(stamp);
  }

  morph(along: number, stamp: number): void {
    this.offsets = { moved: {}, added: {}, along: Math.round(along * 100) / 100 };
    this.redraw(stamp, this.codeAt(along)); // not rounded, unlike the position in the link
  }

  moved(direction: Direction): boolean {
    const { unit } = direction.data;
    return unit === null ? direction.id in this.offsets.added : unit in this.offsets.moved;
  }

  // Sends the position to the server, once the pointer, the key or the wheel is released.
  release(): void {
    this.dragging = false;
    this.sent += 1;
    const message = { count: this.sent, token: this.place?.token ?? "", ...this.offsets };
    this.outbox.put(this.sent, () => this.send(message));
    this.notify("moved");
  }

  // Shows the picture of another code, or without one the walk's again; the position stays.
  preview(code: Code | undefined): void {
    if (this.decoder && this.z.length > 0) this.loop.push(code ?? this.z, performance.now());
  }

  private redraw(stamp: number, z?: Code): void {
    if (!this.library || !this.place || this.library.data.run !== this.place.run) return;
    this.z = z ?? composed(this.base, this.offsets, this.library.directions);
    if (this.decoder) this.loop.push(this.z, stamp);
    if (!this.dragging) this.notify("moved");
    if (!this.decoder) this.notify("drawn");
  }

  private async draw(z: Code): Promise<void> {
    const { decoder } = this;
    if (!decoder) return;
    if (!this.before) this.before = await this.decoded(decoder, this.start);
    this.picture = await this.decoded(decoder, z);
    this.live = true;
    this.notify("drawn");
  }

  private async decoded(model: Model, codes: Code): Promise<Float32Array> {
    const k = this.library?.mean.length ?? codes.length;
    const [name = "code"] = model.inputs;
    const [picture] = Object.values(await model.run({ [name]: { data: codes, dims: [codes.length / k, k] } }));
    return picture?.data ?? new Float32Array();
  }

  // --- models

  private async load({ run, decoder, base }: PlaceData): Promise<void> {
    try {
      const model = await loadModel(decoder, base);
      if (this.place?.run !== run || this.decoder) return model.release();
      this.decoder = model;
      this.before = undefined;
      this.redraw(performance.now());
    } catch (error) {
      if (this.place?.run === run) this.fail(error);
    }
  }

  // Decodes many codes in the worker; the first call loads the decoder there.
  async pictures(codes: Code): Promise<Float32Array> {
    const data = this.place;
    if (!data) return new Float32Array();
    this.decoderWorker ??= workerModel(data.decoder, data.base);
    return this.decoded(await this.decoderWorker, codes);
  }

  // Encodes a picture in the worker.
  async encoded(picture: Float32Array): Promise<Code> {
    const data = this.place;
    const shape = this.library?.data.shape;
    if (!data || !shape) return new Float32Array();
    this.encoderWorker ??= workerModel(data.encoder, data.base);
    const model = await this.encoderWorker;
    const [name = "images"] = model.inputs;
    const [code] = Object.values(await model.run({ [name]: { data: picture, dims: [1, ...shape] } }));
    return code?.data ?? new Float32Array();
  }

  private fail(error: unknown): void {
    this.off = error instanceof LiveError ? error.message : "the model stopped in this browser";
    if (!(error instanceof LiveError)) console.warn(error);
    this.live = false;
    this.decoder?.release();
    this.decoder = undefined;
    this.notify("live");
    this.reportUntilReceived(MAX_REPORTS);
  }

  // Streamlit can lose a message sent while it redraws the page, so this one is repeated until the server has received it.
  private reportUntilReceived(times: number): void {
    const { off, place } = this;
    if (off === undefined || this.place?.off || times === 0) return;
    this.report(off);
    setTimeout(() => {
      if (this.place?.run === place?.run) this.reportUntilReceived(times - 1);
    }, REPORT_INTERVAL);
  }

  // Releases everything that belongs to the run, but keeps the library of the `next` run if it is loaded.
  forget(next?: string): void {
    this.outbox.clear();
    this.decoder?.release();
    for (const model of [this.decoderWorker, this.encoderWorker]) void model?.then((found) => found.release(), () => undefined);
    this.decoder = this.decoderWorker = this.encoderWorker = this.place = undefined;
    if (this.library?.data.run !== next) this.library = undefined;
    this.picture = this.before = this.off = undefined;
    this.live = false;
  }
}
