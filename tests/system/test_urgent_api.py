"""Urgent meetings over a real database: start, what they meet, who comes; the hall's page for programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from diemcau_controller.actions.ingest import Taken, ingest
from diemcau_controller.actions.meeting_links import is_chairs, is_halls
from diemcau_controller.actions.send_command import take_ack
from diemcau_controller.store.tables import AuditRow, Occurrence
from diemcau_wire.messages import (
    Ack,
    Command,
    DesiredSchedule,
    EventKind,
    Message,
    Presence,
    ReportedSession,
    SessionState,
    State,
    Verb,
)
from diemcau_wire.topics import Channel
from sqlalchemy import select

from tests.system.office import UNIT, Office, event, furnished, meeting

OTHER = "u0123456789ef"


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Three sites: the centre without a unit, two communes with one."""
    with furnished(tmp_path / "state") as made:
        made.add("sites", id="ea-tar", name="Xã Ea Tar", contacts=[{"name": "Anh Y Bhăm", "phone": "0905 1"}])
        made.add("units", id=OTHER, site="ea-tar")
        made.post.letters.clear()
        yield made


def start(office: Office, **more: Any) -> dict[str, Any]:
    return dict(office.add("urgent", **{"title": "Lũ trên sông", "main_site": "huyen", **more}))


def says(office: Office, unit: str, occurrence: str | None, state: SessionState) -> None:
    site = {UNIT: "ea-kiet", OTHER: "ea-tar"}[unit]
    online = State(
        unit=unit, status=Presence.ONLINE, boot_id="b", nonce="n", version="1", at=office.time, site=site
    )
    said = ReportedSession(unit=unit, meeting=occurrence, state=state, at=office.time)
    batch = [Taken(Channel.STATE, online), Taken(Channel.REPORTED_SESSION, said)]
    office.writer.submit(lambda session: ingest(session, batch, office.time), urgent=True).result()


def answers(office: Office, occurrence: str) -> dict[str, str]:
    return {one["site"]: one["answer"] for one in office.get(f"urgent/{occurrence}")["sites"]}


def test_it_opens_at_once_and_starts_in_a_minute_everywhere(office: Office) -> None:
    started = start(office)
    assert started["sites"] == ["huyen", "ea-kiet", "ea-tar"] and started["clashes"] == []
    assert started["starts_at"] == "2026-03-02T01:01:00Z"
    schedules = office.post.take(DesiredSchedule)
    assert {schedule.unit for schedule in schedules} == {UNIT, OTHER}
    for schedule in schedules:
        (entry,) = schedule.meetings
        assert entry.urgent and entry.kind == "hop-khan"
        assert entry.opens_at == office.time
        assert (entry.ends_at - entry.starts_at).total_seconds() == 2 * 3600
        assert (entry.cap_at - entry.ends_at).total_seconds() == 4 * 3600
        assert entry.phone is not None and len(entry.phone) <= 120


def test_every_hall_has_an_address_of_its_own(office: Office) -> None:
    occurrence = start(office)["id"]
    (mine,) = [one for one in office.post.take(DesiredSchedule) if one.unit == UNIT]
    shown = mine.meetings[0].phone
    assert office.get(f"meetings/{occurrence}/halls/ea-kiet/link") == {"url": shown}
    token = str(shown).rsplit("/", 1)[1]
    with office.database.read() as session:
        row = session.get_one(Occurrence, occurrence)
        assert is_halls(session, row, "ea-kiet", token)
        assert not is_halls(session, row, "ea-tar", token)
        assert not is_chairs(row, token)


def test_other_meetings_are_told_and_do_not_stop_it(office: Office) -> None:
    meeting(office, starts_at="2026-03-02T08:00", sites=["ea-kiet"])
    assert [clash["title"] for clash in office.get("urgent")["clashes"]] == ["Giao ban"]
    (clash,) = start(office)["clashes"]
    assert clash["sites"] == ["ea-kiet", "huyen"]
    assert office.get("urgent")["clashes"][-1]["title"] == "Lũ trên sông"


def test_a_second_tap_starts_nothing(office: Office) -> None:
    first = start(office)
    office.later(seconds=30)
    assert start(office)["id"] == first["id"]
    assert start(office, title="Cháy rừng")["id"] != first["id"]
    office.later(minutes=3)
    assert start(office)["id"] != first["id"]


def test_the_gate_is_asked_here_too(office: Office) -> None:
    body = {"title": "Lũ", "main_site": "huyen"}
    assert "state secret" in office.refused(422, "urgent", **body, classification="mat")
    assert "in person" in office.refused(422, "urgent", **body, security_subject=True)
    assert "subject_checked" in office.refused(409, "urgent", **{**body, "title": "Tình hình an ninh"})
    assert start(office, title="An ninh lương thực")["id"]
    assert start(office, title="Tình hình an ninh", subject_checked=True)["id"]


def test_halls_with_a_secret_on_the_table_are_left_out_unless_named(office: Office) -> None:
    meeting(
        office,
        title="Họp kín",
        starts_at="2026-03-02T08:00",
        main_site="ea-tar",
        sites=["ea-tar"],
        mode="in_person",
        classification="mat",
    )
    assert office.get("urgent")["apart"] == ["ea-tar"]
    assert start(office)["sites"] == ["huyen", "ea-kiet"]
    assert start(office, title="Lũ về", sites=["ea-tar"])["sites"] == ["huyen", "ea-tar"]


def test_who_comes_and_whom_to_call(office: Office) -> None:
    occurrence = start(office)["id"]
    says(office, UNIT, None, SessionState.IDLE)
    assert answers(office, occurrence) == {
        "huyen": "unreachable",
        "ea-tar": "unreachable",
        "ea-kiet": "called",
    }
    says(office, UNIT, occurrence, SessionState.COUNTDOWN)
    says(office, OTHER, occurrence, SessionState.COUNTDOWN)
    assert answers(office, occurrence)["ea-tar"] == "ringing"
    office.later(seconds=63)
    says(office, UNIT, occurrence, SessionState.JOINING)
    assert answers(office, occurrence)["ea-kiet"] == "joining"
    assert office.get(f"urgent/{occurrence}")["complete"] is False
    says(office, UNIT, occurrence, SessionState.IN_MEETING)
    office.hear(event(office, 1, EventKind.JOINED, occurrence))
    declined = event(office, 1, EventKind.DECLINED, occurrence)
    office.hear(declined.model_copy(update={"unit": OTHER, "site": "ea-tar", "id": f"{OTHER}:s:1"}))
    says(office, OTHER, None, SessionState.IDLE)
    office.later(minutes=5)
    now = office.get(f"urgent/{occurrence}")
    assert [(one["site"], one["answer"]) for one in now["sites"]] == [
        ("huyen", "unreachable"), ("ea-tar", "declined"), ("ea-kiet", "present"),
    ]  # fmt: skip
    assert now["complete"] is True and now["elapsed_s"] == 63
    assert now["sites"][1]["contacts"][0]["phone"] == "0905 1"


def test_a_hall_in_another_meeting_is_told_as_busy(office: Office) -> None:
    occurrence = start(office)["id"]
    says(office, UNIT, "another", SessionState.IN_MEETING)
    (hall,) = [one for one in office.get(f"urgent/{occurrence}")["sites"] if one["site"] == "ea-kiet"]
    assert (hall["answer"], hall["busy"]) == ("called", True)


def test_a_hall_is_answered_for_and_called_again(office: Office) -> None:
    occurrence = start(office)["id"]
    path = f"urgent/{occurrence}/answers"
    says(office, UNIT, occurrence, SessionState.COUNTDOWN)
    office.post.letters.clear()
    office.post.answering = office.controller
    office.http.post(f"/api/v1/{path}", json={"site": "ea-kiet", "verb": "decline"})
    office.http.post(f"/api/v1/{path}", json={"site": "ea-kiet", "verb": "ring"})
    commands = office.post.take(Command)
    assert [(one.verb, one.args) for one in commands] == [
        (Verb.DECLINE, {"meeting": occurrence}), (Verb.RING, {"meeting": occurrence}),
    ]  # fmt: skip
    with office.database.read() as session:
        rows = session.scalars(select(AuditRow).where(AuditRow.action == "unit.command")).all()
    assert len(rows) == 2
    assert "telephone" in office.refused(409, path, site="huyen", verb="ring")
    assert "not connected" in office.refused(409, path, site="ea-tar", verb="ring")
    assert "no site" in office.refused(404, path, site="elsewhere", verb="ring")
    ordinary = meeting(office, title="Thường", starts_at="2026-03-05T08:00")
    assert "no urgent" in office.refused(404, f"urgent/{ordinary}/answers", site="ea-kiet", verb="ring")


def test_a_unit_that_says_no_is_told_in_its_words(office: Office) -> None:
    occurrence = start(office)["id"]
    says(office, UNIT, occurrence, SessionState.COUNTDOWN)
    publish = office.post.publish

    def refuse(message: Message, channel: Channel) -> bool:
        if isinstance(message, Command):
            ack = Ack(unit=UNIT, id=message.id, ok=False, error="not_ringing", text="No.", at=message.at)
            take_ack(office.controller, ack)
        return publish(message, channel)

    office.post.publish = refuse  # type: ignore[method-assign]
    assert "No." in office.refused(409, f"urgent/{occurrence}/answers", site="ea-kiet", verb="decline")


def test_a_hall_says_that_it_hears_well(office: Office) -> None:
    occurrence = start(office)["id"]
    path = f"/api/v1/meetings/{occurrence}/halls/ea-kiet"
    assert office.http.post(f"{path}/hears").status_code == 204
    office.later(minutes=1)
    assert office.http.post(f"{path}/hears").status_code == 204
    hall = office.get(f"meetings/{occurrence}/halls/ea-kiet")
    assert hall["heard_at"] == "2026-03-02T01:01:00Z" and hall["rings"] is True
    assert office.http.post(f"/api/v1/meetings/{occurrence}/halls/nowhere/hears").status_code == 404
    office.add(f"meetings/{occurrence}/close")
    assert office.http.post(f"{path}/hears").status_code == 409
