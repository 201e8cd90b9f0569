// The same maps in a file of their own: the page holds the message as JSON, with data URIs for addresses.
//     <div class="maps host"></div> <script type="application/json" id="maps">…</script> <script type="module">this</script>
import css from "./maps.css";
import alone from "./maps-alone.css";
import { element } from "../dom";
import { Atlas } from "./atlas";
import type { Message } from "./message";

const host = document.querySelector<HTMLElement>(".maps");
const message = JSON.parse(document.querySelector("script#maps")?.textContent ?? "null") as Message | null;
document.head.append(element("style", {}, alone, css));
if (host && message) {
  const atlas = new Atlas(host, undefined);
  const show = (): void => void atlas.update(message, { setStateValue: () => undefined, setTriggerValue: () => undefined });
  matchMedia("(prefers-color-scheme: dark)").onchange = show;
  show();
}
