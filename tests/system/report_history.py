"""A meeting that was held and what went wrong in it, for tests and pictures of reports and incidents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from diemcau_controller.actions.incident_evidence import evidence_of
from diemcau_controller.actions.open_incident import add_entry, insert_incident
from diemcau_controller.rules.actor import SYSTEM
from diemcau_controller.rules.incidents import Kind
from diemcau_controller.store.tables import (
    Attendee,
    EventRow,
    Hand,
    HealthRow,
    IncidentSite,
    Invitation,
    Meeting,
    Occurrence,
    ReportNote,
    Site,
    User,
)
from sqlalchemy.orm import Session

from .big_fleet import fill
from .office import Office


@dataclass(frozen=True, slots=True)
class History:
    """What is in it: one meeting, its sites (the last one was absent), an incident of one and of many."""

    occurrence: str
    sites: list[str]
    incident: str
    shared: str


def history(office: Office) -> History:
    """Put a meeting of an hour, over for ten minutes, into the database of an office with sites and units."""
    now = office.controller.now().replace(microsecond=0)
    starts = now - timedelta(minutes=70)
    with office.database.session() as session:
        places = [site for site in session.query(Site).order_by(Site.id) if site.unit is not None][:6]
        sites = [site.id for site in places]
        meeting = Meeting(
            id="m-giao-ban",
            title="Giao ban tuần",
            kind="giao-ban",
            starts_local=starts.replace(tzinfo=None).isoformat(),
            duration_s=3600,
            opens_before_s=600,
            overrun_s=1800,
            main_site_id=sites[0],
            created_at=starts,
            chair="Đ/c Nguyễn Văn Hà, Chủ tịch UBND",
            invited=[Invitation(site_id=site, position=n) for n, site in enumerate(sites)],
        )
        occurrence = Occurrence(
            id="m-giao-ban-1",
            meeting=meeting,
            opens_at=starts - timedelta(minutes=10),
            starts_at=starts,
            ends_at=starts + timedelta(hours=1),
            cap_at=starts + timedelta(hours=1, minutes=30),
            room="r",
            secret="s",
            pin="0000",
            floor_speakers=[sites[0]],
            closed_at=starts + timedelta(hours=1),
            finished_at=starts + timedelta(hours=1),
        )
        session.add(occurrence)
        session.flush()
        _events(session, places, occurrence, starts)
        _people(session, sites, occurrence.id, starts)
        session.add(User(name="tin", role="contractor", created_at=now, display_name="Anh Tín (bảo trì)"))
        session.flush()
        incident = insert_incident(
            session, SYSTEM, starts + timedelta(minutes=21), places[1], Kind.NO_PICTURE, "", occurrence.id
        )
        evidence = {"cause": "camera_lost", **evidence_of(session, places[1])}
        add_entry(incident, starts + timedelta(minutes=21), SYSTEM, "evidence", document=evidence)
        add_entry(
            incident, starts + timedelta(minutes=30), SYSTEM, "note", "Đã gọi chị H'Lan:\ncắm lại dây camera."
        )
        incident.assignee = "tin"
        add_entry(incident, starts + timedelta(minutes=31), SYSTEM, "assigned", "tin")
        shared = insert_incident(session, SYSTEM, starts - timedelta(days=1), places[2], Kind.CONNECTION)
        shared.further = [IncidentSite(site_id=site, since=shared.opened_at) for site in sites[3:]]
        lost = [{"site": site, "since": shared.opened_at.isoformat()} for site in sites[2:]]
        add_entry(
            shared, shared.opened_at, SYSTEM, "evidence", document={"cause": "lost_together", "sites": lost}
        )
        session.commit()
        return History(occurrence.id, sites, incident.id, shared.id)


def _events(session: Session, places: list[Site], occurrence: Occurrence, starts: datetime) -> None:
    """All but the last join; the second one drops out and speaks, the third one's line is slow."""
    told = {number: [("joined", -300 + number), ("left", 3600)] for number in range(len(places) - 1)}
    told[0][1:1] = [("floor_taken", 5), ("floor_left", 600), ("floor_taken", 900), ("floor_left", 3600)]
    told[1][1:1] = [
        ("floor_taken", 600),
        ("floor_left", 875),
        ("camera_lost", 1260),
        ("dropped", 1800),
        ("rejoined", 1925),
    ]
    for number, place in enumerate(places):
        assert place.unit is not None
        for seq, (kind, seconds) in enumerate(told.get(number, [])):
            at = starts + timedelta(seconds=seconds)
            session.add(
                EventRow(
                    unit=place.unit.id,
                    stream="history",
                    seq=seq + 1,
                    id=f"{place.unit.id}:history:{seq + 1}",
                    boot_id="b",
                    at=at,
                    kind=kind,
                    site=place.id,
                    meeting=occurrence.id,
                    data={},
                    received_at=at,
                )
            )
        session.add_all(
            HealthRow(
                unit=place.unit.id,
                at=starts + timedelta(minutes=minute),
                document={"link_rtt_ms": 12.5 + minute % 7 + (180 if number == 2 else 0)},
            )
            for minute in range(60 if number in told else 0)
        )


def _people(session: Session, sites: list[str], occurrence: str, at: datetime) -> None:
    rows = [
        (sites[1], "Y Bhăm Niê", "Chủ tịch UBND xã", "present", "", ""),
        (sites[1], "H'Lan Mlô", "Phó Chủ tịch HĐND", "substitute", "Nguyễn Thị Hường", ""),
        (sites[1], "Trần Quốc Tuấn", "Công an xã", "excused", "", "đi tập huấn ở tỉnh"),
        (sites[2], "Lê Văn Bình", "Bí thư Đảng ủy", "present", "", ""),
    ]
    for number, (site, name, position, status, stands_for, reason) in enumerate(rows):
        session.add(
            Attendee(
                id=f"p{number}",
                occurrence_id=occurrence,
                site_id=site,
                name=name,
                position=position,
                status=status,
                stands_for=stands_for,
                reason=reason,
                entered_at=at + timedelta(seconds=number),
            )
        )
    session.add(
        Hand(
            occurrence_id=occurrence,
            site_id=sites[1],
            text="Kinh phí sửa kênh mương thôn 4 khi nào có?",
            raised_at=at + timedelta(minutes=9),
            ended_at=at + timedelta(minutes=10),
            ended="granted",
        )
    )
    session.add(
        ReportNote(
            occurrence_id=occurrence,
            site_id=sites[2],
            text="mất điện từ 08:20 đến 08:35",
            written_by="lan",
            written_at=at,
        )
    )


@contextmanager
def office_of_twelve(folder: Path) -> Iterator[Office]:
    """An office with twelve sites and their units."""
    made = Office(folder)
    fill(made.database, 12, made.time)
    yield made
    made.close()


def page(office: Office, path: str, status: int = 200, **query: str) -> str:
    """A page as its administrator gets it, in Vietnamese unless `lang` says otherwise."""
    answer = office.http.get(path, params={"lang": "vi"} | query)  # a language asked for is remembered
    assert answer.status_code == status, answer.text
    return str(answer.text)


def said(text: str) -> str:
    """What a page says, without its tags."""
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", text)).replace("&#39;", "'")
