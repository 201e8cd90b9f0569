// Maps of the same images side by side: an image under the pointer is marked in all maps, and so is a group drawn round in one.
import css from "./maps.css";
import { addStyle, type Root } from "../dom";
import { loadModel } from "../model/engine";
import { Atlas } from "./atlas";
import type { Sender, Message } from "./message";

interface Component extends Sender {
  data: Message;
  parentElement: Root;
}

const mounted = new Map<Root, Atlas>();

export default function mount({ data, parentElement: root, setStateValue, setTriggerValue }: Component): void {
  const host = root.querySelector<HTMLElement>(".maps");
  if (!host) return;
  addStyle(root, css);
  let atlas = mounted.get(root);
  if (!atlas) mounted.set(root, (atlas = new Atlas(host, loadModel)));
  void atlas.update(data, { setStateValue, setTriggerValue });
}

export function unmount(root: Root): void {
  mounted.get(root)?.close();
  mounted.delete(root);
}
