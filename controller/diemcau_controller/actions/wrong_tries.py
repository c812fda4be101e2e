"""Codes and papers that did not fit: counted on disk, and an alarm that stands when they are too many."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules.actor import SYSTEM, Actor
from ..rules.enrolment import LONGEST, Scope, Subject, Try, subjects_of, too_many
from ..rules.refusals import Conflict, NotFound
from ..store.tables import TryAlarm, WrongTry
from .audit import record
from .controller import Controller

log = logging.getLogger(__name__)


class TooManyTries(Conflict):
    """The right code is refused too, until an administrator lifts the alarm."""

    code = "enrol.too_many"


def need_no_alarm(session: Session, subjects: Iterable[Subject]) -> None:
    """Refuse whoever an alarm is about, before anything is looked at."""
    about = set(subjects)
    if any((alarm.scope, alarm.subject) in about for alarm in standing_alarms(session)):
        raise TooManyTries(
            "too many wrong codes: no code is taken now, not even the right one; an administrator lifts the "
            "alarm under the enrolments, or with `diemcau enrol lift`",
            code="enrol.too_many",
        )


def count_try(session: Session, now: datetime, one: Try) -> frozenset[Subject]:
    """Write a wrong try down, raise the alarms that follow, and give these."""
    kind = "voucher" if one.paper else "site" if one.enrolment is not None else "code"
    session.add(
        WrongTry(at=one.at, kind=kind, account=one.account, source=one.source, enrolment_id=one.enrolment)
    )
    session.flush()
    standing = {(alarm.scope, alarm.subject) for alarm in standing_alarms(session)}
    raised = too_many(_tries(session, now), _lifted(session, now), now) - standing
    for scope, subject in sorted(raised):
        session.add(TryAlarm(scope=scope.value, subject=subject, since=now))
        about = f"try:{scope.value}"
        record(session, SYSTEM, now, "enrolment.alarm", about, after={"subject": subject or None})
        log.error("too many wrong tries", extra={"scope": scope.value, "subject": subject})
    session.flush()
    return frozenset(raised)


def subjects_of_try(
    who: Actor, source: str, now: datetime, enrolment: str | None = None
) -> tuple[Subject, ...]:
    """Whom a try with a code would be counted for: whose alarms stand against it."""
    return subjects_of(Try(now, who.name, source, enrolment))


def standing_alarms(session: Session) -> list[TryAlarm]:
    """Alarms nobody has lifted, the oldest first."""
    return list(
        session.scalars(select(TryAlarm).where(TryAlarm.lifted_at.is_(None)).order_by(TryAlarm.number))
    )


async def lift_alarm(controller: Controller, who: Actor, number: int) -> None:
    """An administrator has looked into it; tries from before do not count again."""

    def change(session: Session) -> None:
        alarm = session.get(TryAlarm, number)
        if alarm is None:
            raise NotFound(f"there is no alarm {number}", code="enrol.no_alarm")
        if alarm.lifted_at is None:
            alarm.lifted_at, alarm.lifted_by = controller.now(), who.name
            about = f"try:{alarm.scope}"
            record(
                session,
                who,
                controller.now(),
                "enrolment.lift",
                about,
                after={"subject": alarm.subject or None},
            )

    await controller.write(change)
    controller.news.tell("enrolment")


def _tries(session: Session, now: datetime) -> list[Try]:
    rows = session.scalars(select(WrongTry).where(WrongTry.at > now - LONGEST))
    return [Try(row.at, row.account, row.source, row.enrolment_id, row.kind == "voucher") for row in rows]


def _lifted(session: Session, now: datetime) -> dict[Subject, datetime]:
    rows = session.scalars(
        select(TryAlarm).where(TryAlarm.lifted_at > now - LONGEST).order_by(TryAlarm.lifted_at)
    )
    return {(Scope(row.scope), row.subject): row.lifted_at for row in rows if row.lifted_at is not None}
