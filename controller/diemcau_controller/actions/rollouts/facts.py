"""A rollout and its units as they stand, as :mod:`...rules.rollout` wants to know them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ...rules.board import connected
from ...rules.rings import frozen
from ...rules.rollout import LONGEST_RUN, At, RolloutNow, State, UnitNow
from ...rules.update_words import check_shows
from ...rules.verdicts import read_verdict
from ...store.tables import (
    EventRow,
    Freeze,
    GroupMember,
    Invitation,
    Meeting,
    Occurrence,
    Rollout,
    RolloutRun,
    RolloutUnit,
    Unit,
)
from ..controller import Controller
from .others import later_than


@dataclass(frozen=True, slots=True)
class Facts:
    """`units` in the order of the rows."""

    rollout: RolloutNow
    units: Sequence[UnitNow]


def facts(controller: Controller, session: Session, rollout: Rollout, now: datetime) -> Facts:
    """Everything :func:`...rules.rollout.plan` needs. Reads much: not on the event loop."""
    rows = session.scalars(select(RolloutUnit).where(RolloutUnit.rollout_id == rollout.id)).all()
    serving = {
        unit: (status, version, site)
        for unit, status, version, site in session.execute(
            select(Unit.id, Unit.status, Unit.version, Unit.site_id)
        )
    }
    groups: dict[str, set[str]] = {}
    for member in session.execute(select(GroupMember.site_id, GroupMember.group_id)):
        groups.setdefault(member.site_id, set()).add(member.group_id)
    meetings = next_meetings(session, now)
    gating = [row for row in rows if row.state == At.GATING]
    shown = {row.unit_id: _shown(session, row) for row in gating}
    units, later = [], later_than(session, rollout)
    for row in rows:
        status, version, site = serving.get(row.unit_id, (None, None, None))
        met, check = shown.get(row.unit_id, (False, ""))
        units.append(
            UnitNow(
                unit=row.unit_id,
                ring=row.ring,
                state=At(row.state),
                since=row.since,
                again_at=row.again_at,
                wave=row.wave,
                tries=row.tries,
                kept_at=row.kept_at,
                asked_at=row.asked_at,
                proof=row.proof,
                accepted=row.accepted,
                going=row.run_id is not None,
                why=row.why,
                groups=frozenset(groups.get(row.site_id, ())),
                there=status is not None and connected(status),
                version=version or "",
                meeting=meetings.get(row.site_id),
                met=met,
                check=check,
                serves=site == row.site_id,
                overtaken=later.about(row.site_id),
            )
        )
    open_runs = select(RolloutRun.kind).where(
        RolloutRun.rollout_id == rollout.id, RolloutRun.ended_at.is_(None)
    )
    return Facts(
        RolloutNow(
            version=rollout.version,
            state=State(rollout.state),
            ring=rollout.ring,
            wave=rollout.wave,
            tolerated_percent=rollout.tolerated_percent,
            meeting_wait=timedelta(hours=rollout.meeting_wait_h),
            frozen=frozen(freezes(session), now, now + LONGEST_RUN, controller.settings.zone),
            urgent=urgent_runs(session, now),
            busy=frozenset(session.scalars(open_runs)),
            systems=(controller.state.releases / "targets/systems" / rollout.version).is_dir(),
        ),
        units,
    )


def freezes(session: Session) -> list[tuple[str, str]]:
    """First and last day of every freeze."""
    return [(row.first, row.last) for row in session.execute(select(Freeze.first, Freeze.last))]


def next_meetings(session: Session, now: datetime) -> dict[str, datetime]:
    """When the next meeting of each site opens, or the one that runs opened."""
    rows = (
        select(Invitation.site_id, func.min(Occurrence.opens_at))
        .join(Occurrence, Occurrence.meeting_id == Invitation.meeting_id)
        .join(Meeting, Meeting.id == Invitation.meeting_id)
        .where(Occurrence.cap_at > now, Occurrence.finished_at.is_(None), Meeting.cancelled_at.is_(None))
        .group_by(Invitation.site_id)
    )
    return {site: opens_at for site, opens_at in session.execute(rows)}


def urgent_runs(session: Session, now: datetime) -> bool:
    """Whether an urgent meeting calls or is held."""
    rows = (
        select(Occurrence.id)
        .join(Meeting, Meeting.id == Occurrence.meeting_id)
        .where(
            Meeting.urgent,
            Meeting.cancelled_at.is_(None),
            Occurrence.opens_at <= now,
            Occurrence.cap_at > now,
            Occurrence.finished_at.is_(None),
        )
    )
    return session.scalars(rows.limit(1)).first() is not None


def open_faults(session: Session, unit_id: str) -> list[str]:
    """What the newest check of a unit found wrong with its room."""
    newest = (
        select(EventRow.data)
        .where(EventRow.unit == unit_id, EventRow.kind == "verdict")
        .order_by(EventRow.received_at.desc())
        .limit(1)
    )
    data = session.scalars(newest).first()
    return sorted({one.what for one in read_verdict(data).open}) if data is not None else []


def _shown(session: Session, row: RolloutUnit) -> tuple[bool, str]:
    """Whether the unit was in a whole meeting since it kept the version; how its newest check came out."""
    if row.kept_at is None:
        return False, ""
    since = (
        select(EventRow)
        .where(
            EventRow.unit == row.unit_id,
            EventRow.received_at >= row.kept_at,
            EventRow.at >= row.kept_at,
            EventRow.kind.in_(("joined", "left", "verdict")),
        )
        .order_by(EventRow.number)
    )
    events = session.scalars(since).all()
    joined = {event.meeting for event in events if event.kind == "joined"}
    met = any(event.kind == "left" and event.meeting in joined for event in events)
    checks = (check_shows(read_verdict(one.data), row.faults) for one in events if one.kind == "verdict")
    return met, _newest(checks)


def _newest(checks: Iterable[str]) -> str:
    last = ""
    for check in checks:
        last = check or last
    return last
