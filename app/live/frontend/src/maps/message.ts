// The message about the maps that the server sends at each redraw. Addresses are paths below `base`, or "data:" URIs.

export interface Figure {
  name: string;
  value: string;
  word: string;
  said: string;
  definition: string;
}

// The inverse of a map: the place (x, y) stands for the row of numbers origin + x·X + y·Y, an image's pixels or a code.
export type Inverse =
  | { through: "pixels"; rows: string; shape: [number, number, number] }
  | { through: "codes"; rows: string; shape: [number, number, number]; decoder: string };

export interface PanelData {
  id: string;
  title: string;
  note: string;
  alt: string;
  places: string; // int16 thousandths, n × 2
  figures: Figure[];
  middles: [string, number, number][];
  colour: string | null; // uint8 n; null: that of all panels
  own: [number, number][]; // places of the visitor's images
  back: Inverse | null;
  nowhere: string; // shown in the tip where there is no image, without an inverse
}

export type Shape = "circle" | "diamond" | "square" | "cross";

export interface ImagesData {
  tile: [number, number]; // height, width
  sprite?: string; // of all images
  block?: number; // images in a block
  blocks?: string; // "{}" stands for the block's number
  first?: { sprite: string; positions: string }; // pictures that are loaded at once, and their points (int32)
}

export interface Message {
  base: string;
  token: string;
  n: number;
  panels: PanelData[];
  colour: string; // uint8 n
  table: [number, number, number][];
  shapes: Shape[];
  legend: { title: string; names: string[]; low: string; high: string };
  labels: string | null; // uint16 n
  label_names: string[];
  index: string; // int32 n
  origin: string; // uint8 n
  origins: string[];
  images: ImagesData;
  thumbnails: boolean;
  own: { sprite: string } | null;
}

export interface Sender {
  setStateValue(name: string, value: unknown): void;
  setTriggerValue(name: string, value: unknown): void;
}
