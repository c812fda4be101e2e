"""How an enrolment goes on, what may be approved, and when wrong tries are too many. Pure: time comes in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

LIFE = timedelta(minutes=15)  # of a code on the unit's screen
TO_OPEN = timedelta(minutes=2)  # from the request until the unit opens its nonce
PER_SOURCE = 40  # requests from one address within LIFE: a room full of boxes being set up
AT_ONCE = 2000  # requests of all within LIFE


class State(StrEnum):
    """`asked`: the unit has yet to open its nonce, there is no code. `waiting`: the code is on its screen.
    `over`: ended by a wrong opening or by a newer request of the same unit."""

    ASKED = "asked"
    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"
    EXPIRED = "expired"
    OVER = "over"


class Step(StrEnum):
    """What can happen to one."""

    OPEN = "open"
    WRONG_OPENING = "wrong_opening"
    APPROVE = "approve"
    REFUSE = "refuse"
    TIME_OUT = "time_out"
    ASK_ANEW = "ask_anew"


_STEPS = {
    (State.ASKED, Step.OPEN): State.WAITING,
    (State.ASKED, Step.WRONG_OPENING): State.OVER,
    (State.ASKED, Step.TIME_OUT): State.EXPIRED,
    (State.ASKED, Step.ASK_ANEW): State.OVER,
    (State.WAITING, Step.APPROVE): State.APPROVED,
    (State.WAITING, Step.REFUSE): State.REFUSED,
    (State.WAITING, Step.TIME_OUT): State.EXPIRED,
    (State.WAITING, Step.ASK_ANEW): State.OVER,
}
OPEN_STATES = frozenset({State.ASKED, State.WAITING})


def after(state: State, step: Step) -> State | None:
    """Where a step leads; None when it cannot be taken from there."""
    return _STEPS.get((state, step))


def ends_at(state: State, created_at: datetime, expires_at: datetime) -> datetime:
    """When it times out if nothing happens."""
    return min(expires_at, created_at + TO_OPEN) if state is State.ASKED else expires_at


# ── wrong tries ──────────────────────────────────────────────────────────────────────────────────


class Scope(StrEnum):
    """Whom an alarm is about. `voucher`: papers from one address; codes go on."""

    CODE = "code"
    ACCOUNT = "account"
    SOURCE = "source"
    ALL = "all"
    VOUCHER = "voucher"


@dataclass(frozen=True, slots=True)
class Limit:
    """So many wrong tries within so long are too many."""

    most: int
    within: timedelta


LIMITS = {
    Scope.CODE: Limit(5, LIFE),
    Scope.ACCOUNT: Limit(5, timedelta(minutes=15)),
    Scope.SOURCE: Limit(5, timedelta(minutes=15)),
    Scope.ALL: Limit(50, timedelta(hours=1)),
    Scope.VOUCHER: Limit(5, timedelta(minutes=15)),
}
LONGEST = max(limit.within for limit in LIMITS.values())


@dataclass(frozen=True, slots=True)
class Try:
    """A wrong try. `enrolment` when the code was somebody's, but not for that site; `paper` for a voucher."""

    at: datetime
    account: str = ""
    source: str = ""
    enrolment: str | None = None
    paper: bool = False


Subject = tuple[Scope, str]


def subjects_of(one: Try) -> tuple[Subject, ...]:
    """Whose counts a try is in. A paper nobody knows is no try of an account, and locks no account out."""
    if one.paper:
        return ((Scope.VOUCHER, one.source),)
    found: list[Subject] = [(Scope.ACCOUNT, one.account), (Scope.SOURCE, one.source), (Scope.ALL, "")]
    if one.enrolment is not None:
        found.append((Scope.CODE, one.enrolment))
    return tuple(found)


def too_many(tries: Iterable[Try], lifted: Mapping[Subject, datetime], now: datetime) -> frozenset[Subject]:
    """Of whom there are too many wrong tries now. Those before an alarm was lifted do not count again."""
    counts: Counter[Subject] = Counter()
    for one in tries:
        for subject in subjects_of(one):
            since = now - LIMITS[subject[0]].within
            lifted_at = lifted.get(subject)
            if since < one.at <= now and (lifted_at is None or one.at > lifted_at):
                counts[subject] += 1
    return frozenset(subject for subject, count in counts.items() if count >= LIMITS[subject[0]].most)
