// Reads the arrays at a message's addresses; numbers are little-endian.
import type { ArrayCache } from "./cache";
import type { Message } from "./message";

export interface Arrays {
  colour: Uint8Array;
  index: Int32Array;
  origin: Uint8Array;
  labels: Uint16Array | undefined;
  first: Int32Array; // points whose pictures are loaded at once
  places: Float32Array[];
  colours: (Uint8Array | undefined)[];
}

export async function read(message: Message, cache: ArrayCache): Promise<Arrays> {
  const get = (address: string): Promise<ArrayBuffer> => cache.get(address, message.base);
  const maybe = async (address: string | null | undefined): Promise<ArrayBuffer | undefined> => (address ? get(address) : undefined);
  const [colour, index, origin, labels, first, places, colours] = await Promise.all([
    get(message.colour), get(message.index), get(message.origin), maybe(message.labels), maybe(message.images.first?.positions),
    Promise.all(message.panels.map((panel) => get(panel.places))),
    Promise.all(message.panels.map((panel) => maybe(panel.colour))),
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

export function addresses({ colour, index, origin, labels, images, panels }: Message): Set<string> {
  const all = [colour, index, origin, labels, images.first?.positions, ...panels.flatMap((panel) => [panel.places, panel.colour, panel.back?.rows])];
  return new Set(all.filter((address) => typeof address === "string"));
}
