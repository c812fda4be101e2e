// A clock that counts on from what the server said: <strong data-elapsed="83">1:23</strong>, in seconds. The
// browser's own idea of the time of day is not asked.
const since = new WeakMap();

function tick() {
  for (const element of document.querySelectorAll("[data-elapsed]")) {
    if (!since.has(element)) {
      since.set(element, performance.now() - 1000 * Number(element.dataset.elapsed));
    }
    const seconds = Math.floor((performance.now() - since.get(element)) / 1000);
    const rest = String(seconds % 60).padStart(2, "0");
    element.textContent = `${Math.floor(seconds / 60)}:${rest}`;
  }
}

tick();
setInterval(tick, 1000);
document.body.addEventListener("htmx:afterSettle", tick);
