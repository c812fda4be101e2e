// Tells the person when a part of the page could not be fetched or changed, and what to do. The texts come with
// the page, in its language; the server's own sentence wins when it sent one (marked data-notice).
const notice = document.getElementById("notice");
let cause = null; // the element whose request failed; its next success takes the notice away

document.body.addEventListener("htmx:configRequest", (event) => {
  const csrf = document.querySelector('meta[name="csrf"]');
  if (csrf) {
    event.detail.headers["X-CSRF-Token"] = csrf.content;
  }
});

document.body.addEventListener("htmx:responseError", (event) => {
  const { xhr, elt } = event.detail;
  if (xhr.status === 401) {
    const here = location.pathname + location.search;
    location.assign(`/login?next=${encodeURIComponent(here)}`);
    return;
  }
  const answer = new DOMParser().parseFromString(xhr.responseText, "text/html");
  const said = answer.querySelector("[data-notice]");
  show(elt, said ? said.textContent.trim().replace(/\s+/g, " ") : notice.dataset.server);
});

for (const kind of ["htmx:sendError", "htmx:timeout"]) {
  document.body.addEventListener(kind, (event) => show(event.detail.elt, notice.dataset.network));
}

document.body.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful && (event.detail.elt === cause || !cause?.isConnected)) {
    notice.hidden = true;
    cause = null;
  }
});

notice?.querySelector("button").addEventListener("click", () => {
  notice.hidden = true;
});

function show(element, text) {
  if (notice) {
    cause = element;
    notice.querySelector("span").textContent = text;
    notice.hidden = false;
  }
}
