// A clock that counts on from what the server said: <strong data-elapsed="83" data-of="m1">1:23</strong>, in
// seconds since what is named began. The browser's own idea of the time of day is not asked, and a part of the
// page that was long on its way does not set the clock back.
const began = new Map(); // name → when it began, by performance.now()

function tick() {
  for (const element of document.querySelectorAll("[data-elapsed]")) {
    const name = element.dataset.of;
    const said = performance.now() - 1000 * Number(element.dataset.elapsed);
    began.set(name, Math.min(said, began.get(name) ?? said));
    const seconds = Math.floor((performance.now() - began.get(name)) / 1000);
    element.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }
}

tick();
setInterval(tick, 1000);
document.body.addEventListener("htmx:afterSettle", tick);
