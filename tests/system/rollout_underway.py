"""A rollout in the middle of its way, with everything on its page: for pictures, widths and routes."""

from __future__ import annotations

from datetime import timedelta

from diemcau_controller.rules.rollout import At
from diemcau_controller.store.tables import (
    Freeze,
    OfferedRelease,
    Rollout,
    RolloutTask,
    RolloutUnit,
    Unit,
)
from sqlalchemy import select
from sqlalchemy.orm import Session

from .office import Office

VERSION = "1.4.0"
_TAIL = [
    "TASK [unit_update : Stage the release]",
    "fatal: diemcau-agent update stage 1.4.0: no space left on /opt/diemcau (needs 310 MB, has 96 MB)",
    "remove what is not the product's, or put in a larger card",
]


def rollout_underway(office: Office) -> str:
    """Offer a release and start it, with units in every state; gives its id."""
    now = office.controller.now()

    def offer(session: Session) -> None:
        session.merge(OfferedRelease(version=VERSION, sha256="0" * 64, offered_by="an", offered_at=now))
        for day, reason in ((3, "Đại hội"), (30, "Tết Nguyên đán")):
            first, last = now + timedelta(days=day), now + timedelta(days=day + 4)
            dates = {"first": first.date().isoformat(), "last": last.date().isoformat()}
            session.add(Freeze(**dates, reason=reason, made_by="an", made_at=now))

    office.writer.submit(offer, urgent=True).result(20)
    rollout: str = office.add("rollouts", version=VERSION, instead=True)["id"]

    def spread(session: Session) -> None:
        row = session.get_one(Rollout, rollout)
        row.ring, row.created_at = "early", now - timedelta(days=8)
        rows = list(session.scalars(select(RolloutUnit).where(RolloutUnit.rollout_id == rollout)))
        connected = {unit.id: unit.status == "online" for unit in session.scalars(select(Unit))}
        early = [one for one in rows if one.ring == "early"]
        for one in rows:
            one.from_version = "1.3.2"
            if one.ring != "all":
                one.window_since = now - timedelta(days=8)
            if one.ring == "canary":
                one.state, one.proof, one.kept_at = At.DONE.value, "meeting", now - timedelta(days=6)
        states = (At.DONE, At.FAILED, At.BACK, At.APPLYING, At.GATING, At.STAGED, At.STAGING, At.WAITING)
        for place, one in enumerate(early):
            one.state = states[place % len(states)].value if place < 8 else At.DONE.value
            one.accepted, one.since = True, now - timedelta(minutes=7 * place)
            if one.state == At.FAILED:
                one.why, one.task, one.tail = "task", "Stage the release", list(_TAIL)
            if one.state == At.BACK:
                one.why, one.tail = "camera", ["gate: camera_black after the flip, ready before it"]
            if one.state == At.WAITING and not connected.get(one.unit_id):
                one.why = "unreachable"
        worked_on = early[1:2] or rows[:1]
        for one in worked_on:
            tasks = (("Refuse a run that reaches others", "ok"), ("Stage the release", "failed"))
            for number, (name, outcome) in enumerate(tasks, 1):
                session.add(
                    RolloutTask(
                        rollout_id=rollout,
                        unit_id=one.unit_id,
                        number=number,
                        name=name,
                        outcome=outcome,
                        at=now,
                        millis=1234 * number,
                    )
                )

    office.writer.submit(spread, urgent=True).result(20)
    return rollout
