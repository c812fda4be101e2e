"""The people of a day, each in a window of their own, against the demonstration's stage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import zxingcpp
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from tests.browser.page_checks import chromium, gave_way
from tests.system.hall_senses import ask_unit
from tests.system.standing_meeting import StandingMeeting

PATIENCE_MS = 15_000
DESK = {"width": 1366, "height": 768}
PHONE = {"width": 390, "height": 844}
Who = Literal["it", "secretary", "chair", "hall"]


class Person:
    """A window, and what its console complained of."""

    def __init__(self, context: BrowserContext, home: str) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.home = home
        self.troubles: list[str] = []
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("console", self._said)
        self.page.on("dialog", lambda dialog: self.troubles.append(f"a script ran: {dialog.message}"))

    def _said(self, said: ConsoleMessage) -> None:
        # The browser itself says so of every form that is shown again with its mistakes, and of dead links.
        refused = "status of 4" in said.text and "/static/" not in said.location["url"]
        if said.type == "error" and not refused and not gave_way(said.text):
            self.troubles.append(said.text)

    def open(self, path: str) -> Page:
        """Go to a page of the office."""
        self.page.goto(self.home + path)
        return self.page

    def enter(self, link: str, password: str) -> None:
        """By a link that lets in once: choose a password."""
        page = self.page
        page.goto(link)
        page.get_by_label("Mật khẩu mới", exact=True).or_(page.locator("#password")).first.fill(password)
        page.locator("#again").fill(password)
        self.press("Lưu mật khẩu và đăng nhập")
        self.told("Đã lưu mật khẩu")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).first.click()

    def told(self, text: str) -> None:
        """This sentence stands on the page."""
        expect(self.page.locator("main")).to_contain_text(text, timeout=PATIENCE_MS)


class Day:
    """The stage, its people, and what a later step needs of an earlier one."""

    def __init__(self, meeting: StandingMeeting, browser: Browser) -> None:
        self.meeting, self._browser = meeting, browser
        self.people: dict[Who, Person] = {}
        self.at: dict[str, str] = {}
        self.opens_at: datetime | None = None

    @property
    def api(self) -> Any:
        return self.meeting.stage.api

    def person(self, who: Who) -> Person:
        """IT officer and secretary sit at a desk, chair and hall hold a phone."""
        if who not in self.people:
            phone = {"has_touch": True, "is_mobile": True} if who in ("chair", "hall") else {}
            context = self._browser.new_context(
                viewport=PHONE if phone else DESK,  # type: ignore[arg-type]
                ignore_https_errors=True,
                **phone,  # type: ignore[arg-type]
            )
            self.people[who] = Person(context, self.meeting.stage.api.url)
        return self.people[who]

    def scanned(self, site: str) -> str:
        """Where the code on the screen of a hall leads."""
        folder = self.meeting.stage.unit_folder(site)
        png, found = folder / "phone.png", list[str]()

        def reads() -> bool:
            ask_unit(folder, {"type": "snapshot", "path": str(png)})
            if png.exists():
                with Image.open(png) as picture:
                    found[:] = [one.text for one in zxingcpp.read_barcodes(picture) if "/h/" in one.text]
            return bool(found)

        self.meeting.until(f"no code to scan at {site}", reads)
        return found[0]

    def until_s(self, failure: str, page: Page, text: str, seconds: float) -> float:
        """Seconds until a page says this by itself."""
        began = time.monotonic()
        expect(page.locator("main"), failure).to_contain_text(text, timeout=seconds * 1000)
        return time.monotonic() - began


@contextmanager
def a_day(folder: Path) -> Iterator[Day]:
    """Broker, Janus, controller, three units with their sites, and a browser."""
    with StandingMeeting(folder) as meeting, chromium() as browser:
        yield Day(meeting, browser)
