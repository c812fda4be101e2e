"""Look through the list of changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.refusals import Forbidden
from ..store.tables import AuditRow

PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which changes; "" and None want all. `action` and `subject` may be beginnings. Days are included."""

    user: str = ""
    action: str = ""
    subject: str = ""
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One page of changes, the newest first. `page` counts from 1."""

    rows: Sequence[AuditRow]
    page: int
    pages: int
    total: int


def find_changes(session: Session, who: Actor, wanted: Wanted, page: int, zone: tzinfo) -> Found:
    """A page of changes; a page beyond the last gives the last. For administrators of every site only."""
    if who.sites is not None:
        raise Forbidden(
            "the list of changes tells of every site: it is for administrators who are bound to none",
            code="audit.beyond_scope",
        )
    conditions = _conditions(wanted, zone)
    total = session.scalar(select(func.count()).select_from(AuditRow).where(*conditions)) or 0
    pages = max(1, -(-total // PER_PAGE))
    page = min(page, pages)
    query = select(AuditRow).where(*conditions).order_by(AuditRow.number.desc())
    rows = session.scalars(query.limit(PER_PAGE).offset((page - 1) * PER_PAGE)).all()
    return Found(rows, page, pages, total)


def known_words(session: Session) -> tuple[list[str], list[str]]:
    """Who made changes, and the actions there are: what a filter offers."""
    return (
        list(session.scalars(select(AuditRow.who).distinct().order_by(AuditRow.who))),
        list(session.scalars(select(AuditRow.action).distinct().order_by(AuditRow.action))),
    )


def _conditions(wanted: Wanted, zone: tzinfo) -> list[ColumnElement[bool]]:
    found = []
    if wanted.user:
        found.append(AuditRow.who == wanted.user)
    if wanted.action:
        found.append(AuditRow.action.startswith(wanted.action, autoescape=True))
    if wanted.subject:
        found.append(AuditRow.subject.startswith(wanted.subject, autoescape=True))
    if wanted.since is not None:
        found.append(AuditRow.at >= _midnight(wanted.since, zone))
    if wanted.until is not None:
        found.append(AuditRow.at < _midnight(wanted.until, zone) + timedelta(days=1))
    return found


def _midnight(day: date, zone: tzinfo) -> datetime:
    """When a day begins there. The first and last days of the calendar have no moment in every zone."""
    day = min(max(day, date(1970, 1, 1)), date(9998, 12, 31))
    return datetime.combine(day, time(), zone).astimezone(UTC)
