"""What must hold for every page at every width: nothing wider than the window, no text cut off, no key in
place of a text, no error on the console, no request to elsewhere, nothing serious for axe."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from diemcau_controller.web.words import LANGUAGES, domains, keys
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.room_page import FLAGS

AXE = Path(__file__).parents[2] / "controller/frontend/node_modules/axe-core/axe.min.js"
HEIGHTS = {360: 740, 1366: 768, 3840: 2160}
_KEYS = frozenset(
    key for language in LANGUAGES for domain in domains(language) for key in keys(language, domain)
)
# A part that was asked for gave way to a newer one, as hx-sync wants it; what fails says sendError besides.
_GAVE_WAY = ("htmx:afterRequest,", "htmx:sendAbort,")
_WORD = re.compile(r"[a-z_]+\.[\w.-]*\w")
# Text that does not fit where it is shown. What only screen readers read, and what scrolls, is not meant.
_CLIPPED = """() => [...document.querySelectorAll("body *")].filter(element => {
    const style = getComputedStyle(element);
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    const shown = element.checkVisibility() && !element.closest(".hide, .skip, svg, select");
    if (!own || !shown) return false;
    for (let box = element; box && box !== document.body; box = box.parentElement) {
        const seen = getComputedStyle(box);
        if (seen.clipPath === "inset(50%)") return false;
        if (seen.overflowX === "visible" || seen.display === "inline") continue;
        if (seen.overflowX === "auto" || seen.overflowX === "scroll") return false;
        if (box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 2) return true;
    }
    return element.scrollWidth > element.clientWidth + 1 && style.display !== "inline";
}).map(element => `${element.tagName} ${element.className}: ${element.textContent.trim().slice(0, 60)}`)"""


def gave_way(text: str) -> bool:
    """Does htmx only say on the console that a part gave way, to a newer one or to another page?"""
    return text.startswith(_GAVE_WAY)


class Watched:
    """A page in a window of its own, and what went wrong on it so far."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page, self._origin = page, origin
        self.wrong: list[str] = []
        page.on("console", lambda one: one.type in ("error", "warning") and self._said(one.text))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("request", lambda request: self._asked(request.url))

    def _said(self, text: str) -> None:
        if not gave_way(text):
            self.wrong.append(text)

    def _asked(self, url: str) -> None:
        if not url.startswith((self._origin, "data:", "blob:")):
            self.wrong.append(f"request to {url}")

    def check(self, *, axe: bool = True) -> None:
        """All of it, as the page stands now."""
        page = self.page
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{wide} px wider than the window"
        clipped = page.evaluate(_CLIPPED)
        assert clipped == [], f"text is cut off: {clipped}"
        raw = _KEYS.intersection(_WORD.findall(page.inner_text("body")))
        assert raw == set(), f"keys instead of texts: {raw}"
        if axe:
            if not page.evaluate("'axe' in window"):
                page.evaluate(AXE.read_text(encoding="utf-8"))
            found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
            serious = [
                (one["id"], [node["html"][:120] for node in one["nodes"]][:3])
                for one in found
                if one["impact"] in ("serious", "critical")
            ]
            assert serious == [], f"axe: {serious}"
        assert self.wrong == [], f"on the console: {self.wrong}"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's browser, headless. What it draws itself, such as a date's field, is Vietnamese where Debian's
    package of its languages is installed."""
    with sync_playwright() as playwright:
        speaks = {**os.environ, "LANGUAGE": "vi"}
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS, env=speaks)
        yield browser
        browser.close()


@contextmanager
def window(browser: Browser, url: str, token: str, width: int, **more: object) -> Iterator[Watched]:
    """A browser window of that width in which the holder of `token` is logged in at `url`."""
    context = browser.new_context(
        viewport={"width": width, "height": HEIGHTS.get(width, 900)},
        ignore_https_errors=True,
        **more,  # type: ignore[arg-type]
    )
    watched = Watched(context.new_page(), url)
    watched.page.goto(f"{url}/?token={token}")
    yield watched
    context.close()
