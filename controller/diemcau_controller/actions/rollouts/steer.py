"""What a person does with a rollout: pause, go on, end it, take it back, try a unit again; and what holds for
all: frozen days, rings of sites."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from diemcau_wire.messages import Nfc
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ...rules.actor import Actor
from ...rules.refusals import Conflict, Forbidden, Invalid, NotFound
from ...rules.rings import RINGS
from ...rules.rollout import TRANSITIONS, At, State
from ...store.tables import Freeze, Rollout, RolloutUnit, SiteRing, Unit
from ..audit import record
from ..controller import Controller
from ..scope import site_for
from .advance import leave_alone, put
from .others import live_besides, newer_about

_LONGEST_FREEZE_DAYS = 120


class Verb(StrEnum):
    """pause: nothing is flipped any more. resume: go on, whatever failed until now. abort: it is over, who
    has the version keeps it. back: who has the version gets its former one again."""

    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    BACK = "back"


_LEADS = {
    Verb.PAUSE: State.PAUSED,
    Verb.RESUME: State.RUNNING,
    Verb.ABORT: State.STOPPED,
    Verb.BACK: State.ROLLING_BACK,
}


class FreezeSpec(BaseModel):
    """Days on which nothing is flipped, the first and the last one included."""

    model_config = ConfigDict(extra="forbid")
    first: date
    last: date
    reason: Annotated[str, Field(min_length=1, max_length=200), Nfc]


def need_whole_fleet(who: Actor) -> None:
    """Refuse what concerns every unit to somebody who is bound to some sites."""
    if who.sites is not None:
        raise Forbidden(
            "you are bound to an area: ask an administrator of the whole fleet", code="rollouts.beyond_scope"
        )


async def steer(controller: Controller, who: Actor, rollout_id: str, verb: Verb) -> None:
    """Do that with a rollout. Raises :class:`Conflict` where it cannot be."""
    need_whole_fleet(who)
    now = controller.now()

    def change(session: Session) -> None:
        rollout = rollout_for(session, rollout_id)
        before = rollout.state
        to = _LEADS[verb]
        again = verb is Verb.RESUME and rollout.state == State.DONE  # that is for units that come late
        if to not in TRANSITIONS[State(before)] or again:
            raise Conflict(
                f"rollout {rollout.id} is {before}: it cannot {verb} now",
                code=f"rollouts.cannot_{verb.value}",
                version=rollout.version,
            )
        if verb is Verb.BACK:
            _need_no_other(session, rollout)
        rollout.state, rollout.why, rollout.ended_at = to.value, "person", None
        if verb is Verb.ABORT:
            rollout.ended_at = now
            leave_alone(session, rollout, now)
        elif verb is Verb.RESUME:
            _accept_failures(session, rollout)
        elif verb is Verb.BACK:
            leave_alone(session, rollout, now)
            _turn_back(session, rollout, now)
        record(
            session,
            who,
            now,
            f"rollout.{verb}",
            f"rollout:{rollout.id}",
            before={"state": before},
            after={"state": rollout.state},
        )

    await controller.write(change)
    controller.news.tell("rollout", rollout=rollout_id)


async def try_again(controller: Controller, who: Actor, rollout_id: str, unit_id: str) -> None:
    """Let a unit that failed, or went back, be tried once more."""
    now = controller.now()

    def change(session: Session) -> None:
        rollout = rollout_for(session, rollout_id)
        row = session.get(RolloutUnit, (rollout_id, unit_id))
        if row is None or not who.sees(row.site_id):
            raise NotFound(f"unit {unit_id[:80]} is not in this rollout", code="rollouts.unit_unknown")
        live = rollout.state in (State.RUNNING, State.PAUSED, State.DONE)
        if row.state not in (At.FAILED, At.BACK) or not live:
            raise Conflict(f"unit {unit_id} did not fail in this rollout", code="rollouts.unit_not_failed")
        if rollout.state == State.DONE:
            _need_no_other(session, rollout)
            _need_newest(session, rollout, row.site_id)
            rollout.state, rollout.ended_at = State.RUNNING.value, None
        put(row, At.WAITING, now, again_at=now)
        row.tries, row.wave, row.tail, row.task, row.accepted = 0, 0, [], "", False
        record(session, who, now, "rollout.retry", f"rollout:{rollout_id}", after={"unit": unit_id})

    await controller.write(change)
    controller.news.tell("rollout", rollout=rollout_id)


async def freeze(controller: Controller, who: Actor, spec: FreezeSpec) -> int:
    """Freeze some days, and give the number of the freeze."""
    need_whole_fleet(who)
    today = controller.now().astimezone(controller.settings.zone).date()
    if spec.last < spec.first or spec.last < today or (spec.last - spec.first).days > _LONGEST_FREEZE_DAYS:
        raise Invalid(
            f"a freeze ends not before it begins, nor before today; at most {_LONGEST_FREEZE_DAYS} days",
            code="rollouts.freeze_days",
            field="last",
            days=_LONGEST_FREEZE_DAYS,
        )

    def change(session: Session) -> int:
        row = Freeze(
            first=spec.first.isoformat(),
            last=spec.last.isoformat(),
            reason=spec.reason.strip(),
            made_by=who.name,
            made_at=controller.now(),
        )
        session.add(row)
        session.flush()
        record(session, who, controller.now(), "freeze.add", f"freeze:{row.number}", after=_said(row))
        return row.number

    number = await controller.write(change)
    controller.news.tell("rollout")
    return number


async def thaw(controller: Controller, who: Actor, number: int) -> None:
    """Take a freeze away."""
    need_whole_fleet(who)

    def change(session: Session) -> None:
        row = session.get(Freeze, number) if number < 2**31 else None  # SQLite has no larger ones
        if row is None:
            raise NotFound(f"there is no freeze {number}", code="rollouts.freeze_unknown")
        record(session, who, controller.now(), "freeze.remove", f"freeze:{number}", before=_said(row))
        session.delete(row)

    await controller.write(change)
    controller.news.tell("rollout")


async def put_in_ring(controller: Controller, who: Actor, site_id: str, ring: str | None) -> None:
    """Say in which ring a site is in rollouts from now on; None: as it is chosen for it."""
    if ring is not None and ring not in RINGS:
        raise Invalid(f"there are the rings {', '.join(RINGS)}", code="rollouts.ring_unknown", field="ring")

    def change(session: Session) -> None:
        site = site_for(session, who, site_id)
        row = session.get(SiteRing, site.id)
        before = {"ring": row.ring if row is not None else None}
        session.execute(delete(SiteRing).where(SiteRing.site_id == site.id))
        session.expire_all()
        if ring is not None:
            session.add(SiteRing(site_id=site.id, ring=ring))
        record(
            session,
            who,
            controller.now(),
            "site.ring",
            f"site:{site.id}",
            before=before,
            after={"ring": ring},
        )

    await controller.write(change)


def rollout_for(session: Session, rollout_id: str) -> Rollout:
    """A rollout by its id."""
    rollout = session.get(Rollout, rollout_id)
    if rollout is None:
        raise NotFound(
            f"there is no rollout {rollout_id[:40]}: `diemcau rollout list` shows those there are",
            code="rollouts.unknown",
        )
    return rollout


def _need_no_other(session: Session, rollout: Rollout) -> None:
    other = live_besides(session, rollout)
    if other is not None:
        raise Conflict(
            f"rollout {other.id} of {other.version} is under way: end it first",
            code="rollouts.another_runs",
            version=other.version,
        )


def _need_newest(session: Session, rollout: Rollout, site: str) -> None:
    other = newer_about(session, rollout, site)
    if other is not None:
        raise Conflict(
            f"rollout {other.id} of {other.version} came later: try its units again, or start a rollout for "
            "the site",
            code="rollouts.not_newest",
            version=other.version,
        )


def _accept_failures(session: Session, rollout: Rollout) -> None:
    for row in session.scalars(select(RolloutUnit).where(RolloutUnit.rollout_id == rollout.id)):
        if row.state in (At.FAILED, At.BACK):
            row.accepted = True


def _turn_back(session: Session, rollout: Rollout, now: datetime) -> None:
    runs = dict(session.execute(select(Unit.id, Unit.version)).all())
    for row in session.scalars(select(RolloutUnit).where(RolloutUnit.rollout_id == rollout.id)):
        runs_it = runs.get(row.unit_id) == rollout.version  # not a newer one, from a rollout since then
        got_it = row.state == At.GATING or (row.state == At.DONE and row.why != "had_it" and runs_it)
        if got_it or (row.state == At.FAILED and runs_it):
            put(row, At.RETURNING, now)
            row.wave = 0


def _said(row: Freeze) -> dict[str, object]:
    return {"first": row.first, "last": row.last, "reason": row.reason}
