// Passes every redraw to the built module, which the browser fetches when the component is first drawn.
// Until the module is there, or if it cannot be loaded, the server's pictures are shown in <img data-from="NAME">.
export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const host = parentElement.querySelector(".host");
  for (const [name, value] of Object.entries(data.style ?? {})) host?.style.setProperty(name, value);
  for (const image of parentElement.querySelectorAll("img[data-from]")) {
    const source = data.pictures?.[image.dataset.from];
    if (source && image.src !== source) image.src = source;
  }
  const address = new URL(data.module, location.origin).href;
  import(address).then(
    (built) => built.default(component),
    () => {
      if (!data.off) setStateValue("failed", { reason: "the page's own program could not be loaded" });
    },
  );
  return () => import(address).then((built) => built.unmount(parentElement), () => {});
}
