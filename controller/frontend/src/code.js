// The nine digits of a unit. Scanned, they come after the # of the address (…/e#123456789), which no server sees:
// they are kept through a log-in and filled in. data-code: a field for them, shown in threes.
const KEPT = "diemcau-code";
const scanned = location.hash.slice(1);
if (/^\d{9}$/.test(scanned)) {
  sessionStorage.setItem(KEPT, scanned);
  history.replaceState(history.state, "", location.pathname + location.search);
}

function inThrees(text) {
  return text.replace(/\D/g, "").slice(0, 9).replace(/(\d{3})(?=\d)/g, "$1 ");
}

function fill(field) {
  const kept = sessionStorage.getItem(KEPT);
  if (kept) {
    field.value = inThrees(kept);
    sessionStorage.removeItem(KEPT);
  }
  field.addEventListener("paste", (event) => {
    event.preventDefault();
    const pasted = event.clipboardData.getData("text");
    field.value = inThrees(pasted.slice(pasted.lastIndexOf("#") + 1));
  });
  field.addEventListener("input", () => {
    // Only at the end: whoever mends a digit in the middle keeps the cursor where it is.
    if (field.selectionEnd === field.value.length) {
      field.value = inThrees(field.value);
    }
  });
}

const field = document.querySelector("[data-code]");
if (field) {
  fill(field);
}
// Scanned again while this page is open: only the part after the # changes, and nothing is loaded.
window.addEventListener("hashchange", () => field && /^#\d{9}$/.test(location.hash) && location.reload());
