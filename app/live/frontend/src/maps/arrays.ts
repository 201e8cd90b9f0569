// What a message's addresses hold, as arrays; numbers have their lowest byte first, as every browser's machine has them.
import type { Shelf } from "./shelf";
import type { Told } from "./message";

export interface Arrays {
  colour: Uint8Array;
  index: Int32Array;
  origin: Uint8Array;
  labels: Uint16Array | undefined;
  first: Int32Array; // points whose pictures come at once
  places: Float32Array[];
  colours: (Uint8Array | undefined)[];
}

export async function read(told: Told, shelf: Shelf): Promise<Arrays> {
  const get = (address: string): Promise<ArrayBuffer> => shelf.get(address, told.base);
  const maybe = async (address: string | null | undefined): Promise<ArrayBuffer | undefined> => (address ? get(address) : undefined);
  const [colour, index, origin, labels, first, places, colours] = await Promise.all([
    get(told.colour), get(told.index), get(told.origin), maybe(told.labels), maybe(told.images.first?.positions),
    Promise.all(told.panels.map((panel) => get(panel.places))),
    Promise.all(told.panels.map((panel) => maybe(panel.colour))),
  ]);
  return {
    colour: new Uint8Array(colour),
    index: new Int32Array(index),
    origin: new Uint8Array(origin),
    labels: labels && new Uint16Array(labels),
    first: new Int32Array(first ?? new ArrayBuffer()),
    places: places.map((buffer) => Float32Array.from(new Int16Array(buffer), (place) => place / 1000)),
    colours: colours.map((buffer) => buffer && new Uint8Array(buffer)),
  };
}

export function addresses({ colour, index, origin, labels, images, panels }: Told): Set<string> {
  const all = [colour, index, origin, labels, images.first?.positions, ...panels.flatMap((panel) => [panel.places, panel.colour, panel.back?.rows])];
  return new Set(all.filter((address) => typeof address === "string"));
}
