"""The floor over a real database: raised hands, discussion, extension, the chair's link."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from diemcau_controller.actions.ingest import Taken, ingest
from diemcau_controller.store.tables import AuditRow
from diemcau_wire.messages import DesiredSchedule, Floor, Presence, ReportedSession, SessionState, State
from diemcau_wire.topics import Channel
from sqlalchemy import select

from tests.system.office import Office, furnished, meeting

SITES = {"huyen": "u0123456789cd", "ea-kiet": "u0123456789ab", "ea-tar": "u0123456789ef", "cu-ni": ""}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Four sites, of which one has no unit, and a meeting that has opened."""
    with furnished(tmp_path / "state") as made:
        made.add("sites", id="ea-tar", name="Xã Ea Tar")
        made.add("sites", id="cu-ni", name="Xã Cư Ni")
        made.add("units", id=SITES["huyen"], site="huyen")
        made.add("units", id=SITES["ea-tar"], site="ea-tar")
        yield made


@pytest.fixture
def held(office: Office) -> str:
    """The occurrence, open, with every unit in it."""
    occurrence = f"{meeting(office)}-20260302T083000"
    office.later(minutes=25)
    for site in ("huyen", "ea-kiet", "ea-tar"):
        joins(office, site, occurrence)
    office.post.letters.clear()
    return occurrence


def joins(office: Office, site: str, occurrence: str, state: SessionState = SessionState.IN_MEETING) -> None:
    unit = SITES[site]
    online = State(
        unit=unit, status=Presence.ONLINE, boot_id="b", nonce="n", version="1", at=office.time, site=site
    )
    said = ReportedSession(unit=unit, meeting=occurrence, state=state, at=office.time)
    batch = [Taken(Channel.STATE, online), Taken(Channel.REPORTED_SESSION, said)]
    office.writer.submit(lambda session: ingest(session, batch, office.time), urgent=True).result()


def waiting(office: Office, held: str) -> list[tuple[str, str]]:
    return [(hand["site"], hand["text"]) for hand in office.get(f"meetings/{held}/hands")]


def hands_told(office: Office) -> dict[str, bool | None]:
    """What each unit was told last of its own hand, by site."""
    sites = {unit: site for site, unit in SITES.items()}
    return {sites[floor.unit]: floor.hand for floor in office.post.take(Floor)}


def changes(office: Office, held: str) -> list[str]:
    return office.get(f"meetings/{held}/floor")["speakers"]


def lower(office: Office, held: str, site: str, status: int = 204, ending: str = "lowered") -> None:
    answer = office.http.delete(f"/api/v1/meetings/{held}/hands/{site}", params={"ending": ending})
    assert answer.status_code == status, answer.text


# ── raised hands ─────────────────────────────────────────────────────────────────────────────────


def test_hands_wait_in_the_order_they_were_raised(office: Office, held: str) -> None:
    path = f"meetings/{held}/hands"
    office.http.post(f"/api/v1/{path}", json={"site": "ea-tar", "text": "Về  đường\nliên xã"})
    office.later(minutes=1)
    office.http.post(f"/api/v1/{path}", json={"site": "ea-kiet"})
    office.http.post(f"/api/v1/{path}", json={"site": "ea-tar", "text": "Về nước sạch"})
    assert waiting(office, held) == [("ea-tar", "Về nước sạch"), ("ea-kiet", "")]
    assert hands_told(office) == {"ea-tar": True, "ea-kiet": True}
    office.add(f"meetings/{held}/floor", verb="grant", site="ea-tar")
    assert waiting(office, held) == [("ea-kiet", "")], "who speaks waits no longer"
    assert hands_told(office) == {"huyen": False, "ea-tar": False, "ea-kiet": True}
    lower(office, held, "ea-kiet", ending="dismissed")
    assert waiting(office, held) == []
    assert hands_told(office) == {"ea-kiet": False}, "its screen says so, too"
    lower(office, held, "ea-kiet", 404)
    assert "can speak now" in office.refused(409, path, site="ea-tar")


def test_hands_that_cannot_be_raised(office: Office) -> None:
    made = meeting(office, sites=["ea-kiet"])
    path = f"meetings/{made}/hands"
    assert "not open yet" in office.refused(409, path, site="ea-kiet")
    office.later(minutes=25)
    office.refused(404, path, site="ea-tar")
    office.refused(404, "meetings/nowhere/hands", site="ea-kiet")
    office.refused(422, path, site="ea-kiet", text="ờ" * 301)
    office.add(f"meetings/{made}/close")
    assert "is over" in office.refused(409, path, site="ea-kiet")


# ── discussion ───────────────────────────────────────────────────────────────────────────────────


def test_in_a_discussion_who_asks_speaks(office: Office, held: str) -> None:
    floor, hands = f"meetings/{held}/floor", f"meetings/{held}/hands"
    assert office.add(floor, verb="open-discussion")["open_discussion"]
    office.post.letters.clear()
    for site in ("cu-ni", "ea-kiet"):
        assert office.http.post(f"/api/v1/{hands}", json={"site": site}).status_code == 204
    assert changes(office, held) == ["huyen", "ea-kiet"]
    assert waiting(office, held) == [("cu-ni", "")], "who is not connected does not hold the floor"
    told = office.post.take(Floor)
    assert {one.unit for one in told} == {unit for unit in SITES.values() if unit}
    assert {tuple(one.speakers) for one in told} == {("huyen", "ea-kiet")}

    # Three speak: the chair's word makes the one who has spoken longest give way, never the main site.
    office.add(floor, verb="grant", site="ea-tar")
    assert office.add(floor, verb="grant", site="cu-ni")["speakers"] == ["huyen", "ea-tar", "cu-ni"]
    office.http.post(f"/api/v1/{hands}", json={"site": "ea-kiet"})
    assert waiting(office, held) == [("ea-kiet", "")]
    assert office.add(floor, verb="end", site="cu-ni")["speakers"] == ["huyen", "ea-tar", "ea-kiet"]
    assert waiting(office, held) == []

    office.add(floor, verb="mute-all")
    office.http.post(f"/api/v1/{hands}", json={"site": "ea-kiet"})
    assert changes(office, held) == [] and waiting(office, held) == [("ea-kiet", "")]
    office.add(floor, verb="open-discussion")
    assert changes(office, held) == ["ea-kiet"], "who waited when it began is let in"
    assert office.add(floor, verb="close-discussion") == {
        "seq": 10,
        "speakers": ["huyen"],
        "open_discussion": False,
    }


# ── who is in ────────────────────────────────────────────────────────────────────────────────────


def test_how_halls_stand(office: Office, held: str) -> None:
    joins(office, "ea-tar", held, SessionState.RECONNECTING)
    office.controller.in_room[held] = {"cu-ni"}
    view = office.get(f"meetings/{held}/floor")
    assert view["phase"] == "open"
    standings = {one["site"]: one["standing"] for one in view["sites"]}
    assert standings == {
        "huyen": "in_meeting",
        "ea-kiet": "in_meeting",
        "ea-tar": "reconnecting",
        "cu-ni": "in_meeting",
    }
    office.controller.in_room.clear()
    office.later(minutes=10)
    view = office.get(f"meetings/{held}/floor")
    assert view["phase"] == "running" and view["sites"][0]["site"] == "cu-ni", "who is missing comes first"
    assert view["sites"][0]["standing"] == "absent"


# ── how long ─────────────────────────────────────────────────────────────────────────────────────


def test_a_meeting_is_extended(office: Office, held: str) -> None:
    path = f"meetings/{held}/extend"
    assert office.add(path, minutes=30) == {"ends_at": "2026-03-02T03:00:00Z"}
    told = office.post.take(DesiredSchedule)[-1].meetings[0]
    assert (f"{told.ends_at:%H:%M}", f"{told.cap_at:%H:%M}") == ("03:00", "03:30")
    office.later(hours=1, minutes=45)  # 10:10 there: past the new end
    assert office.add(path, minutes=15) == {"ends_at": "2026-03-02T03:25:00Z"}
    for wrong in (0, 481):
        office.refused(422, path, minutes=wrong)


def test_a_meeting_is_not_extended_into_another(office: Office, held: str) -> None:
    meeting(office, title="Tập huấn", starts_at="2026-03-02T10:00", main_site="ea-tar", sites=[])
    path = f"meetings/{held}/extend"
    assert "“Tập huấn” from 10:00" in office.refused(409, path, minutes=60)
    assert office.add(path, minutes=30)


# ── the chair's link ─────────────────────────────────────────────────────────────────────────────


def test_the_chairs_link_is_renewed(office: Office, held: str) -> None:
    path = f"meetings/{held}/chair-link"
    assert office.get(path) == {"url": None}
    first = office.add(path)["url"]
    assert office.get(path)["url"] == first
    second = office.add(path)["url"]
    assert first != second and second.startswith(f"https://192.0.2.1:8443/chair/{held}/")
    with office.database.read() as session:
        noted = [
            row.after for row in session.scalars(select(AuditRow).where(AuditRow.action == "chair.link"))
        ]
    assert noted == [{"link": 1}, {"link": 2}], "no secret in the list of changes"
