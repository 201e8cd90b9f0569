"""The maps' component on a page of its own, without a server: its points, pictures and addresses are made here."""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from app import live

TILE, CLASSES, COLUMNS = 8, 3, 20
DIST = live.HERE / "dist"
URL = "http://maps.test/"
READY = "'mount' in window"
LIGHT = "--st-background-color:#fff;--st-text-color:#111;--st-primary-color:#06c;--st-border-color:#ccc"
HTML = f"""<!doctype html><body style="{LIGHT};margin:0"><div id="at"></div><div style="height:2000px"></div>
<script type="module">
import * as module from "/dist/{live.MANIFEST["modules"]["maps"]}";
let root;
const tell = name => (what, value) => sent.push([name, what, value]);
Object.assign(window, {{sent: [], mount(data) {{
  if (!root) {{
    document.querySelector("#at").append(document.createElement("div"));
    root = document.querySelector("#at > div").attachShadow({{mode: "open"}});
    root.innerHTML = '<div class="maps host"></div>';
  }}
  module.default({{data, parentElement: root, setStateValue: tell("state"), setTriggerValue: tell("trigger")}});
}}, unmount() {{ module.unmount(root); root.host.remove(); root = undefined; }}}});
</script>"""


class Blobs:
    """Contents by address, as the routes serve them; the file that stands by itself holds them in its addresses."""

    def __init__(self, inline: bool = False) -> None:
        self.inline, self.held = inline, {}

    def put(self, values: Any, dtype: str | None = None) -> str:
        bytes_ = values if isinstance(values, bytes) else np.ascontiguousarray(values, dtype).tobytes()
        if self.inline:
            return f"data:application/octet-stream;base64,{base64.b64encode(bytes_).decode()}"
        known = (address for address, content in self.held.items() if content == bytes_)
        address = next(known, f"/live/blob/{len(self.held)}")
        self.held[address] = bytes_
        return address


def message(blobs: Blobs, n: int, shift: float = 0.0, colours: str = "classes", token: str = "one") -> dict[str, Any]:
    """Three maps of images in three classes; the first has an inverse, and the second has an empty middle."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % CLASSES
    angle = labels * 2 * np.pi / CLASSES
    ring = np.stack([np.cos(angle), np.sin(angle)], 1) * 0.7 + rng.normal(0, 0.05, (n, 2))
    maps = {"pca": ring[:, ::-1], "mds": ring, "code": ring * [1, -1] + [shift, 0]}
    sheet = (rng.random((-(-n // COLUMNS) * TILE, COLUMNS * TILE)) * 255).astype(np.uint8)
    png = io.BytesIO()
    Image.fromarray(sheet).save(png, "PNG")
    rows = np.stack([np.full(TILE * TILE, 0.5), np.linspace(-1, 1, TILE * TILE), np.zeros(TILE * TILE)])
    back = {"through": "pixels", "rows": blobs.put(rows, "<f4"), "shape": [1, TILE, TILE], "low": 0.0, "high": 1.0}
    figure = {"name": "Stress-1", "value": "0.20", "word": "poor", "said": "A sentence.", "definition": "A formula."}
    by_class = colours == "classes"
    return {
        "base": "", "token": token, "n": n,
        "panels": [
            {
                "id": name, "title": name.upper(), "note": "A note.", "alt": f"{name} of {n} images.",
                "places": blobs.put(np.round(places * 1000), "<i2"), "figures": [figure],
                "middles": [[str(k), *places[labels == k].mean(0).tolist()] for k in range(CLASSES)], "colour": None,
                "own": [], "back": back if name == "pca" else None,
                "nowhere": "MDS has no inverse." if name == "mds" else "",
            }
            for name, places in maps.items()
        ],
        "colour": blobs.put(labels if by_class else np.arange(n) % 5, "u1"),
        "table": [[200, 0, 0], [0, 160, 0], [0, 0, 200], [0, 0, 0], [99, 99, 99]][: CLASSES if by_class else 5],
        "shapes": ["circle", "square", "diamond"] if by_class else [],
        "legend": {"title": "Class", "names": ["red", "green", "blue"] if by_class else [], "low": "0", "high": "4"},
        "labels": blobs.put(labels, "<u2"), "label_names": ["red", "green", "blue"],
        "index": blobs.put(np.arange(n) + 1000, "<i4"), "origin": blobs.put(np.zeros(n), "u1"),
        "origins": ["test image"],
        "images": {"tile": [TILE, TILE], "sprite": blobs.put(png.getvalue())},
        "thumbnails": False, "own": None,
    }  # fmt: skip


def answer(route: Any, blobs: Blobs) -> Any:
    """What a server with the page, the built modules and these contents answers; in either of Playwright's ways."""
    path = route.request.url.removeprefix(URL.rstrip("/"))
    if path == "/":
        return route.fulfill(body=HTML, content_type="text/html")
    if path.startswith("/dist/"):
        return route.fulfill(path=DIST / path.removeprefix("/dist/"), content_type="text/javascript")
    if path in blobs.held:
        return route.fulfill(body=blobs.held[path], content_type="application/octet-stream")
    return route.fulfill(status=404, body="gone")
