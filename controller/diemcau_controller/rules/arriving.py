"""How far a unit has come since somebody approved it, for whoever stands beside it. Pure: time comes in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Step(StrEnum):
    """In this order."""

    APPROVED = "approved"
    CERTIFICATE = "certificate"
    CONNECTED = "connected"
    CONFIGURED = "configured"
    CHECKED = "checked"


class Stands(StrEnum):
    """`late` has lasted so long that somebody should look; `wrong` will not get better by itself."""

    DONE = "done"
    NOW = "now"
    LATE = "late"
    WRONG = "wrong"
    TO_COME = "to_come"


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is known of a unit that was approved at `approved_at`.

    `fetched`: it has its certificate. `revision`: how it stands to its configuration (`running`, `waiting`,
    `refused`, `away`). `verdict` is that of a check since then, "" while there is none. `serves`: it is still
    the unit of its site.
    """

    approved_at: datetime
    fetched: bool
    connected: bool
    revision: str
    verdict: str
    serves: bool


_LATE_AFTER = {
    Step.CERTIFICATE: timedelta(minutes=1),
    Step.CONNECTED: timedelta(minutes=2),
    Step.CONFIGURED: timedelta(minutes=3),
    Step.CHECKED: timedelta(minutes=6),
}


def steps(arrival: Arrival, now: datetime) -> dict[Step, Stands]:
    """Each step and how it stands: those that are done, the one that is under way, those to come."""
    done = {
        Step.APPROVED: True,
        Step.CERTIFICATE: arrival.fetched or arrival.connected,
        Step.CONNECTED: arrival.connected,
        Step.CONFIGURED: arrival.connected and arrival.revision == "running",
        Step.CHECKED: bool(arrival.verdict),
    }
    found: dict[Step, Stands] = {}
    under_way = True
    for step, is_done in done.items():
        if is_done and under_way:
            found[step] = Stands.DONE
        elif not under_way:
            found[step] = Stands.TO_COME
        else:
            under_way = False
            found[step] = _under_way(step, arrival, now)
    return found


def arrived(arrival: Arrival, now: datetime) -> bool:
    """True when every step is done: the verdict is the result."""
    return all(stands is Stands.DONE for stands in steps(arrival, now).values())


def _under_way(step: Step, arrival: Arrival, now: datetime) -> Stands:
    if not arrival.serves or (step is Step.CONFIGURED and arrival.revision == "refused"):
        return Stands.WRONG
    return Stands.LATE if now - arrival.approved_at > _LATE_AFTER[step] else Stands.NOW
