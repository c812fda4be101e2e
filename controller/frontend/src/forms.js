// Small comforts for forms; all of them work without.
// data-submit-on-change: a filter that applies at once. data-copy="#id": copies the text of that element.
// data-chooses: what is typed here chooses the button that stands before it. data-check-all="name": ticks all boxes of that name. A form is sent once however often its button is tapped.
document.addEventListener("change", (event) => {
  const { target } = event;
  if (target.form && target.closest("[data-submit-on-change]")) {
    target.form.requestSubmit();
  }
  if (target.dataset.checkAll) {
    for (const box of target.form.querySelectorAll(`input[name="${CSS.escape(target.dataset.checkAll)}"]`)) {
      if (!box.disabled && box.offsetParent !== null && box.checked !== target.checked) {
        box.checked = target.checked;
        box.dispatchEvent(new Event("input", { bubbles: true }));
      }
    }
  }
});

document.addEventListener("input", (event) => {
  if (event.target.matches("[data-chooses]")) {
    event.target.parentElement.querySelector('input[type="radio"]').checked = true;
  }
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") {
    return;
  }
  if (form.dataset.sent) {
    event.preventDefault();
  }
  form.dataset.sent = "yes";
});
// Back in the history the form may be sent again.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
  }
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) {
    const text = document.querySelector(button.dataset.copy).textContent.trim();
    await navigator.clipboard.writeText(text);
    button.dataset.done = "yes";
    return;
  }
  for (const menu of document.querySelectorAll("details.menu[open], details.confirm[open]")) {
    if (!menu.contains(event.target)) {
      menu.open = false;
    }
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const menu of document.querySelectorAll("details.menu[open], details.confirm[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  } else if (event.key === "/" && !event.target.closest("input, textarea, select, [contenteditable]")) {
    const search = document.querySelector('input[type="search"]');
    if (search) {
      event.preventDefault();
      search.focus();
    }
  }
});
