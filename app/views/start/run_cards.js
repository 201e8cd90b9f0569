// Draws the cards of runs, and tells the page when one of their links is pressed.
export default function ({ data, parentElement, setTriggerValue }) {
  const host = parentElement.querySelector(".run-cards");
  if (host.drawn !== data) {
    host.innerHTML = host.drawn = data;
  }
  host.onclick = (event) => {
    const link = event.target.closest("a[data-page]");
    // Otherwise the browser opens the link's address, in a new tab for example.
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      setTriggerValue("open", { page: link.dataset.page, run: link.dataset.run });
    }
  };
}
