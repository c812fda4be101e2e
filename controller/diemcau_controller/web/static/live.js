// Keeps the marked part of a page true: when the server says that something changed, it is fetched anew.
// Buttons with data-post do what they say and show the outcome.
"use strict";

const part = document.querySelector("[data-live]");
const stale = document.getElementById("stale");
let timer = 0;
let running = false;
let again = false;

async function refresh() {
  timer = 0;
  if (running) {
    again = true;
    return;
  }
  running = true;
  try {
    const answer = await fetch(part.dataset.live, { credentials: "same-origin" });
    if (answer.status === 401) {
      location.reload();
    } else if (answer.ok) {
      const text = await answer.text();
      if (!part.contains(document.activeElement)) {
        part.innerHTML = text;
      } else {
        const focused = key(document.activeElement);
        part.innerHTML = text;
        for (const candidate of part.querySelectorAll("a, button")) {
          if (key(candidate) === focused) {
            candidate.focus({ preventScroll: true });
            break;
          }
        }
      }
      stale.hidden = true;
    } else {
      stale.hidden = false;
    }
  } catch {
    stale.hidden = false;
  } finally {
    running = false;
    if (again) {
      again = false;
      soon();
    }
  }
}

function key(element) {
  return `${element.dataset.post || element.href}|${element.dataset.body || ""}`;
}

function soon() {
  if (!timer) {
    timer = setTimeout(refresh, 300);
  }
}

async function post(button) {
  if (button.dataset.sure && !confirm(button.dataset.sure)) {
    return;
  }
  button.disabled = true;
  let text = "";
  try {
    const answer = await fetch(button.dataset.post, {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json" },
      body: button.dataset.body || "{}",
    });
    if (!answer.ok) {
      text = (await answer.json()).detail;
    }
  } catch (error) {
    text = String(error);
  }
  button.disabled = false;
  if (text) {
    alert(text);
  }
  soon();
}

part.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-post]");
  if (button) {
    post(button);
  }
});

const source = new EventSource("/api/v1/stream");
for (const kind of ["site", "unit", "session", "schedule", "floor", "event", "report"]) {
  source.addEventListener(kind, soon);
}
source.onopen = soon;
source.onerror = () => {
  stale.hidden = false;
};
setInterval(soon, 20000);
