"""Chromium as a hall: full screen on the same virtual display, publishing the film, showing one feed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Page, sync_playwright

from tests.browser.room_page import FLAGS, JANUS_JS

from .film import FPS, Film

_ORIGIN = "https://hall.test/"  # never asked: the page comes from here; cameras need a secure origin
_PAGE = (
    "<!doctype html><title>hall</title>"
    "<style>body{margin:0;background:#000;overflow:hidden}video{width:100vw;height:100vh}</style>"
)


class Browser:
    """A browser with the hall's page loaded."""

    def __init__(self, page: Page, film: Film, before: set[int]) -> None:
        self._page, self._film = page, film
        self._before = before

    def enter(self, join: dict[str, Any], feed: str | None, *, sends: bool = True) -> float:
        """Join, publish (`sends`), show `feed` (None: nothing); seconds until its first frame was presented,
        or, without a feed, until the picture goes out."""
        wanted = {key: join[key] for key in ("url", "room", "pin")}
        size = self._film.size
        more = {"feed": feed, "sends": sends, "name": "chromium"}
        more |= {"width": size.width, "height": size.height, "fps": FPS}
        return float(self._page.evaluate("wanted => enter(wanted)", wanted | more)) / 1000

    def processes(self) -> list[psutil.Process]:
        """Every process of the browser, without the program that steers it."""
        mine = [one for one in psutil.Process().children(recursive=True) if one.pid not in self._before]
        return [one for one in mine if "chrom" in one.name()]

    @property
    def presented(self) -> int:
        """Frames of the feed shown so far."""
        return int(self._page.evaluate("window.presented || 0"))


@contextmanager
def browser(film: Film, display: str) -> Iterator[Browser]:
    """A fresh Chromium whose camera is the film."""
    before = {one.pid for one in psutil.Process().children(recursive=True)}
    flags = [
        *FLAGS,
        "--kiosk",
        f"--window-size={film.size.width},{film.size.height}",
        "--window-position=0,0",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={film.raw}",
    ]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=flags,
            headless=False,
            env={**os.environ, "DISPLAY": display},
        )
        try:
            page = running.new_page(no_viewport=True)
            page.route(_ORIGIN, lambda route: route.fulfill(body=_PAGE, content_type="text/html"))
            page.goto(_ORIGIN)
            page.add_script_tag(path=JANUS_JS)
            page.add_script_tag(path=Path(__file__).with_name("browser.js"))
            page.evaluate("prepare()")
            yield Browser(page, film, before)
        finally:
            running.close()
