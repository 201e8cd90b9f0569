// Draws HTML from the server, and tells the page which of its links and buttons is pressed.
export default function ({ data, parentElement, setTriggerValue }) {
  const host = parentElement.querySelector(".pressable");
  if (host.drawn !== data) {
    host.innerHTML = host.drawn = data;
  }
  host.onclick = (event) => {
    const pressed = event.target.closest("[data-action]");
    // With such a key, the browser opens a link's address by itself, in a new tab for example.
    if (pressed && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      setTriggerValue("pressed", { action: pressed.dataset.action, subject: pressed.dataset.subject });
    }
  };
}
