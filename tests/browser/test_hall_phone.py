"""A hall on its phone: the code is scanned off its screen, the page is tapped, and stays true by itself.

Beside it the secretary's pages of an urgent meeting.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zxingcpp
from diemcau_agent.screen.canvas import Canvas
from diemcau_agent.screen.gallery import COMMON, VIEWS
from diemcau_agent.screen.png import save
from diemcau_agent.screen.show import parse_show
from diemcau_agent.screen.views import compose
from diemcau_controller.actions.ingest import Taken
from diemcau_controller.store.tables import Unit
from diemcau_wire.messages import Event, EventKind, Presence, ReportedSession, SessionState, State
from diemcau_wire.topics import Channel
from PIL import Image
from playwright.sync_api import Browser, expect
from sqlalchemy import select

from tests.browser.page_checks import HEIGHTS, Watched, chromium, window
from tests.system.served_office import ServedOffice, served_office

SEEN_MS = 15_000  # how soon a change is seen is measured in test_board.py, by a median
FIRST_LOAD_BYTES = 350_000  # before compression; fonts, script and style come once and are kept
PAGE_BYTES = 100_000
WIDTHS = [360, 1366, 3840]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedOffice]:
    with served_office(tmp_path_factory.mktemp("hall"), 24) as office:
        yield office


@pytest.fixture(scope="module")
def held(office: ServedOffice) -> str:
    """An ordinary meeting that runs, with our hall in it."""
    now = datetime.now(UTC).isoformat()
    body = {"title": "Giao ban tuần 12", "starts_at": now, "duration_s": 3600, "main_site": office.sites[0]}
    occurrence = str(office.add("meetings", **body)["occurrences"][0]["id"])
    says(office, hall(office), occurrence, SessionState.IN_MEETING)
    return occurrence


def hall(office: ServedOffice) -> str:
    """A site whose unit is connected, not the main one."""
    return online(office)[0]


def online(office: ServedOffice) -> list[str]:
    with office.database.read() as session:
        rows = session.scalars(select(Unit.site_id).where(Unit.status == "online").order_by(Unit.site_id))
        return [site for site in rows if site and site != office.sites[0]]


def unit(office: ServedOffice, site: str) -> str:
    with office.database.read() as session:
        return session.scalars(select(Unit.id).where(Unit.site_id == site)).one()


def says(office: ServedOffice, site: str, occurrence: str | None, state: SessionState) -> None:
    now, name = datetime.now(UTC), unit(office, site)
    present = State(unit=name, status=Presence.ONLINE, boot_id="b", nonce="n", version="1", at=now, site=site)
    said = ReportedSession(unit=name, meeting=occurrence, state=state, at=now)
    office.say([Taken(Channel.STATE, present), Taken(Channel.REPORTED_SESSION, said)])


def happens(office: ServedOffice, site: str, seq: int, kind: EventKind, occurrence: str) -> None:
    name = unit(office, site)
    office.say(
        [
            Taken(
                Channel.EVENT,
                Event(
                    id=f"{name}:hall:{seq}",
                    unit=name,
                    boot_id="b",
                    stream="hall",
                    seq=seq,
                    at=datetime.now(UTC),
                    kind=kind,
                    site=site,
                    meeting=occurrence,
                ),
            )
        ]
    )


def scanned(office: ServedOffice, occurrence: str, site: str, folder: Path) -> str:
    """Where the code on the hall's screen leads, on the machine that serves here."""
    address = str(office.get(f"meetings/{occurrence}/halls/{site}/link")["url"])
    canvas = Canvas(1280, 720)
    show = parse_show({**COMMON, **VIEWS["meeting-phone-one"], "phone": address})
    scene = compose(show, datetime.now(UTC), (True, True), width=1280, height=720, measure=canvas.measure)
    canvas.paint(scene)
    save(folder / "screen.png", canvas.snapshot())
    canvas.close()
    with Image.open(folder / "screen.png") as picture:
        (code,) = zxingcpp.read_barcodes(picture)
    assert code.text == address
    return office.url + address[address.index("/h/") :]


@contextmanager
def phone(browser: Browser, office: ServedOffice, address: str, width: int = 360) -> Iterator[Watched]:
    """A browser that nobody is logged in with."""
    context = browser.new_context(viewport={"width": width, "height": HEIGHTS[width]})
    watched = Watched(context.new_page(), office.url)
    watched.page.goto(address)
    yield watched
    context.close()


def test_a_hall_speaks_for_itself(office: ServedOffice, held: str, browser: Browser, tmp_path: Path) -> None:
    site = hall(office)
    with phone(browser, office, scanned(office, held, site, tmp_path)) as opened:
        page = opened.page
        page.evaluate("window.before = true")
        office.add(f"meetings/{held}/floor", verb="grant", site=site)
        expect(page.get_by_text("Điểm cầu đang được mời phát biểu")).to_be_visible(timeout=SEEN_MS)
        office.add(f"meetings/{held}/floor", verb="end", site=site)
        expect(page.get_by_role("button", name="Đăng ký phát biểu")).to_be_visible(timeout=SEEN_MS)
        assert page.evaluate("window.before"), "it renewed itself without a reload"

        page.get_by_label("Câu hỏi, ý kiến").fill("Khi nào có thêm máy bơm?")
        page.get_by_role("button", name="Đăng ký phát biểu").click()
        expect(page.get_by_text("Đã đăng ký phát biểu, thứ tự 1")).to_be_visible()
        (hand,) = office.get(f"meetings/{held}/hands")
        assert (hand["site"], hand["text"]) == (site, "Khi nào có thêm máy bơm?")
        opened.check()

        page.get_by_text("Thêm người").click()
        page.get_by_label("Họ và tên").fill("H'Lan Ayun")
        page.get_by_role("button", name="Thêm", exact=True).click()
        expect(page.locator("#people-list").get_by_text("H'Lan Ayun").first).to_be_visible()
        page.get_by_role("button", name="Chúng tôi đang nghe rõ").click()
        expect(page.get_by_text("Đã báo nghe rõ lúc")).to_be_visible()
        page.get_by_role("button", name="Bỏ đăng ký").click()
        expect(page.get_by_role("button", name="Đăng ký phát biểu")).to_be_visible()
        opened.check()


def test_what_is_being_typed_is_not_taken_away(
    office: ServedOffice, held: str, browser: Browser, tmp_path: Path
) -> None:
    site = hall(office)
    with phone(browser, office, scanned(office, held, site, tmp_path)) as opened:
        question = opened.page.get_by_label("Câu hỏi, ý kiến")
        question.click()
        question.type("Đề nghị xem lại")
        office.http.post(f"/api/v1/meetings/{held}/hands", json={"site": online(office)[1]})
        opened.page.wait_for_timeout(1500)
        expect(question).to_have_value("Đề nghị xem lại")
        opened.check(axe=False)


@pytest.mark.parametrize("width", WIDTHS)
def test_every_width(office: ServedOffice, held: str, browser: Browser, tmp_path: Path, width: int) -> None:
    with phone(browser, office, scanned(office, held, hall(office), tmp_path), width) as opened:
        opened.page.get_by_text("Báo sự cố").first.click()
        opened.page.get_by_text("Thêm người").click()
        opened.check()
        opened.page.goto(opened.page.url.split("#")[0] + "?lang=en")
        opened.check(axe=False)


def test_it_is_light_and_works_without_javascript(
    office: ServedOffice, held: str, browser: Browser, tmp_path: Path
) -> None:
    address = scanned(office, held, hall(office), tmp_path)
    sizes: dict[str, int] = {}
    with phone(browser, office, "about:blank") as opened:
        opened.page.on("requestfinished", lambda one: sizes.update({one.url: len(one.response().body())}))
        opened.page.goto(address)
        opened.page.wait_for_load_state("load")
    first, page_bytes = sum(sizes.values()), sizes[address]
    print(f"first load {first} bytes before compression, of which the page {page_bytes}")
    assert page_bytes < PAGE_BYTES and first < FIRST_LOAD_BYTES
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto(address)
    page.get_by_role("button", name="Chúng tôi đang nghe rõ").or_(
        page.get_by_role("button", name="Báo lại: vẫn nghe rõ")
    ).click()
    expect(page.get_by_text("Đã báo: điểm cầu đang nghe rõ")).to_be_visible()
    page.get_by_text("Báo sự cố").first.click()
    page.get_by_label("Không có hình").check()
    page.locator("#trouble form button").click()
    expect(page.get_by_text("Cán bộ kỹ thuật sẽ liên hệ")).to_be_visible()
    context.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_one_tap_starts_an_urgent_meeting_and_who_comes_is_seen(
    office: ServedOffice, browser: Browser, width: int
) -> None:
    sites = online(office)
    with window(browser, office.url, office.token, width) as opened:
        page = opened.page
        page.get_by_role("link", name="Họp khẩn").click()
        expect(page.get_by_label("Tên cuộc họp")).to_have_value("Họp khẩn")
        opened.check()
        page.get_by_label("Tên cuộc họp").fill(f"Lũ trên sông {width}")
        page.get_by_role("button", name="Bắt đầu họp khẩn ngay").click()
        page.wait_for_url("**/urgent/m*")
        occurrence = page.url.rsplit("/", 1)[1]
        assert len(office.get(f"urgent/{occurrence}")["sites"]) == 24
        says(office, sites[1], occurrence, SessionState.COUNTDOWN)
        expect(page.get_by_text("Đang đổ chuông: 1")).to_be_visible(timeout=SEEN_MS)
        says(office, sites[1], occurrence, SessionState.IN_MEETING)
        happens(office, sites[1], 2 * width, EventKind.JOINED, occurrence)
        says(office, sites[2], None, SessionState.IDLE)
        happens(office, sites[2], 2 * width + 1, EventKind.DECLINED, occurrence)
        expect(page.get_by_text("Đã vào họp: 1")).to_be_visible(timeout=SEEN_MS)
        expect(page.get_by_text("Đã từ chối: 1")).to_be_visible(timeout=SEEN_MS)
        assert page.locator('a[href^="tel:"]').count() >= 1, "whom to call"
        before = page.locator("[data-elapsed]").inner_text()
        page.wait_for_timeout(1500)
        assert page.locator("[data-elapsed]").inner_text() != before, "the clock runs"
        opened.check()
        page.get_by_role("link", name="Đến trang cuộc họp").click()
        expect(page.get_by_role("heading", name=f"Lũ trên sông {width}")).to_be_visible()
    office.add(f"meetings/{occurrence}/close")


def test_a_site_is_left_out_by_its_box_and_a_mistake_keeps_what_was_chosen(
    office: ServedOffice, browser: Browser
) -> None:
    left_out = online(office)[3]
    with window(browser, office.url, office.token, 1366) as opened:
        page = opened.page
        page.goto(f"{office.url}/urgent")
        box = page.locator(f'input[value="{left_out}"][type="checkbox"]')
        box.uncheck()
        page.get_by_label("Nội dung mật, hoặc về an ninh").check()
        page.get_by_role("button", name="Bắt đầu họp khẩn ngay").click()
        expect(page.locator("#secret-error")).to_be_visible()
        expect(box).not_to_be_checked()
        page.get_by_label("Nội dung mật, hoặc về an ninh").uncheck()
        page.get_by_role("button", name="Bắt đầu họp khẩn ngay").click()
        page.wait_for_url("**/urgent/m*")
        occurrence = page.url.rsplit("/", 1)[1]
        called = {one["site"] for one in office.get(f"urgent/{occurrence}")["sites"]}
        assert len(called) == 23 and left_out not in called
    office.add(f"meetings/{occurrence}/close")
