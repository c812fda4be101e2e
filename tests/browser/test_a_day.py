"""One day of an office in Chromium, step by step, with real agents and the real Janus: from the first log-in
and the import of sites to a meeting, its report and an urgent call. Mistakes on the way lose nothing.

The steps share one stage and build on each other: the first that fails names itself.
"""

from __future__ import annotations

import csv
import io
import json
import subprocess
import time
import unicodedata
from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from diemcau_controller.demo.halls import MAIN, SITES
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.office_page import Day, a_day
from tests.system.staged_meeting import DIEMCAU
from tests.system.standing_meeting import ROGUE

pytestmark = [pytest.mark.namespace, pytest.mark.timeout(300)]

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
FIRST, SECOND = (site for site in SITES if site != MAIN)
LONG = "Hội trường Trung tâm học tập cộng đồng liên xã Ea Kiết – Ea Kuêh – Cư Dliê M'nông"
NFD = unicodedata.normalize("NFD", "Xã Krông Búk")
TITLE = "Giao ban <script>alert(1)</script> tháng 3"
QUESTION = "Đường liên xã khi nào sửa?"
PASSWORD = "một câu dài dễ nhớ 24"
OPENS_BEFORE_S = 300
URGENT_S = 180.0


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    with a_day(tmp_path_factory.mktemp("day")) as day:
        yield day


def test_the_first_administrator_lets_the_secretary_in(day: Day) -> None:
    command = [DIEMCAU, "user", "add", "tuan", "--role", "administrator", "--json"]
    made = subprocess.run(
        [*command, "--state-dir", day.meeting.stage.root], capture_output=True, text=True, timeout=30
    )
    assert made.returncode == 0, made.stderr
    it = day.person("it")
    it.enter(json.loads(made.stdout)["link"], PASSWORD)
    page = it.open("/users/new")
    page.locator("#name").fill("lan")
    page.locator("#display_name").fill("Trần Thị Lan")
    page.locator("[name=role][value=secretary]").check()
    page.locator("[name=scope]").first.check()
    it.press("Thêm và tạo đường dẫn đăng nhập")
    link = page.locator("#invitation strong").inner_text()
    secretary = day.person("secretary")
    secretary.page.context.clock.set_system_time(datetime.now(ZONE) - timedelta(hours=3))
    secretary.enter(link, PASSWORD)
    secretary.page.goto(link)
    secretary.told("Đường dẫn này đã được dùng")


def test_sites_come_from_a_table_that_had_a_mistake(day: Day) -> None:
    it = day.person("it")
    page = it.open("/sites/import")
    head = "Mã,Tên,Địa bàn,Đầu mối,Điện thoại"
    right = f"krong-buk,{NFD},Xã Ea Kpam,Y Bhin Niê,0905123456\nlien-xa,{LONG},Xã Ea Kpam,H'Lan,0905123457\n"
    hand_in(page, "sai.csv", f"{head}\n{right}{FIRST},Xã trùng mã,Xã Ea Kpam,Tuấn,0905123458\n")
    it.told(f"Mã điểm cầu “{FIRST}” đã có")
    assert not page.get_by_role("button", name="Thêm cả").count(), "nothing is half imported"
    it.press("Bỏ tệp này")
    hand_in(page, "đúng.csv", f"\ufeff{head}\n{right}")
    it.press("Thêm cả 2 điểm cầu")
    it.told("Đã thêm 2 điểm cầu")
    page.go_back()
    it.told("không còn được giữ")
    it.open("/sites?q=krong+buk")
    expect(page.locator("#found tbody th")).to_have_text(unicodedata.normalize("NFC", NFD))
    it.open("/sites/lien-xa")
    expect(page.locator("h1")).to_have_text(LONG)
    it.open("/sites/groups")
    page.locator("#name").fill("Cụm phía Bắc")
    it.press("Thêm nhóm")
    for site in (SECOND, "lien-xa"):
        page.locator(f"#found [value={site}]").check()
    page.locator("#found button").click()
    it.told(LONG)


def hand_in(page: Page, name: str, text: str) -> None:
    file: FilePayload = {"name": name, "mimeType": "text/csv", "buffer": text.encode()}
    page.set_input_files("#file", files=[file])
    page.get_by_role("button", name="Xem trước").click()


def test_a_meeting_is_announced_to_an_area_and_a_group(day: Day) -> None:
    secretary = day.person("secretary")
    # The form knows whole minutes: it opens within 25 s, or at once.
    soon = datetime.now(ZONE) + timedelta(seconds=OPENS_BEFORE_S + 25)
    start = soon.replace(second=0, microsecond=0)
    day.opens_at = start - timedelta(seconds=OPENS_BEFORE_S)
    page = secretary.open("/meetings/new")
    # This browser's clock is three hours wrong: what the office's clock says stands beside the field.
    secretary.told(f"{datetime.now(ZONE):%H:}")
    announce(page, TITLE, start)
    expect(page.locator("#invited")).to_contain_text("5 điểm cầu")
    secretary.press("Tạo cuộc họp")
    secretary.told("Đã tạo cuộc họp. Các điểm cầu được mời nhận lịch ngay.")
    expect(page.locator("h1")).to_have_text(TITLE)
    day.at["meeting"] = page.url.rsplit("/", 1)[1]
    (meeting,) = day.api.get("/api/v1/meetings")
    occurrence = meeting["occurrences"][0]
    assert datetime.fromisoformat(occurrence["starts_at"]) == start
    day.meeting.occurrence = occurrence["id"]

    # The same halls at the same hour: a way out is offered, and taken.
    page = secretary.open("/meetings/new")
    announce(page, "Tập huấn phần mềm", start)
    secretary.press("Tạo cuộc họp")
    secretary.told("Một số điểm cầu đã có cuộc họp khác vào giờ này")
    expect(page.locator("#title")).to_have_value("Tập huấn phần mềm")
    page.locator("button[name=way][value^=free]").click()
    secretary.told("Đã tạo cuộc họp")
    day.at["second"] = page.url.rsplit("/", 1)[1]


def announce(page: Page, title: str, start: datetime) -> None:
    page.locator("#title").fill(title)
    page.locator("#chair").fill("Đ/c Nguyễn Văn Hà")
    page.locator("#date").fill(f"{start:%Y-%m-%d}")
    page.locator("#start").fill(f"{start:%H:%M}")
    page.locator("#end").fill(f"{start + timedelta(minutes=30):%H:%M}")
    page.locator("#main_site").select_option(MAIN)
    page.locator("[name=invite][value=all]").uncheck()
    page.locator(f"[name=invite][value='area:dia-ban-{FIRST}']").check()
    page.locator("[name=invite][value='group:cum-phia-bac']").check()
    page.locator("#opens_before_s").select_option(str(OPENS_BEFORE_S))


def test_two_people_change_one_meeting_and_nothing_is_lost(day: Day) -> None:
    it, secretary = day.person("it"), day.person("secretary")
    address = f"/meetings/{day.at['second']}/edit"
    theirs, ours = it.open(address), secretary.open(address)
    ours.locator("#title").fill("Tập huấn phần mềm mới")
    secretary.press("Lưu thay đổi")
    secretary.told("Đã lưu thay đổi")
    theirs.locator("#notes").fill("Mang theo máy tính.")
    it.press("Lưu thay đổi")
    it.told("vừa sửa cuộc họp này")
    expect(theirs.locator("#notes")).to_have_value("Mang theo máy tính.")
    it.press("Lưu thay đổi")
    it.told("Mang theo máy tính.")
    expect(theirs.locator("h1")).to_have_text("Tập huấn phần mềm mới")

    # Back to the form from before: it does not undo what has been saved since. The session ends on it, too.
    ours.go_back()
    ours.locator("#place").fill("Phòng họp số 2")
    ours.context.clear_cookies()
    secretary.press("Lưu thay đổi")
    secretary.told("Những gì vừa nhập vẫn được giữ")
    ours.locator("#name").fill("lan")
    ours.locator("#password").fill(PASSWORD)
    secretary.press("Đăng nhập")
    secretary.press("Gửi tiếp")
    secretary.told("Phòng họp số 2")
    secretary.told("Mang theo máy tính.")


def test_it_opens_by_itself_and_the_board_shows_it(day: Day) -> None:
    secretary = day.person("secretary")
    board = secretary.open("/")
    expect(board.locator("body")).to_contain_text(TITLE)
    page = secretary.open(f"/meetings/{day.meeting.occurrence}")
    assert day.opens_at is not None
    day.meeting.all_tell("joined")
    late_s = (datetime.now(ZONE) - day.opens_at).total_seconds()
    expect(page.locator(".figure").first).to_contain_text("3/5")
    print(f"every unit in {late_s:.1f} s after the meeting opened")
    assert late_s >= 0, "nobody comes before it opens"


def test_a_hall_asks_and_the_chair_calls_it(day: Day) -> None:
    secretary, chair, hall = day.person("secretary"), day.person("chair"), day.person("hall")
    secretary.open(f"/meetings/{day.meeting.occurrence}/chair-link")
    secretary.press("Tạo đường dẫn")
    chair.page.goto(secretary.page.locator("#address").inner_text())
    hall.page.goto(day.scanned(FIRST))
    hall.page.get_by_label("Câu hỏi, ý kiến").fill(QUESTION)
    hall.press("Đăng ký phát biểu")
    hall.told("thứ tự 1")
    expect(chair.page.locator(".queue")).to_contain_text(QUESTION)
    tapped = time.time()
    chair.page.locator(f"#hand-grant-{FIRST}").tap()
    got = day.meeting.content(FIRST, tapped)
    print(f"grant → seen {got.pictures_s:.2f} s, grant → heard {got.sound_s:.2f} s, in every hall")
    expect(hall.page.locator("#now")).to_contain_text("Điểm cầu đang được mời phát biểu")


def test_people_and_a_fault_are_told_from_the_hall(day: Day) -> None:
    hall, it = day.person("hall"), day.person("it")
    page = hall.page
    for name in ("Y Bhăm Niê", LONG):
        page.get_by_text("Thêm người").click()
        page.get_by_label("Họ và tên").fill(unicodedata.normalize("NFD", name))
        hall.press("Thêm")
        expect(page.locator("#people-list")).to_contain_text(name)
    page.locator("#trouble summary").click()
    page.locator("#trouble [name=kind][value=no_sound]").check()
    page.locator("#story").fill(TITLE)
    page.locator("#trouble button").click()
    expect(page.locator("#trouble")).to_contain_text("Không có tiếng")
    incidents = it.open("/incidents")
    expect(incidents.locator("main")).to_contain_text("Hội trường xã Ea Kpam")

    # A site is removed while its meeting runs: it is said what becomes of it, and the meeting goes on.
    it.open("/sites/krong-buk/remove")
    it.told("script")
    it.press("Gỡ điểm cầu")
    it.told("Đã gỡ điểm cầu “Xã Krông Búk”")
    assert len(day.api.get(f"/api/v1/meetings/{day.meeting.occurrence}")["sites"]) == 5
    expect(day.person("chair").page.locator(".speaker")).to_have_text("Hội trường xã Ea Kpam")


def test_the_report_says_what_happened(day: Day) -> None:
    secretary, chair = day.person("secretary"), day.person("chair")
    secretary.open(f"/meetings/{day.meeting.occurrence}/close")
    secretary.press("Kết thúc cuộc họp")
    expect(chair.page.locator("main")).to_contain_text("Cuộc họp đã kết thúc")
    day.meeting.all_tell("left")
    page = secretary.open(f"/meetings/{day.meeting.occurrence}/report")
    for text in ("3/5", QUESTION, "Y Bhăm Niê", LONG, "Hội trường xã Ea Kpam", TITLE):
        secretary.told(text)
    turns = page.locator(".report-turns tbody")
    expect(turns).to_contain_text("Hội trường xã Ea Kpam")
    tables = {}
    for table in ("", "?table=people", "?table=floor"):
        answer = page.request.get(f"{secretary.home}/meetings/{day.meeting.occurrence}/report.csv{table}")
        text = answer.body().decode("utf-8-sig")
        dialect = csv.Sniffer().sniff(text.splitlines()[0])
        tables[table] = list(csv.DictReader(io.StringIO(text), dialect=dialect))
    assert len(tables[""]) == 5 and len(tables["?table=people"]) == 2 and tables["?table=floor"]


def test_an_urgent_call_brings_everybody(day: Day) -> None:
    secretary = day.person("secretary")
    secretary.page.locator("header a[href='/urgent']").click()
    secretary.page.locator("#title").fill("Lũ trên sông Sêrêpốk")
    began = time.monotonic()
    secretary.press("Bắt đầu họp khẩn ngay")
    secretary.page.wait_for_url("**/urgent/m*")
    day.until_s("not everybody came", secretary.page, "Mọi điểm cầu liên lạc được đã vào họp", URGENT_S)
    print(f"urgent: every hall that can be reached is in after {time.monotonic() - began:.1f} s")
    for site in SITES:
        expect(secretary.page.locator(".inside")).to_contain_text(name_of(day, site))
    secretary.told(name_of(day, ROGUE))
    urgent = secretary.page.url.rsplit("/", 1)[1]
    secretary.open(f"/meetings/{urgent}/close")
    secretary.press("Kết thúc cuộc họp")
    day.meeting.occurrence = urgent
    day.meeting.all_tell("left")
    assert {who: one.troubles for who, one in day.people.items() if one.troubles} == {}


def name_of(day: Day, site: str) -> str:
    return str(day.api.get(f"/api/v1/sites/{site}")["name"])
