// Tiles cut from one sprite. The default export runs at every redraw: it keeps the buttons and only updates them.
const shown = new WeakMap(); // root -> what is drawn on its tiles

// On canvases: a picture that a page lays out stays decoded in the browser long after it has left the page.
async function draw(root, { uri, width, height, across }) {
  const tiles = root.querySelectorAll("canvas");
  const wanted = `${tiles.length} ${uri}`;
  if (shown.get(root) === wanted) return;
  shown.set(root, wanted);
  const sprite = await createImageBitmap(await (await fetch(uri)).blob());
  if (shown.get(root) === wanted) {
    tiles.forEach((tile, i) => {
      Object.assign(tile, { width, height });
      const [x, y] = [(i % across) * width, Math.floor(i / across) * height];
      tile.getContext("2d").drawImage(sprite, x, y, width, height, 0, 0, width, height);
    });
    root.dataset.ready = "true";
  }
  sprite.close();
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".tiles");
  const { width, height, labels, chosen, columns, mark } = data;
  root.className = columns ? "tiles fill" : "tiles flow";
  root.setAttribute("aria-label", data.title);
  const styles = { "--w": `${width}px`, "--ratio": height / width, "--n": columns ?? 1 };
  for (const [name, value] of Object.entries(styles)) root.style.setProperty(name, value);

  const buttons = [...root.querySelectorAll("button")];
  while (buttons.length > labels.length) buttons.pop().remove();
  while (buttons.length < labels.length) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(document.createElement("canvas"));
    root.insertBefore(button, root.querySelector(".mark"));
    buttons.push(button);
  }
  const entry = chosen ?? 0;
  buttons.forEach((button, i) => {
    button.title = labels[i];
    button.setAttribute("aria-label", labels[i]);
    button.setAttribute("aria-pressed", String(i === chosen));
    button.tabIndex = i === entry ? 0 : -1;
    button.onclick = () => setTriggerValue("picked", i);
  });

  // Arrow keys move between tiles, Enter or Space picks: one stop for the tab key.
  root.onkeydown = (event) => {
    const at = buttons.indexOf(parentElement.activeElement ?? document.activeElement);
    const row = buttons.filter((b) => b.offsetTop === buttons[0].offsetTop).length;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -row, ArrowDown: row }[event.key];
    const next = at < 0 || step === undefined ? undefined : buttons[at + step];
    if (step !== undefined) event.preventDefault();
    if (!next) return;
    buttons.forEach((b) => { b.tabIndex = b === next ? 0 : -1; });
    next.focus();
  };

  let dot = root.querySelector(".mark");
  if (!mark) {
    dot?.remove();
  } else {
    if (!dot) {
      dot = root.appendChild(document.createElement("span"));
      dot.className = "mark";
    }
    const tall = `calc(var(--cell) * var(--ratio))`;
    dot.style.left = `calc(var(--cell) / 2 + ${mark[0]} * (100% - var(--cell)))`;
    dot.style.top = `calc(${tall} / 2 + ${1 - mark[1]} * (100% - ${tall}))`;
  }
  void draw(root, data);
}
