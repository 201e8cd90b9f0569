// Filmstrips, each over its slider. Runs at every redraw and only updates what is there; the picture is asked for on release.
const held = new WeakMap(); // root -> { drawn, rounds, sent }

// On canvases: a picture that a page lays out stays decoded in the browser long after it has left the page.
async function draw(root, known, { uri, natural, height, films }) {
  const wanted = `${films.length} ${uri}`;
  if (known.drawn === wanted) return;
  known.drawn = wanted;
  const sheet = await createImageBitmap(await (await fetch(uri)).blob());
  if (known.drawn === wanted) {
    root.querySelectorAll("canvas").forEach((strip, i) => {
      Object.assign(strip, { width: natural, height });
      strip.getContext("2d").drawImage(sheet, 0, i * (height + 1), natural, height, 0, 0, natural, height);
    });
  }
  sheet.close();
}

function row(root, i, hear) {
  const film = document.createElement("div");
  film.innerHTML =
    '<div class="head"><span class="words"><b></b> <span></span></span><button type="button"></button><output></output></div>' +
    '<div class="strip" role="img"><canvas></canvas><i class="needle"></i></div><input type="range"><div class="ends"></div>';
  const input = film.querySelector("input");
  input.addEventListener("input", () => show(film));
  input.addEventListener("change", () => hear(i, Number(input.value)));
  film.querySelector("button").addEventListener("click", () => {
    hear(i, Number(film.dataset.home));
    input.focus();
  });
  return root.appendChild(film);
}

function show(film) {
  const input = film.querySelector("input");
  const share = (input.value - input.min) / (input.max - input.min);
  film.style.setProperty("--share", share);
  const text = Number(input.value).toFixed(film.dataset.decimals);
  film.querySelector("output").textContent = text;
  input.setAttribute("aria-valuetext", text);
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".films");
  const known = held.get(root) ?? { sent: data.heard };
  held.set(root, known);
  if (known.rounds !== data.rounds) {
    known.rounds = data.rounds;
    known.sent = data.heard;
  }
  known.hear = (i, value) => {
    known.sent += 1;
    setTriggerValue("moved", { row: i, value, count: known.sent, rounds: known.rounds });
  };
  const { natural, width, height } = data;
  const styles = { "--natural": `${natural}px`, "--wide": width / natural, "--tall": height / natural };
  for (const [name, value] of Object.entries(styles)) root.style.setProperty(name, value);

  const films = [...root.children];
  while (films.length > data.films.length) films.pop().remove();
  while (films.length < data.films.length) films.push(row(root, films.length, (i, value) => known.hear(i, value)));
  // An answer to an earlier move must not pull a slider back that has been moved since.
  const late = data.heard < known.sent;
  data.films.forEach((told, i) => {
    const film = films[i];
    const input = film.querySelector("input");
    film.className = told.faint ? "film faint" : "film";
    film.dataset.decimals = told.decimals;
    film.dataset.home = told.home;
    film.querySelector("b").textContent = told.title;
    film.querySelector(".words span").textContent = told.note;
    film.querySelector(".strip").setAttribute("aria-label", `${told.title}: the pictures along its slider`);
    const back = film.querySelector("button");
    back.textContent = "put back";
    back.hidden = !told.moved;
    const ends = film.querySelector(".ends");
    ends.replaceChildren(...told.ends.filter(Boolean).map((text) => Object.assign(document.createElement("span"), { textContent: text })));
    input.setAttribute("aria-label", told.title);
    if (!late) Object.assign(input, { min: told.low, max: told.high, step: told.step, value: told.value });
    show(film);
  });
  const pager = parentElement.querySelector(".pager");
  pager.hidden = data.pages < 2;
  pager.querySelector("output").textContent = data.paging;
  const [before, after] = pager.querySelectorAll("button");
  before.disabled = data.page <= 0;
  after.disabled = data.page >= data.pages - 1;
  before.onclick = () => setTriggerValue("turned", data.page - 1);
  after.onclick = () => setTriggerValue("turned", data.page + 1);
  void draw(root, known, data);
  root.dataset.ready = "true";
}
