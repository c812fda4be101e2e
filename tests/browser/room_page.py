"""Headless Chromium as a participant of a meeting, for reading by content what the room carries."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zxingcpp
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, sync_playwright

JANUS_JS = Path("/usr/share/javascript/janus-gateway/janus.js")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--ignore-certificate-errors",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
]


class RoomPage:
    """The page of tests/browser/room.js."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def enter(self, join_info: dict[str, Any]) -> list[str]:
        """Join; answers the feeds that were there already. Needs `url`, `room` and `pin`."""
        wanted = {key: join_info[key] for key in ("url", "room", "pin")}
        return self._page.evaluate("wanted => enter(wanted)", wanted)

    def feeds(self) -> list[str]:
        return self._page.evaluate("known()")

    def count(self, feeds: Iterable[str], seconds: float) -> dict[str, tuple[int, float]]:
        """Frames the browser presented of each feed, and in how many seconds by its own clock."""
        before = self._presented(feeds)
        self.wait(seconds)
        after = self._presented(feeds)
        return {
            feed: (after[feed]["frames"] - before[feed]["frames"], after[feed]["at"] - before[feed]["at"])
            for feed in feeds
        }

    def _presented(self, feeds: Iterable[str]) -> dict[str, dict[str, float]]:
        return dict(self._page.evaluate("feeds => framesOf(feeds)", list(feeds)))

    def picture(self, feed: str) -> Image.Image | None:
        """The feed's picture now, through a canvas."""
        url = self._page.evaluate("feed => pictureOf(feed)", feed)
        return Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))) if url else None

    def code(self, feed: str) -> tuple[str, int] | None:
        """(site, unix time in ms) read from the code in the feed's picture, or None."""
        picture = self.picture(feed)
        if picture is None:
            return None
        for barcode in zxingcpp.read_barcodes(picture):
            words = barcode.text.split()
            if len(words) == 3 and words[0] == "DC1":
                return words[1], int(words[2])
        return None

    def sound(self, feed: str) -> NDArray[np.float64]:
        """The feed's sound of the last 0.7 s, at 48 kHz; empty before any has come."""
        data = base64.b64decode(self._page.evaluate("feed => soundOf(feed)", feed))
        return np.frombuffer(data, "<f4").astype(np.float64)

    def until(self, reached: Callable[[], bool], seconds: float, failure: str) -> None:
        """Wait until `reached`; the page goes on meanwhile."""
        deadline = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < deadline, failure
            self.wait(0.1)

    def wait(self, seconds: float) -> None:
        self._page.wait_for_timeout(seconds * 1000)


@contextmanager
def room_page() -> Iterator[RoomPage]:
    """A fresh headless Chromium with the room page loaded."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            page.on("console", lambda message: print("chromium:", message.text))
            page.set_content("<!doctype html><title>room</title><body></body>")
            page.add_script_tag(path=JANUS_JS)
            page.add_script_tag(path=Path(__file__).with_name("room.js"))
            yield RoomPage(page)
        finally:
            browser.close()
