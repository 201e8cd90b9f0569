// Passes every redraw to the built module, which the browser fetches when the component is first drawn.
// Until the module is there, or if it cannot be loaded, the server's pictures are shown in <img data-from="NAME">.
const MOST_WAIT = 30_000; // milliseconds for the module; without an answer it counts as not loaded
const REPORT_INTERVAL = 1500;
const MAX_REPORTS = 5;
const reports = new WeakMap(); // timers, by component

function within(time, promise) {
  return Promise.race([promise, new Promise((_, reject) => setTimeout(reject, time))]);
}

// Streamlit can lose a message sent while it redraws the page, so this one is repeated until the page has changed.
function report({ data, parentElement, setStateValue }, times = MAX_REPORTS) {
  clearTimeout(reports.get(parentElement));
  if (data.off || times === 0) return;
  setStateValue("failed", { reason: "the page's own program could not be loaded", whole: true });
  reports.set(parentElement, setTimeout(() => report({ data, parentElement, setStateValue }, times - 1), REPORT_INTERVAL));
}

export default function (component) {
  const { data, parentElement } = component;
  const host = parentElement.querySelector(".host");
  for (const [name, value] of Object.entries(data.style ?? {})) host?.style.setProperty(name, value);
  host?.toggleAttribute("data-off", Boolean(data.off));
  for (const image of parentElement.querySelectorAll("img[data-from]")) {
    const source = data.pictures?.[image.dataset.from];
    if (source && image.src !== source) image.src = source;
  }
  const address = new URL(data.module, location.origin).href;
  within(MOST_WAIT, import(address)).then(
    (built) => {
      if (host?.dataset.empty) host.replaceChildren();
      built.default(component);
    },
    () => {
      if (host && host.childElementCount === 0) {
        host.dataset.empty = "true";
        host.textContent = "This part of the page could not be loaded. Reload the page to try again.";
      }
      report(component);
    },
  );
  return () => {
    clearTimeout(reports.get(parentElement));
    import(address).then((built) => built.unmount(parentElement), () => {});
  };
}
