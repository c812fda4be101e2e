// htmx without anything the Content-Security-Policy forbids, and with our way of telling about errors.
import htmx from "htmx.org";

Object.assign(htmx.config, {
  allowEval: false,
  allowScriptTags: false,
  includeIndicatorStyles: false,
  selfRequestsOnly: true,
  historyCacheSize: 0, // a page that comes back is fetched anew: it shows the truth
  refreshOnHistoryMiss: true,
  timeout: 20000,
  responseHandling: [
    { code: "204", swap: false },
    { code: "[23]..", swap: true },
    { code: "422", swap: true }, // the same form again, with what is wrong
    { code: "...", swap: false, error: true },
  ],
});
window.htmx = htmx; // its extensions look for it there
