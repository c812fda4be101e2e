"""What must hold for every page at every width: nothing wider than the window, no text cut off, no key in
place of a text, no error on the console, no request to elsewhere, nothing serious for axe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.room_page import FLAGS

AXE = Path(__file__).parents[2] / "controller/frontend/node_modules/axe-core/axe.min.js"
HEIGHTS = {360: 740, 1366: 768, 3840: 2160}
_KEY = re.compile(r"\b[a-z_]+\.[a-z][a-z_]{2,}\b")
_NO_KEYS = re.compile(r"\.(?:vn|com|org|csv|xlsx|pdf|png|local|exe)$")
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


class Watched:
    """A page in a window of its own, and what went wrong on it so far."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page, self._origin = page, origin
        self.wrong: list[str] = []
        page.on("console", lambda one: one.type in ("error", "warning") and self.wrong.append(one.text))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("request", lambda request: self._asked(request.url))

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
        keys = [key for key in _KEY.findall(page.inner_text("body")) if not _NO_KEYS.search(key)]
        assert keys == [], f"keys instead of texts: {keys}"
        if axe:
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
    """Debian's browser, headless."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
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
