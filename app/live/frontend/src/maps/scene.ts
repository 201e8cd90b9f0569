// What all maps of a page share: the images, their colours and the selection.
import type { Shape } from "./message";
import type { Selection } from "./selection";
import type { OneSheet, Pictures } from "./sheets";

export const NARROW = 300; // pixels; narrower maps get smaller dots and labels

export interface Scene {
  n: number; // images
  colour: Uint8Array; // of each image
  inks: Uint32Array; // of each colour, packed
  shapes: Shape[]; // of each colour
  selection: Selection;
  order: Uint32Array; // in which the points are drawn
  pictures: Pictures;
  thumbnails: boolean;
  own: OneSheet; // the visitor's images
  theme: Theme;
}
export interface Theme {
  paper: number; // packed
  back: string; // the same as a CSS colour
  ink: string;
  font: string;
}
