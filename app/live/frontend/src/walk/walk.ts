// The parts of the Walk page that follow the pointer. Each is a component of its own; those of one page share one walk.
import css from "./walk.css";
import { addStyle, type Root } from "../dom";
import { Draw, type Paper } from "./draw";
import { Pad, type Plane } from "./pad";
import { Sliders } from "./sliders";
import { Stage } from "./stage";
import { type LibraryPlace, type PlaceData, Walk } from "./state";
import { type Ends, Path } from "./path";

interface Data {
  part: "stage" | "library" | "units" | "pad" | "way" | "draw";
  walk: string; // name of the walk that the parts share
  place?: PlaceData;
  library?: LibraryPlace;
  plane?: Plane;
  ends?: Ends;
  paper?: Paper;
}
export interface Component {
  data: Data;
  parentElement: Root;
  setStateValue(name: string, value: unknown): void;
  setTriggerValue(name: string, value: unknown): void;
}
interface View {
  close(): void;
}
interface Mounted {
  walk: string;
  part: Data["part"];
  view: View | undefined;
}

const walks = new Map<string, Walk>();
const mounted = new Map<Root, Mounted>();

export default function mount({ data, parentElement: root, setStateValue, setTriggerValue }: Component): void {
  const walk = walks.get(data.walk) ?? new Walk();
  walks.set(data.walk, walk);
  if (data.part === "stage") {
    walk.send = (message) => setTriggerValue("place", message);
    walk.report = (reason) => setStateValue("failed", { reason, run: walk.place?.run ?? "" });
  }
  const before = mounted.get(root);
  if (before?.part !== data.part) {
    before?.view?.close();
    mounted.set(root, { walk: data.walk, part: data.part, view: newView(data.part, walk, root, setTriggerValue) });
  }
  const view = mounted.get(root)?.view;
  if (view instanceof Pad && data.plane) view.show(data.plane);
  if (view instanceof Draw && data.paper) view.setPaper(data.paper);
  if (view instanceof Path && data.ends) view.setEnds(data.ends);
  if (data.library) void walk.loadLibrary(data.library);
  if (data.place) walk.receive(data.place);
}

function newView(part: Data["part"], walk: Walk, root: Root, send: Component["setTriggerValue"]): View | undefined {
  const host = root.querySelector<HTMLElement>(".host");
  if (part === "library" || !host) return undefined;
  addStyle(root, css);
  if (part === "stage") return new Stage(walk, root);
  if (part === "pad") return new Pad(walk, host, (plane) => send("plane", plane));
  if (part === "draw") return new Draw(walk, host, (pixels) => send("drawn", pixels));
  return part === "way" ? new Path(walk, host) : new Sliders(walk, host);
}

export function unmount(root: Root): void {
  const known = mounted.get(root);
  if (!known) return;
  known.view?.close();
  mounted.delete(root);
  if ([...mounted.values()].some(({ walk }) => walk === known.walk)) return;
  walks.get(known.walk)?.forget();
  walks.delete(known.walk);
}
