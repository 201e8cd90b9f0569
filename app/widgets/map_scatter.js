// Maps of the same images side by side: point at one and it is marked in all; draw a lasso in one and all show the selection.
// Nothing is computed here but where things are on the screen; Python hears only of a finished selection.

const EDGE = 1.07;
const RADIUS = 2.8;
const REACH = 12;
const THUMBNAIL = 24;
const kept = new WeakMap();

export function numbers(text, Type) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Type(bytes.buffer);
}

export function inside(polygon, x, y) {
  let odd = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [xi, yi] = polygon[i], [xj, yj] = polygon[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) odd = !odd;
  }
  return odd;
}

// Every point once, in an order that looks random but is always the same.
export function shuffled(n) {
  const order = Array.from({ length: n }, (_, i) => i);
  let seed = 12345;
  for (let i = n - 1; i > 0; i--) {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    const j = seed % (i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

const element = (tag, className, text) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
};

function shape(context, kind, x, y, r) {
  context.beginPath();
  if (kind === "square") context.rect(x - r * 0.9, y - r * 0.9, r * 1.8, r * 1.8);
  else if (kind === "diamond") {
    context.moveTo(x, y - r * 1.25); context.lineTo(x + r * 1.25, y); context.lineTo(x, y + r * 1.25); context.lineTo(x - r * 1.25, y);
  } else if (kind === "cross") {
    context.rect(x - r * 1.2, y - r * 0.4, r * 2.4, r * 0.8); context.rect(x - r * 0.4, y - r * 1.2, r * 0.8, r * 2.4);
  } else context.arc(x, y, r, 0, 2 * Math.PI);
  context.fill();
}

class Maps {
  constructor(host) {
    this.host = host;
    this.legend = element("div", "legend");
    this.grid = element("div", "panels");
    this.tip = element("div", "tip");
    this.tipCanvas = element("canvas");
    this.tipText = element("span");
    this.tip.append(this.tipCanvas, this.tipText);
    this.host.append(this.legend, this.grid, this.tip);
    this.selected = new Set();
    this.token = null;
    this.hovered = -1;
    this.frames = 0;
    this.observer = new ResizeObserver(() => this.request());
    this.host.dataset.ready = "0";
  }

  update(data, commit) {
    this.data = data;
    this.commit = commit;
    this.n = data.n;
    if (data.token !== this.token) {
      this.token = data.token;
      this.selected = new Set();
    }
    this.hovered = -1;
    this.colour = numbers(data.colour, Uint16Array);
    this.index = numbers(data.index, Int32Array);
    this.origin = numbers(data.origin, Uint8Array);
    this.label = data.labels ? numbers(data.labels, Uint16Array) : null;
    this.order = shuffled(this.n);
    this.panels = data.panels.map((panel) => ({ ...panel, xy: numbers(panel.places, Int16Array) }));
    this.sprite = this.image(data.sprite);
    this.ownSprite = data.own ? this.image(data.own.sprite) : null;
    this.buildLegend();
    this.buildPanels();
    this.draw();
    this.host.dataset.ready = "1";
  }

  image(uri) {
    const picture = new Image();
    picture.onload = () => this.request();
    picture.src = uri;
    return picture;
  }

  css(index) {
    const [r, g, b] = this.data.table[index];
    return `rgb(${r} ${g} ${b})`;
  }

  buildLegend() {
    const { legend } = this.data;
    const items = [];
    if (legend.title) items.push(element("span", "what", legend.title));
    this.chips = [];
    if (legend.names.length > 1) {
      legend.names.forEach((name, i) => {
        const chip = element("button");
        const swatch = element("canvas", "swatch");
        swatch.width = swatch.height = 24;
        const context = swatch.getContext("2d");
        context.fillStyle = this.css(i);
        shape(context, this.data.shapes[i], 12, 12, 9);
        chip.append(swatch, element("span", "", name));
        chip.type = "button";
        chip.title = `Select ${name}; with Shift, add it`;
        chip.onclick = (event) => {
          const own = [...this.colour.keys()].filter((j) => this.colour[j] === i);
          const all = own.every((j) => this.selected.has(j)) && this.selected.size === own.length;
          this.select(all ? [] : own, event.shiftKey);
        };
        this.chips.push(chip);
        items.push(chip);
      });
    } else if (!legend.names.length) {
      const ramp = element("span", "ramp");
      ramp.style.background = `linear-gradient(90deg, ${this.data.table.map((_, i) => this.css(i)).join(",")})`;
      items.push(element("span", "", legend.low), ramp, element("span", "", legend.high));
    }
    const status = element("span", "status");
    status.setAttribute("aria-live", "polite");
    this.count = element("span");
    this.clear = element("button", "", "Clear selection");
    this.clear.type = "button";
    this.clear.onclick = () => this.select([], false);
    status.append(this.count, this.clear);
    this.legend.replaceChildren(...items, status);
  }

  buildPanels() {
    if (this.panelNodes?.length !== this.panels.length) {
      this.observer.disconnect();
      this.panelNodes = this.panels.map(() => {
        const node = element("section", "panel");
        const parts = { node, title: element("h3"), note: element("p", "note"), frame: element("div", "frame"), canvas: element("canvas"), figures: element("dl", "figures") };
        parts.frame.append(parts.canvas);
        node.append(parts.title, parts.note, parts.frame, parts.figures);
        return parts;
      });
      this.grid.replaceChildren(...this.panelNodes.map((parts) => parts.node));
      this.panelNodes.forEach((parts, p) => {
        this.observer.observe(parts.frame);
        this.listen(parts.canvas, p);
      });
    }
    this.panels.forEach((panel, p) => {
      const parts = this.panelNodes[p];
      parts.title.textContent = panel.title;
      parts.note.textContent = panel.note;
      parts.canvas.tabIndex = 0;
      parts.canvas.setAttribute("role", "img");
      parts.canvas.setAttribute("aria-label", panel.alt);
      parts.figures.replaceChildren(...panel.figures.map(({ name, value, word, said }) => {
        const box = element("div");
        const shown = element("dd", "", value);
        box.title = said;
        shown.append(element("small", "", word));
        box.append(element("dt", "", name), shown);
        return box;
      }));
    });
  }

  listen(canvas, p) {
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    canvas.onpointerdown = (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.lasso = { p, path: [at(event)], add: event.shiftKey };
      this.point(-1, event);
    };
    canvas.onpointermove = (event) => {
      const here = at(event);
      if (this.lasso?.p === p) {
        this.lasso.path.push(here);
        this.request();
      } else this.point(this.nearest(p, here), event);
    };
    canvas.onpointerleave = (event) => this.point(-1, event);
    canvas.onpointercancel = () => { this.lasso = null; this.request(); };
    canvas.onpointerup = (event) => {
      if (this.lasso?.p !== p) return;
      const { path, add } = this.lasso;
      this.lasso = null;
      const far = path.some(([x, y]) => Math.hypot(x - path[0][0], y - path[0][1]) > 5);
      if (far) this.select(this.caught(p, path), add);
      else {
        const one = this.nearest(p, at(event));
        this.select(one < 0 ? [] : [one], add && one >= 0);
      }
    };
    canvas.onkeydown = (event) => { if (event.key === "Escape") this.select([], false); };
  }

  screen(p, side) {
    const { xy } = this.panels[p];
    const scale = side / (2 * EDGE);
    return (i) => [(xy[2 * i] / 1000 + EDGE) * scale, (EDGE - xy[2 * i + 1] / 1000) * scale];
  }

  side(p) { return this.panelNodes[p].frame.clientWidth; }

  nearest(p, [x, y]) {
    const place = this.screen(p, this.side(p));
    let best = -1, least = REACH;
    for (let i = 0; i < this.n; i++) {
      const [a, b] = place(i), apart = Math.hypot(a - x, b - y);
      if (apart < least) [best, least] = [i, apart];
    }
    return best;
  }

  caught(p, path) {
    const place = this.screen(p, this.side(p));
    return Array.from({ length: this.n }, (_, i) => i).filter((i) => inside(path, ...place(i)));
  }

  select(indices, add) {
    this.selected = new Set(add ? [...this.selected, ...indices] : indices);
    this.request();
    this.commit({ token: this.token, indices: [...this.selected].sort((a, b) => a - b) });
  }

  point(i, event) {
    if (i !== this.hovered) {
      this.hovered = i;
      this.request();
    }
    this.tip.classList.toggle("on", i >= 0);
    if (i < 0) return;
    const { tile } = this.data, factor = Math.max(1, Math.floor(72 / Math.max(...tile)));
    Object.assign(this.tipCanvas, { width: tile[1] * factor, height: tile[0] * factor });
    const context = this.tipCanvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    this.tile(context, this.sprite, i, 0, 0, factor);
    const name = this.label ? `${this.data.label_names[this.label[i]]} · ` : "";
    this.tipText.textContent = `${name}${this.data.origins[this.origin[i]]} ${this.index[i]}`;
    const width = this.tip.offsetWidth, height = this.tip.offsetHeight;
    this.tip.style.left = `${Math.min(event.clientX + 14, innerWidth - width - 8)}px`;
    this.tip.style.top = `${event.clientY + 16 + height > innerHeight ? event.clientY - height - 10 : event.clientY + 16}px`;
  }

  tile(context, sprite, i, x, y, factor) {
    const { tile: [h, w], columns } = this.data;
    if (!sprite.complete || !sprite.naturalWidth) return;
    context.drawImage(sprite, (i % columns) * w, Math.floor(i / columns) * h, w, h, x, y, w * factor, h * factor);
  }

  request() {
    if (this.frames) return;
    this.frames = requestAnimationFrame(() => { this.frames = 0; this.draw(); });
  }

  draw() {
    if (!this.data) return;
    const style = getComputedStyle(this.host);
    const look = { ink: style.getPropertyValue("--st-text-color") || "#333", paper: style.getPropertyValue("--st-background-color") || "#fff", accent: style.getPropertyValue("--st-primary-color") || "#06c" };
    this.panels.forEach((_, p) => this.drawPanel(p, look));
    const count = this.selected.size;
    this.clear.hidden = count === 0;
    this.count.textContent = count ? `${count.toLocaleString("en")} selected` : "";
    this.chips.forEach((chip, i) => {
      let own = 0, has = 0;
      if (count) for (let j = 0; j < this.n; j++) if (this.colour[j] === i) { own++; has += this.selected.has(j); }
      chip.setAttribute("aria-pressed", String(own > 0 && own === has));
    });
    this.host.dataset.selected = String(count);
    this.host.dataset.frame = String(Number(this.host.dataset.frame || 0) + 1);
  }

  drawPanel(p, look) {
    const { canvas } = this.panelNodes[p], side = this.side(p), ratio = devicePixelRatio || 1;
    if (!side) return;
    const pixels = Math.round(side * ratio);
    if (canvas.width !== pixels) canvas.width = canvas.height = pixels;
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, side, side);
    const place = this.screen(p, side), some = this.selected.size > 0;
    const dot = (i, radius) => {
      context.fillStyle = this.css(this.colour[i]);
      shape(context, this.data.shapes[this.colour[i]] ?? "circle", ...place(i), radius);
    };
    const radius = (this.n > 700 ? RADIUS : RADIUS + 0.6) * (this.data.thumbnails ? 0.62 : 1) * (side < 300 ? 0.85 : 1);
    context.globalAlpha = some ? 0.14 : 0.85;
    for (const i of this.order) if (!this.selected.has(i)) dot(i, radius);
    context.globalAlpha = 1;
    if (some) for (const i of this.selected) dot(i, radius + 0.6);
    if (this.data.thumbnails) this.drawThumbnails(context, p, place, pixels, ratio);
    else this.drawNames(context, p, side, look);
    this.drawOwn(context, p, pixels, look, ratio);
    if (this.hovered >= 0) {
      const [x, y] = place(this.hovered);
      context.lineWidth = 2;
      context.strokeStyle = look.paper; context.beginPath(); context.arc(x, y, 9, 0, 7); context.stroke();
      context.strokeStyle = look.ink; context.beginPath(); context.arc(x, y, 7, 0, 7); context.stroke();
    }
    if (this.lasso?.p === p) {
      context.beginPath();
      this.lasso.path.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
      context.closePath();
      context.globalAlpha = 0.12; context.fillStyle = look.accent; context.fill();
      context.globalAlpha = 1; context.strokeStyle = look.accent; context.lineWidth = 1.5; context.stroke();
    }
  }

  // Device pixels, so that every pixel of a picture is a whole number of them.
  drawThumbnails(context, p, place, pixels, ratio) {
    const { tile: [h, w] } = this.data;
    const factor = Math.max(1, Math.floor((THUMBNAIL * ratio) / (Math.max(h, w) + 2)));
    const edge = Math.max(1, Math.round(factor)), width = w * factor + 2 * edge, height = h * factor + 2 * edge;
    const taken = this.ownPlaces(p, pixels, ratio);
    context.save();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.imageSmoothingEnabled = false;
    for (const i of this.order) {
      if (this.selected.size && !this.selected.has(i)) continue;
      const [x, y] = place(i);
      const left = Math.min(Math.max(0, Math.round(x * ratio - width / 2)), pixels - width);
      const top = Math.min(Math.max(0, Math.round(y * ratio - height / 2)), pixels - height);
      if (taken.some(([a, b]) => Math.abs(a - left) < width && Math.abs(b - top) < height)) continue;
      taken.push([left, top]);
      context.fillStyle = this.css(this.colour[i]);
      context.fillRect(left, top, width, height);
      this.tile(context, this.sprite, i, left + edge, top + edge, factor);
    }
    context.restore();
  }

  drawNames(context, p, side, look) {
    const scale = side / (2 * EDGE);
    context.font = `600 ${side < 300 ? 12 : 14}px ${getComputedStyle(this.host).fontFamily}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    const { middles } = this.panels[p];
    const crowded = middles.filter(([, x, y], i) => middles.some(([, a, b], j) => i !== j && Math.hypot(a - x, b - y) * scale < 20));
    if (crowded.length > middles.length / 2) return; // classes that lie in one heap have no place for their names
    for (const [name, x, y] of middles) {
      context.lineWidth = 4;
      context.strokeStyle = look.paper;
      context.fillStyle = look.ink;
      const at = [(x + EDGE) * scale, (EDGE - y) * scale];
      context.strokeText(name, ...at);
      context.fillText(name, ...at);
    }
  }

  // Top left corners in device pixels, wholly inside the panel, and the enlargement.
  ownPlaces(p, pixels, ratio) {
    const { own, tile: [h, w] } = this.data;
    if (!own) return [];
    const scale = pixels / (2 * EDGE), factor = Math.max(1, Math.floor((30 * ratio) / Math.max(h, w)));
    const margin = Math.round(9 * ratio);
    const within = (value, size) => Math.round(Math.min(Math.max(margin, value - size / 2), pixels - size - margin));
    return this.panels[p].own.map(([x, y]) => [within((x + EDGE) * scale, w * factor), within((EDGE - y) * scale, h * factor), factor]);
  }

  drawOwn(context, p, pixels, look, ratio) {
    const { tile: [h, w] } = this.data;
    context.save();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.imageSmoothingEnabled = false;
    context.font = `700 ${11 * ratio}px ${getComputedStyle(this.host).fontFamily}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    this.ownPlaces(p, pixels, ratio).forEach(([left, top, factor], i) => {
      const width = w * factor, height = h * factor, edge = Math.round(3 * ratio), rim = Math.round(ratio);
      const box = (by) => context.fillRect(left - by, top - by, width + 2 * by, height + 2 * by);
      context.fillStyle = look.paper;
      box(edge + rim);
      context.fillStyle = look.ink;
      box(edge);
      context.fillStyle = look.paper;
      box(rim);
      this.tile(context, this.ownSprite, i, left, top, factor);
      const [x, y] = [left + width + edge, top - edge];
      context.fillStyle = look.ink;
      context.beginPath();
      context.arc(x, y, 8 * ratio, 0, 2 * Math.PI);
      context.fill();
      context.fillStyle = look.paper;
      context.fillText(`${i + 1}`, x, y + ratio / 2);
    });
    context.restore();
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const host = parentElement.querySelector(".maps");
  let maps = kept.get(host);
  if (!maps) kept.set(host, (maps = new Maps(host)));
  maps.update(data, (value) => setStateValue("selection", value));
  return () => maps.observer.disconnect();
}
