"""A chair with a phone: one tap in Chromium, and another hall's screen and loudspeakers tell its effect.

Real agents, real Janus. Content is asserted; times are printed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from diemcau_controller.demo.halls import MAIN, SITES
from diemcau_controller.demo.judge import look
from diemcau_controller.rules.naming import plain
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.browser.page_checks import gave_way
from tests.browser.room_page import FLAGS
from tests.system.hall_senses import WINDOW_S, ask_unit, hears
from tests.system.standing_meeting import DEADLINE_S, ROGUE, StandingMeeting

pytestmark = pytest.mark.namespace

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1366, "height": 768}
SILENCE_S = 15.0


@contextmanager
def browser() -> Iterator[tuple[BrowserContext, BrowserContext]]:
    """A phone and a desk, of two people."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield (
            chromium.new_context(viewport=PHONE, ignore_https_errors=True, has_touch=True, is_mobile=True),
            chromium.new_context(viewport=DESK, ignore_https_errors=True),
        )
        chromium.close()


def watched(page: Page, troubles: list[str]) -> Page:
    def say(said: ConsoleMessage) -> None:
        if said.type == "error" and not gave_way(said.text):
            troubles.append(said.text)

    page.on("console", say)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.set_default_timeout(15_000)
    return page


def seen_after_s(meeting: StandingMeeting, viewer: str, speaker: str, tapped: float) -> float:
    """Seconds from the tap until a picture the speaker's camera took after it is on the viewer's screen."""
    folder = meeting.stage.unit_folder(viewer)
    png = folder / "first.png"
    deadline = time.monotonic() + DEADLINE_S
    while True:
        at = time.time()
        ask_unit(folder, {"type": "snapshot", "path": str(png)})
        if png.exists() and look(png, int(at * 1000)).codes.get(speaker, 0) > tapped * 1000:
            return at - tapped
        assert time.monotonic() < deadline, f"{speaker} is not seen at {viewer}"


def granted(meeting: StandingMeeting, chair: Page, button: str, speaker: str, viewer: str) -> None:
    """Tap; then every hall must see and hear the speaker."""
    tapped = time.time()
    chair.locator(button).tap()
    seen_s = seen_after_s(meeting, viewer, speaker, tapped)
    print(f"{button}: grant → seen at {viewer} {seen_s:.2f} s; everywhere {meeting.content(speaker, tapped)}")


def silent(meeting: StandingMeeting, site: str) -> None:
    """Nobody is heard in this hall any more."""
    playout = meeting.stage.playout(site)
    deadline = time.monotonic() + SILENCE_S
    while True:
        end = playout.stat().st_size // 2 * 2
        verdict = hears(playout, end - int(WINDOW_S * 48_000) * 2, end, None, meeting.voices)
        if verdict.ok:
            return
        assert time.monotonic() < deadline, verdict.why
        time.sleep(0.2)


def test_the_chair_runs_the_floor_from_a_phone(tmp_path: Path) -> None:
    first, second = [site for site in SITES if site != MAIN]
    troubles: list[str] = []
    with StandingMeeting(tmp_path / "stage") as meeting, browser() as (phone, desk):
        meeting.announce("Giao ban", opens_in_s=3)
        meeting.all_tell("joined")
        stage, path = meeting.stage, f"/api/v1/meetings/{meeting.occurrence}"
        names = {site["id"]: site["name"] for site in stage.api.get("/api/v1/sites")}

        chair = watched(phone.new_page(), troubles)
        chair.goto(stage.api.post(f"{path}/chair-link")["url"])
        secretary = watched(desk.new_page(), troubles)
        origin = chair.url.partition("/chair/")[0]
        secretary.goto(f"{origin}/meetings/{meeting.occurrence}?token={stage.api.token}")

        # One who has no unit cannot be called, and the page says why.
        absent = chair.get_by_role("listitem").filter(has_text=names[ROGUE])
        expect(absent.get_by_role("button")).to_be_disabled()
        expect(absent).to_contain_text("chưa vào")

        # Found by typing without diacritics, called by one tap.
        chair.get_by_role("searchbox").fill(plain_word(names[first]))
        granted(meeting, chair, f"#call-grant-{first}", first, second)
        expect(chair.locator(".speaker")).to_have_text(names[first])
        expect(secretary.locator(".speaker")).to_have_text(names[first])

        # A hall asks: it appears by itself, and is called from the queue.
        stage.api.post(f"{path}/hands", {"site": second, "text": "Về đường liên xã"})
        expect(chair.locator(".queue")).to_contain_text("Về đường liên xã")
        expect(secretary.locator(".queue")).to_contain_text(names[second])
        granted(meeting, chair, f"#hand-grant-{second}", second, first)
        expect(chair.locator(".queue")).to_have_count(0)

        # Two at the floor: the last one wins, and the other sees it at once.
        secretary.locator(f"#end-{second}").click()
        expect(chair.locator(".speaker")).to_have_text(names[MAIN])
        chair.locator("#mute-all").tap()
        expect(secretary.locator(".floor")).to_contain_text("Đã tắt mic tất cả")
        silent(meeting, first)

        chair.locator("#open-discussion").tap()
        for site in (first, second):
            stage.api.post(f"{path}/hands", {"site": site})
        expect(secretary.locator(".speaker")).to_have_text([names[first], names[second]])

        secretary.goto(f"{origin}/meetings/{meeting.occurrence}/close")
        secretary.get_by_role("button", name="Kết thúc cuộc họp").click()
        expect(chair.locator("main")).to_contain_text("Cuộc họp đã kết thúc")
        meeting.all_tell("left")
    assert troubles == []


def plain_word(name: str) -> str:
    """The last word of a name as somebody in a hurry types it."""
    return plain(name).split()[-1]
