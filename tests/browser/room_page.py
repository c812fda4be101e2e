"""Headless Chromium as a participant of a meeting, for reading by content what the room carries."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zxingcpp
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

    def frames(self, feed: str) -> int:
        """Frames presented of `feed` so far."""
        return self._page.evaluate("feed => framesOf(feed)", feed)

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

    def level_db(self, feed: str, hertz: float) -> float:
        """Level of a tone in the feed's sound of the last 0.7 s, in dB relative to full scale."""
        samples = np.array(self._page.evaluate("feed => soundOf(feed)", feed), dtype=np.float64)
        if samples.size == 0:
            return -120.0
        window = np.hanning(samples.size)
        turn = np.exp(-2j * np.pi * hertz * np.arange(samples.size) / 48000)
        amplitude = 2 * abs(np.sum(samples * window * turn)) / window.sum()
        return 20 * float(np.log10(max(amplitude, 1e-6)))

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
