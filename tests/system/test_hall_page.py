"""A hall's phone page: whose it is and when, what can be said on it, and that nothing typed is lost."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from diemcau_controller.actions.ingest import Taken, ingest
from diemcau_controller.actions.send_command import take_ack
from diemcau_controller.store.tables import AuditRow
from diemcau_wire.messages import (
    Ack,
    Command,
    EventKind,
    Message,
    Presence,
    ReportedSession,
    SessionState,
    State,
    Verb,
)
from diemcau_wire.topics import Channel
from httpx import Response
from sqlalchemy import select

from tests.system.office import UNIT, Office, event, furnished, meeting


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Three sites, one with a unit; an ordinary meeting from 08:30 to 09:30, open from 08:20."""
    with furnished(tmp_path / "state") as made:
        made.add("sites", id="ea-tar", name="Xã Ea Tar")
        yield made


@pytest.fixture
def held(office: Office) -> str:
    """The occurrence, open, with the hall in it."""
    occurrence = f"{meeting(office)}-20260302T083000"
    office.later(minutes=25)
    says(office, occurrence, SessionState.IN_MEETING)
    return occurrence


def says(office: Office, occurrence: str | None, state: SessionState) -> None:
    online = State(
        unit=UNIT, status=Presence.ONLINE, boot_id="b", nonce="n", version="1", at=office.time, site="ea-kiet"
    )
    said = ReportedSession(unit=UNIT, meeting=occurrence, state=state, at=office.time)
    batch = [Taken(Channel.STATE, online), Taken(Channel.REPORTED_SESSION, said)]
    office.writer.submit(lambda session: ingest(session, batch, office.time), urgent=True).result()


def link(office: Office, occurrence: str, site: str = "ea-kiet") -> str:
    url = str(office.get(f"meetings/{occurrence}/halls/{site}/link")["url"])
    return url[url.index("/h/") :]


def page(office: Office, path: str, status: int = 200) -> str:
    answer = office.nobody.get(path)
    assert answer.status_code == status, answer.text
    return words(answer)


def words(answer: Response) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())


def say(office: Office, path: str, **fields: str) -> Response:
    return office.nobody.post(path, data=fields, follow_redirects=False)


def done(office: Office, path: str, **fields: str) -> str:
    """Send a form; gives the page that follows, with its message."""
    answer = say(office, path, **fields)
    assert answer.status_code == 303, answer.text
    return page(office, answer.headers["location"])


# ── whose it is, and when ────────────────────────────────────────────────────────────────────────


def test_it_says_what_meeting_and_whether_the_hall_is_in(office: Office, held: str) -> None:
    shown = page(office, link(office, held))
    for text in ("Giao ban", "Xã Ea Kiết", "08:30–09:30", "Đã vào họp", "Đang tắt", "Đăng ký phát biểu"):
        assert text in shown
    answer = office.nobody.get(link(office, held))
    assert len(answer.content) < 20_000 and "script-src 'self'" in answer.headers["content-security-policy"]


def test_a_link_is_for_one_hall_and_one_meeting(office: Office, held: str) -> None:
    mine, other = link(office, held), link(office, held, "huyen")
    token = other.rsplit("/", 1)[1]
    for wrong in (
        f"/h/{held}/ea-kiet/{token}",
        f"{mine}x",
        f"/h/{held}/nowhere/{token}",
        f"/h/x/ea-kiet/{token}",
    ):
        assert "quét lại mã" in page(office, wrong, 404)
        assert say(office, f"{wrong}/hand", verb="raise").status_code == 404
    later = f"{meeting(office, starts_at='2026-03-03T08:30')}-20260303T083000"
    assert page(office, f"/h/{later}/ea-kiet/{mine.rsplit('/', 1)[1]}", 404)


def test_it_opens_half_an_hour_before_and_closes_an_hour_after(office: Office) -> None:
    occurrence = f"{meeting(office, starts_at='2026-03-02T09:30')}-20260302T093000"
    path = link(office, occurrence)
    assert "08:50" in page(office, path, 404)
    office.later(minutes=51)
    assert "Phòng họp mở lúc 09:20" in page(office, path)
    assert "Đã thêm H'Lan Ayun" in done(office, f"{path}/people", name="H'Lan Ayun", status="present")
    office.later(minutes=50)
    office.add(f"meetings/{occurrence}/close")
    assert "đã kết thúc" in page(office, path)
    office.later(minutes=61)
    assert "đã đóng" in page(office, path, 404)


def test_who_tries_links_waits_and_who_is_too_fast_is_told(office: Office, held: str) -> None:
    path = link(office, held)
    statuses = [office.nobody.get(f"/h/{held}/ea-kiet/{n:022}").status_code for n in range(32)]
    assert statuses[:30] == [404] * 30 and 429 in statuses[30:]
    assert page(office, path), "whoever has the right one is not kept waiting"
    answers = [say(office, f"{path}/hears") for _ in range(41)]
    assert [answer.status_code for answer in answers] == [303] * 40 + [429]
    assert "Xin chờ 60 giây" in words(answers[-1])
    office.later(minutes=1)
    assert say(office, f"{path}/hears").status_code == 303


def test_a_form_of_another_site_is_refused(office: Office, held: str) -> None:
    answer = office.nobody.post(f"{link(office, held)}/hears", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


# ── the floor ────────────────────────────────────────────────────────────────────────────────────


def test_a_hand_is_raised_with_a_question_and_taken_down(office: Office, held: str) -> None:
    path = link(office, held)
    shown = done(office, f"{path}/hand", verb="raise", text="Xin  thêm <b>máy bơm</b>")
    assert "Xin chờ chủ trì mời" in shown and "thứ tự 1" in shown and "Xin thêm <b>máy bơm</b>" in shown
    assert [hand["site"] for hand in office.get(f"meetings/{held}/hands")] == ["ea-kiet"]
    assert "Đã bỏ đăng ký" in done(office, f"{path}/hand", verb="lower")
    assert office.get(f"meetings/{held}/hands") == []
    assert "không còn đăng ký" in done(office, f"{path}/hand", verb="lower")


def test_a_question_that_is_too_long_stays_in_its_field(office: Office, held: str) -> None:
    answer = say(office, f"{link(office, held)}/hand", verb="raise", text="ạ" * 301)
    assert answer.status_code == 422 and "ạ" * 301 in answer.text and 'aria-invalid="true"' in answer.text


def test_a_hall_with_the_floor_is_told_so(office: Office, held: str) -> None:
    path = link(office, held)
    office.add(f"meetings/{held}/floor", verb="grant", site="ea-kiet")
    shown = page(office, f"{path}/now")
    assert "đang được mời phát biểu" in shown and "Đăng ký phát biểu" not in shown


def test_it_hears_well(office: Office, held: str) -> None:
    shown = done(office, f"{link(office, held)}/hears")
    assert "đang nghe rõ" in shown and "lúc 08:25" in shown


# ── people ───────────────────────────────────────────────────────────────────────────────────────


def test_people_are_added_corrected_and_struck(office: Office, held: str) -> None:
    path = link(office, held)
    assert "Đã thêm H'Lan Ayun" in done(office, f"{path}/people", name="H'Lan Ayun", status="present")
    shown = done(
        office,
        f"{path}/people",
        name="Y Bhin Niê",
        status="substitute",
        detail="Trần Văn Đức",
        position="CVP",
    )
    assert "Có mặt: 1" in shown and "Dự thay: 1" in shown and "cho Trần Văn Đức" in shown
    people = office.get(f"meetings/{held}/halls/ea-kiet")["people"]
    (first,) = [one["id"] for one in people if one["name"] == "H'Lan Ayun"]
    assert "H'Lan Ayun" in html.unescape(office.nobody.get(f"{path}/people/{first}").text)
    shown = done(office, f"{path}/people/{first}", name="H'Lan Ayun", status="excused", detail="đi họp tỉnh")
    assert "đi họp tỉnh" in shown
    done(office, f"{path}/people/{first}", name="H'Lan Ayun", remove="yes")
    assert [one["name"] for one in office.get(f"meetings/{held}/halls/ea-kiet")["people"]] == ["Y Bhin Niê"]
    assert say(office, f"{path}/people/{first}", name="x", status="present").status_code == 404
    with office.database.read() as session:
        rows = session.scalars(select(AuditRow).where(AuditRow.action.startswith("attendee."))).all()
    assert {row.who for row in rows} == {"hall:ea-kiet"} and len(rows) == 4


def test_a_person_without_what_is_needed_is_asked_for_it(office: Office, held: str) -> None:
    path = link(office, held)
    answer = say(office, f"{path}/people", name="", status="present")
    assert answer.status_code == 422
    answer = say(office, f"{path}/people", name="Y Bhin Niê", status="substitute", position="Phó CT")
    assert answer.status_code == 422 and "Phó CT" in answer.text and 'id="detail-error"' in answer.text
    assert office.get(f"meetings/{held}/halls/ea-kiet")["people"] == []


def test_people_of_another_hall_are_nobodys_business(office: Office, held: str) -> None:
    added = office.add(f"meetings/{held}/attendees", site="huyen", name="Bà Chủ tịch")
    path = link(office, held)
    assert "Bà Chủ tịch" not in page(office, path)
    assert say(office, f"{path}/people/{added['id']}", name="x", remove="yes").status_code == 404
    assert office.nobody.get(f"{path}/people/{added['id']}").status_code == 404


# ── trouble ──────────────────────────────────────────────────────────────────────────────────────


def test_trouble_opens_an_incident(office: Office, held: str) -> None:
    path = link(office, held)
    shown = done(office, f"{path}/trouble", kind="no_sound", story="Loa không kêu từ đầu giờ")
    assert "Cán bộ kỹ thuật sẽ liên hệ" in shown and "Không có tiếng" in shown
    (incident,) = office.get("incidents")
    assert (incident["site"], incident["kind"]) == ("ea-kiet", "no_sound")
    done(office, f"{path}/trouble", kind="other", story="Mùi khét\nở sau máy")
    assert any(one["title"] == "Mùi khét" for one in office.get("incidents"))
    answer = say(office, f"{path}/trouble", kind="other", story="")
    assert answer.status_code == 422 and "Xin mô tả" in words(answer)
    answer = say(office, f"{path}/trouble", story="Tivi hỏng")
    assert answer.status_code == 422 and "Tivi hỏng" in answer.text


# ── an urgent meeting ────────────────────────────────────────────────────────────────────────────


def test_an_urgent_meeting_is_declined_and_the_no_taken_back(office: Office) -> None:
    occurrence = office.add("urgent", title="Lũ", main_site="huyen")["id"]
    says(office, occurrence, SessionState.COUNTDOWN)
    path = link(office, occurrence)
    assert "Họp khẩn đang gọi" in page(office, path)
    refusing = True
    told: list[Verb] = []
    publish = office.post.publish

    def unit(message: Message, channel: Channel) -> bool:
        if isinstance(message, Command):
            told.append(message.verb)
            error = "not_ringing" if refusing else None
            ack = Ack(unit=UNIT, id=message.id, ok=not refusing, error=error, at=message.at)
            take_ack(office.controller, ack)
        return publish(message, channel)

    office.post.publish = unit  # type: ignore[method-assign]
    assert "không còn đổ chuông" in done(office, f"{path}/answer", verb="decline")
    refusing = False
    assert "Đã từ chối" in done(office, f"{path}/answer", verb="decline")
    assert "sẽ tự vào họp" in done(office, f"{path}/answer", verb="ring")
    assert told == [Verb.DECLINE, Verb.DECLINE, Verb.RING]


def test_the_room_is_checked_from_the_phone_page(office: Office) -> None:
    occurrence = f"{meeting(office)}-20260302T083000"
    office.later(minutes=5)
    says(office, None, SessionState.IDLE)
    office.post.answering = office.controller
    path = link(office, occurrence)
    assert "Kiểm tra ngay" in page(office, path)
    for verb, said in (("preflight", "Máy đang kiểm tra"), ("postpone_check", "Đã hoãn kiểm tra")):
        office.post.letters.clear()
        assert said in done(office, f"{path}/check", verb=verb)
        assert [one.verb for one in office.post.take(Command)] == [verb]
    says(office, occurrence, SessionState.IN_MEETING)
    stopped = event(office, 1, EventKind.LOCAL_STOP, occurrence).model_copy(update={"data": {"on": True}})
    office.hear(stopped)
    now = page(office, path)
    assert "Hình và tiếng đã tắt ngay tại phòng họp" in now and "Kiểm tra ngay" not in now
