// Tiles cut from one sprite. The default export runs at every redraw: it keeps the buttons and only updates them.
function bytesOf(uri) {
  const text = atob(uri.slice(uri.indexOf(",") + 1));
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  return bytes;
}

const sprites = new WeakMap();

// A short address for the sprite: the data URI itself would be read again for each of the tiles.
function sprite(root, uri) {
  const known = sprites.get(root);
  if (known?.uri === uri) return known.address;
  if (known) URL.revokeObjectURL(known.address);
  const bytes = bytesOf(uri);
  const address = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
  sprites.set(root, { uri, address });
  return address;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".tiles");
  const { width, height, across, labels, chosen, columns, mark } = data;
  root.className = columns ? "tiles fill" : "tiles flow";
  root.setAttribute("aria-label", data.title);
  const styles = {
    "--sprite": `url("${sprite(root, data.uri)}")`, "--w": `${width}px`, "--ratio": height / width, "--across": across, "--n": columns ?? 1,
  };
  for (const [name, value] of Object.entries(styles)) root.style.setProperty(name, value);

  const buttons = [...root.querySelectorAll("button")];
  while (buttons.length > labels.length) buttons.pop().remove();
  while (buttons.length < labels.length) {
    const button = document.createElement("button");
    button.type = "button";
    root.insertBefore(button, root.querySelector(".mark"));
    buttons.push(button);
  }
  const entry = chosen ?? 0;
  buttons.forEach((button, i) => {
    button.style.setProperty("--x", i % across);
    button.style.setProperty("--y", Math.floor(i / across));
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
  root.dataset.ready = "true";
  return () => {
    URL.revokeObjectURL(sprites.get(root)?.address);
    sprites.delete(root);
  };
}
