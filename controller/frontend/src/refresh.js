// A part of the page that the server's hints fetch again must not be taken away from under somebody's hand: while
// they type in it or were asked something in it, it waits; and a button that had the focus has it again afterwards.
const waiting = new Map(); // element → the topic it was to be fetched for

function inUse(part) {
  const focused = document.activeElement;
  return (
    part.querySelector("details.confirm[open]") ||
    (part.contains(focused) && focused.matches("input:not([type=checkbox], [type=radio]), textarea, select"))
  );
}

function catchUp() {
  for (const [part, topic] of waiting) {
    if (!part.isConnected) {
      waiting.delete(part);
    } else if (!inUse(part)) {
      waiting.delete(part);
      window.htmx.trigger(part, topic);
    }
  }
}

// What tells one button from all others: itself and the form it sends.
function likeness(element) {
  return (element.closest("form")?.outerHTML ?? "") + element.outerHTML;
}

document.addEventListener("htmx:beforeRequest", (event) => {
  const { elt, requestConfig } = event.detail;
  const topic = requestConfig.triggeringEvent?.type ?? "";
  if (topic.startsWith("sse:") && inUse(elt)) {
    waiting.set(elt, topic);
    event.preventDefault();
  }
});
for (const kind of ["focusout", "toggle"]) {
  document.addEventListener(kind, () => setTimeout(catchUp), true);
}

document.addEventListener("htmx:beforeSwap", (event) => {
  const { target, requestConfig } = event.detail;
  const topic = requestConfig?.triggeringEvent?.type ?? "";
  if (topic.startsWith("sse:") && inUse(target)) {
    waiting.set(target, topic); // asked for before, answered while somebody was about to say yes
    event.detail.shouldSwap = false;
    return;
  }
  const focused = document.activeElement;
  target.focusedLikeness = target.contains(focused) && !focused.id ? likeness(focused) : "";
});
document.addEventListener("htmx:afterSwap", (event) => {
  const { target } = event.detail;
  if (target.focusedLikeness && document.activeElement === document.body) {
    for (const candidate of target.querySelectorAll("a, button, summary")) {
      if (likeness(candidate) === target.focusedLikeness) {
        candidate.focus({ preventScroll: true });
        break;
      }
    }
  }
  target.focusedLikeness = "";
});
