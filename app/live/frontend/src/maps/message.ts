// What the page says of the maps: one message at each redraw. Addresses start below `base`, or are "data:" URIs.

export interface Figure {
  name: string;
  value: string;
  word: string;
  said: string;
  definition: string;
}

// What a place between the points stands for: a row of numbers, origin + x·X + y·Y.
export type Back =
  | { through: "pixels"; rows: string; shape: [number, number, number] }
  | { through: "codes"; rows: string; shape: [number, number, number]; decoder: string };

export interface PanelTold {
  id: string;
  title: string;
  note: string;
  alt: string;
  places: string; // int16 thousandths, n × 2
  figures: Figure[];
  middles: [string, number, number][];
  colour: string | null; // uint8 n; where missing, the common one
  own: [number, number][];
  back: Back | null;
  nowhere: string;
}

export type Shape = "circle" | "diamond" | "square" | "cross";

export interface ImagesTold {
  tile: [number, number]; // height, width
  sprite?: string; // of all
  block?: number;
  blocks?: string; // "{}" is the block's number
  first?: { sprite: string; positions: string }; // int32: the points whose pictures come at once
}

export interface Told {
  base: string;
  token: string;
  n: number;
  panels: PanelTold[];
  colour: string; // uint8 n
  table: [number, number, number][];
  shapes: Shape[];
  legend: { title: string; names: string[]; low: string; high: string };
  labels: string | null; // uint16 n
  label_names: string[];
  index: string; // int32 n
  origin: string; // uint8 n
  origins: string[];
  images: ImagesTold;
  thumbnails: boolean;
  own: { sprite: string } | null;
}

export interface Tell {
  setStateValue(name: string, value: unknown): void;
  setTriggerValue(name: string, value: unknown): void;
}
