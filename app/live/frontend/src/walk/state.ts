// One walk of the page: where it stands, the models that draw it, and the single message of a release.
import { FrameLoop, LiveError, type Model, loadModel, workerModel } from "../model/engine";
import { type Code, Direction, type Sample, type Told, type Where, between, composed, floats, set, solved, unset } from "./codes";

// What the server says of a run; it stays the same as long as the run is shown.
export interface LibraryData {
  run: string;
  shape: [number, number, number];
  mean: string;
  directions: Told[];
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

// Where that is, and the directions that the visitor named besides.
export interface LibraryPlace {
  run: string;
  address: string;
  named: Told[];
}

// What the server says of a place.
export interface PlaceData extends Where {
  run: string;
  base: string; // the path that the server's addresses begin with
  decoder: string;
  encoder: string;
  token: string; // names the origin: another run, image or random code is another token
  heard: number; // the last release that this answers
  start: string;
  origin: string;
  other: string | null;
  spherical: boolean;
  off: boolean; // the server knows that this walk is not live, and draws the controls itself
}

export interface Library {
  data: LibraryData;
  mean: Code;
  directions: Map<string, Direction>;
  sample: Sample;
}

const UNREAD = "what is known of this run could not be loaded";
const INSISTED = 5;
const INSISTS_AFTER = 1500;

export type Change = "library" | "place" | "where" | "drawn" | "live";
type Listener = (change: Change) => void;

export class Walk {
  library: Library | undefined;
  place: PlaceData | undefined;
  where: Where = { moved: {}, added: {}, along: 0 };
  z: Code = new Float32Array();
  start: Code = new Float32Array();
  live = false;
  off: string | undefined; // why it is not live, in words
  dragging = false;
  picture: Float32Array | undefined; // of z, as last decoded
  before: Float32Array | undefined; // of the start
  send: (message: object) => void = () => undefined;
  report: (reason: string) => void = () => undefined;

  private wanted: LibraryPlace | undefined;
  private origin: Code = this.z;
  private other: Code | undefined;
  private sent = 0;
  private decoder: Model | undefined;
  private films: Promise<Model> | undefined;
  private coder: Promise<Model> | undefined;
  private readonly listeners = new Set<Listener>();
  private readonly loop = new FrameLoop<Code>((z) => this.draw(z), (error) => this.fail(error));

  listen(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  tell(change: Change): void {
    for (const listener of [...this.listeners]) listener(change);
  }

  // --- what the server says

  // The run's library by its own address, which the browser keeps; the latest that is wanted wins.
  async find(place: LibraryPlace): Promise<void> {
    if (this.library && this.wanted && JSON.stringify(place) === JSON.stringify(this.wanted)) return;
    this.wanted = place;
    try {
      const answer = await fetch(place.address);
      if (!answer.ok) throw new LiveError((await answer.text()).trim());
      const data = (await answer.json()) as LibraryData;
      if (this.wanted === place) this.meet({ ...data, directions: [...data.directions, ...place.named] });
    } catch (error) {
      if (this.wanted === place) this.fail(error instanceof LiveError ? error : new LiveError(UNREAD));
    }
  }

  private meet(data: LibraryData): void {
    const known = this.library?.data;
    if (known?.run === data.run && known.directions.length === data.directions.length) return;
    const mean = floats(data.mean);
    const directions = new Map(data.directions.map((told) => [told.id, new Direction(told, mean)]));
    const sample = { codes: floats(data.codes), scale: floats(data.scale), typical: floats(data.typical) };
    this.library = { data, mean, directions, sample };
    this.tell("library");
    if (this.place) this.adopt(this.place);
  }

  hear(data: PlaceData): void {
    if (this.place && this.place.run !== data.run) this.forget(data.run); // its model is asked for at once
    const another = this.place?.token !== data.token;
    const first = this.place === undefined;
    if (another) this.dragging = false; // the server overrules: another run, image or random code, or a link
    this.sent = another ? data.heard : Math.max(this.sent, data.heard);
    const late = data.heard < this.sent || this.dragging;
    this.place = data;
    this.other = data.other === null ? undefined : floats(data.other);
    this.start = floats(data.start);
    this.origin = floats(data.origin);
    if (another) this.before = undefined;
    if (!late) this.adopt(data);
    if (first) void this.load(data);
    this.tell("place");
  }

  private adopt({ moved, added, along }: PlaceData): void {
    this.where = { moved: { ...moved }, added: { ...added }, along };
    this.redraw(performance.now());
  }

  // --- moving

  // The code before anything was moved: the origin, or one on the way to the other image.
  get base(): Code {
    const { along } = this.where;
    if (along <= 0 || !this.other) return this.origin;
    return between(this.origin, this.other, along, this.place?.spherical ?? false);
  }

  on(along: number): Code {
    return this.other ? between(this.origin, this.other, along, this.place?.spherical ?? false) : this.origin;
  }

  home(direction: Direction): number {
    return direction.reading(this.base);
  }

  move(steps: [Direction, number][], stamp: number): void {
    const { library } = this;
    if (!library) return;
    for (const [direction, to] of steps) {
      const z = composed(this.base, this.where, library.directions);
      this.where = set(this.where, direction, z, direction.snapped(to, this.home(direction)), this.base, library.directions);
    }
    this.redraw(stamp);
  }

  // To these readings of two directions at once; what moves one may read on the other.
  moveBoth(x: Direction, y: Direction, to: [number, number], stamp: number): void {
    const { library } = this;
    if (!library) return;
    const [at, up] = [x.snapped(to[0], this.home(x)), y.snapped(to[1], this.home(y))];
    for (const [direction, by] of this.steps(x, y, this.z, [at, up])) {
      const z = composed(this.base, this.where, library.directions);
      const there = direction.reading(z) + by;
      this.where = set(this.where, direction, z, there, this.base, library.directions);
    }
    this.redraw(stamp);
  }

  steps(x: Direction, y: Direction, z: Code, to: [number, number]): [Direction, number][] {
    const found = solved(x, y, to[0] - x.reading(z), to[1] - y.reading(z));
    return found ? [[x, found[0]], [y, found[1]]] : [[x, to[0] - x.reading(z)]];
  }

  back(direction: Direction, stamp: number): void {
    this.where = unset(this.where, direction);
    this.redraw(stamp);
  }

  go(along: number, stamp: number): void {
    this.where = { moved: {}, added: {}, along: Math.round(along * 100) / 100 };
    this.redraw(stamp, this.on(along)); // the picture follows finer than the link
  }

  moved(direction: Direction): boolean {
    const { unit } = direction.told;
    return unit === null ? direction.id in this.where.added : unit in this.where.moved;
  }

  // The pointer, the key or the wheel is let go: the server hears of it once.
  release(): void {
    this.dragging = false;
    this.sent += 1;
    this.send({ count: this.sent, token: this.place?.token ?? "", ...this.where });
    this.tell("where");
  }

  // Shows another code than the walk's, or the walk's again; nothing is moved by it.
  preview(code: Code | undefined): void {
    if (this.decoder && this.z.length > 0) this.loop.push(code ?? this.z, performance.now());
  }

  private redraw(stamp: number, z?: Code): void {
    if (!this.library || !this.place || this.library.data.run !== this.place.run) return;
    this.z = z ?? composed(this.base, this.where, this.library.directions);
    if (this.decoder) this.loop.push(this.z, stamp);
    if (!this.dragging) this.tell("where");
    if (!this.decoder) this.tell("drawn");
  }

  private async draw(z: Code): Promise<void> {
    const { decoder } = this;
    if (!decoder) return;
    if (!this.before) this.before = await this.decoded(decoder, this.start);
    this.picture = await this.decoded(decoder, z);
    this.live = true;
    this.tell("drawn");
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

  // Pictures of many codes, made in the worker; the first call loads the model there.
  async pictures(codes: Code): Promise<Float32Array> {
    const data = this.place;
    if (!data) return new Float32Array();
    this.films ??= workerModel(data.decoder, data.base);
    return this.decoded(await this.films, codes);
  }

  // The code of a picture, in the worker.
  async encoded(picture: Float32Array): Promise<Code> {
    const data = this.place;
    const shape = this.library?.data.shape;
    if (!data || !shape) return new Float32Array();
    this.coder ??= workerModel(data.encoder, data.base);
    const model = await this.coder;
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
    this.tell("live");
    this.insist(INSISTED);
  }

  // A message of a page that is still being drawn can be lost: it is said again until the server has heard of it.
  private insist(times: number): void {
    const { off, place } = this;
    if (off === undefined || this.place?.off || times === 0) return;
    this.report(off);
    setTimeout(() => {
      if (this.place?.run === place?.run) this.insist(times - 1);
    }, INSISTS_AFTER);
  }

  // Lets go of all that belongs to a run; the library of the `next` one may already be here.
  forget(next?: string): void {
    this.decoder?.release();
    for (const model of [this.films, this.coder]) void model?.then((found) => found.release(), () => undefined);
    this.decoder = this.films = this.coder = this.place = undefined;
    if (this.library?.data.run !== next) this.library = undefined;
    this.picture = this.before = this.off = undefined;
    this.live = false;
  }
}
