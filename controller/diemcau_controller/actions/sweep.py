"""Look through what time alone changes: units fallen silent, meetings that are over, history that is old."""

from __future__ import annotations

from datetime import datetime, timedelta

from diemcau_wire.topics import Channel
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ..rules import presence
from ..rules.gate import Mode
from ..store.tables import CheckDay, FaultDay, HealthRow, Newest, Notice, Occurrence, SiteHour, Unit
from .attendance import attendance_of
from .controller import Controller
from .room_picture import drop_room_pictures

HOURS_KEPT = timedelta(days=35)  # a month is looked at
NOTICES_KEPT = timedelta(days=90)
_DEFAULT_INTERVAL_S = 10.0


async def sweep_presence(controller: Controller, listening_since: datetime) -> None:
    """Mark connected units whose measurements have stopped although we listened since `listening_since`."""
    now = controller.now()

    def change(session: Session) -> list[tuple[str, str | None]]:
        fallen = []
        for unit in session.scalars(select(Unit).where(Unit.status == "online")):
            newest = session.get(Newest, (unit.id, Channel.HEALTH.value))
            interval_s = float(newest.document["interval_s"]) if newest else _DEFAULT_INTERVAL_S
            if presence.silent(newest.at if newest else None, interval_s, listening_since, now):
                unit.status = "silent"
                fallen.append((unit.id, unit.site_id))
        return fallen

    for unit, site in await controller.write(change):
        controller.news.tell("unit", unit=unit, site=site, status="silent")


async def finish_meetings(controller: Controller) -> None:
    """Note which meetings are over: at their cap, or after their end once everybody has gone home.

    One that only holds the halls is over at its end.
    """
    now = controller.now()

    def change(session: Session) -> list[str]:
        done = []
        running = select(Occurrence).where(Occurrence.finished_at.is_(None), Occurrence.ends_at <= now)
        for occurrence in session.scalars(running):
            held_here = occurrence.meeting.mode == Mode.HERE
            if now >= occurrence.cap_at or not held_here or _deserted(session, occurrence):
                occurrence.finished_at = min(now, occurrence.cap_at)
                done.append(occurrence.id)
        return done

    for occurrence_id in await controller.write(change):
        controller.news.tell("schedule", meeting=occurrence_id)


async def drop_old_history(controller: Controller) -> None:
    """Delete measurements, days of checks, notices and pictures of rooms past their retention."""
    settings, now = controller.settings, controller.now()
    measured = now - timedelta(days=settings.health_days)
    first_day = (now.astimezone(settings.zone).date() - timedelta(days=settings.history_days)).isoformat()

    def change(session: Session) -> None:
        session.execute(delete(HealthRow).where(HealthRow.at < measured))
        session.execute(delete(SiteHour).where(SiteHour.hour < now - HOURS_KEPT))
        for table in (CheckDay, FaultDay):
            session.execute(delete(table).where(table.day < first_day))
        session.execute(delete(Notice).where(Notice.at < now - NOTICES_KEPT))

    await controller.write(change)
    await drop_room_pictures(controller)


def _deserted(session: Session, occurrence: Occurrence) -> bool:
    """True when the main site has left and nobody is in the room."""
    known = attendance_of(session, occurrence)
    main = known[occurrence.meeting.main_site_id]
    return main.left and not any(attendance.present for attendance in known.values())
