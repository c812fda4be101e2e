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

from .film import FPS, HEIGHT, WIDTH

_ORIGIN = "https://hall.test/"  # never asked: the page comes from here; cameras need a secure origin
_PAGE = (
    "<!doctype html><title>hall</title>"
    "<style>body{margin:0;background:#000;overflow:hidden}video{width:100vw;height:100vh}</style>"
)


class Browser:
    """A browser with the hall's page loaded."""

    def __init__(self, page: Page, before: set[int]) -> None:
        self._page = page
        self._before = before

    def enter(self, join: dict[str, Any], feed: str) -> float:
        """Join, publish and show `feed`; seconds until its first frame was presented."""
        wanted = {key: join[key] for key in ("url", "room", "pin")}
        more = {"feed": feed, "name": "chromium", "width": WIDTH, "height": HEIGHT, "fps": FPS}
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
def browser(raw: Path, display: str) -> Iterator[Browser]:
    """A fresh Chromium whose camera is the film."""
    before = {one.pid for one in psutil.Process().children(recursive=True)}
    flags = [
        *FLAGS,
        "--kiosk",
        f"--window-size={WIDTH},{HEIGHT}",
        "--window-position=0,0",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={raw}",
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
            yield Browser(page, before)
        finally:
            running.close()
