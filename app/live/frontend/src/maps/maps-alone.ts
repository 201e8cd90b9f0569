// The same maps in a file of their own: the message stands in the page as JSON, and every address in it holds what it names.
//     <div class="maps host"></div> <script type="application/json" id="maps">…</script> <script type="module">this</script>
import css from "./maps.css";
import alone from "./maps-alone.css";
import { element } from "../dom";
import { Atlas } from "./atlas";
import type { Told } from "./message";

const host = document.querySelector<HTMLElement>(".maps");
const told = JSON.parse(document.querySelector("script#maps")?.textContent ?? "null") as Told | null;
document.head.append(element("style", {}, alone, css));
if (host && told) {
  const atlas = new Atlas(host, undefined);
  const show = (): void => void atlas.update(told, { setStateValue: () => undefined, setTriggerValue: () => undefined });
  matchMedia("(prefers-color-scheme: dark)").onchange = show;
  show();
}
