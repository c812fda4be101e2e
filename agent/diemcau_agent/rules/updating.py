"""One update from its order to its end: where it stands and what comes next, pure.

A unit has the old release or the new one, never neither: each step is on the disk before it is acted upon,
and each can be done again. `FLIPPED` is written before the link is flipped; what the link shows then says
whether it was. Only the way there needs a lease. The way back needs none: it is what mends a release that
does not work, and nothing but a gate that failed, or a person under a lease, leads to it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum, auto
from typing import Annotated, Literal

from diemcau_wire.messages import Part, Text, Token, Utc
from diemcau_wire.release import Version, order
from pydantic import Field

from diemcau_agent.checks import FAULTS, Weight

WORK_S = 300.0  # from the flip to the end of the way back, at worst
GATE_S = 180.0
BOOTS = 3
IN_MEETING_BPS = 64_000
_LINE = frozenset({"line_down", "line_slow", "janus_unreachable", "clock_wrong"})
_BEHIND_THE_LINE = frozenset({"camera_unreachable"})


class Step(StrEnum):
    """Where an update stands. staged: installed beside the running release; waiting: for a lease; flipped: it
    is about to run; gating: it runs and has to show that the room works; kept, back, refused are ends."""

    IDLE = "idle"
    FETCHING = "fetching"
    VERIFIED = "verified"
    STAGED = "staged"
    WAITING = "waiting"
    FLIPPED = "flipped"
    GATING = "gating"
    KEPT = "kept"
    BACK = "back"
    REFUSED = "refused"


class Why(StrEnum):
    """Why an update waits, ended or goes no further. The first three are tried again."""

    UNREACHABLE = "unreachable"
    EXPIRED = "expired"
    CLOCK = "clock"
    NO_SUCH_RELEASE = "no_such_release"
    SIGNATURE = "signature"
    OLDER = "older"
    DAMAGED = "damaged"
    DISK_FULL = "disk_full"
    PYTHON = "python"
    NO_WHEELS = "no_wheels"
    DOES_NOT_START = "does_not_start"
    LAYOUT = "layout"
    NO_TRUST = "no_trust"
    NO_KEPT = "no_kept"
    FAULT = "fault"
    SILENT = "silent"
    BOOTS = "boots"
    ORDERED = "ordered"
    BUSY = "busy"


AGAIN = frozenset({Why.UNREACHABLE, Why.EXPIRED, Why.CLOCK})
GOING_BACK = frozenset({Why.FAULT, Why.SILENT, Why.BOOTS})


class Cue(Enum):
    """What moves an update from one step to another."""

    ORDERED = auto()
    THERE = auto()  # this release is installed already
    RUNS = auto()  # it is the one that runs
    FETCHED = auto()
    INSTALLED = auto()
    APPLY = auto()
    LEASED = auto()
    CUT = auto()  # the link was not flipped after all
    OTHER_SYSTEM = auto()  # the machine started from its other system, which has releases of its own
    LINKED = auto()
    LINKED_BACK = auto()  # a person wanted the former release
    STAYED = auto()  # the boot loader could not be told of a system, or did not come to it
    PASSED = auto()
    FAILED = auto()
    REFUSED = auto()
    CANCELLED = auto()


ENDS = frozenset({Step.IDLE, Step.KEPT, Step.BACK, Step.REFUSED})
_AHEAD = (Step.FETCHING, Step.VERIFIED, Step.STAGED, Step.WAITING)

TRANSITIONS: dict[tuple[Step, Cue], Step] = {
    **{(end, Cue.ORDERED): Step.FETCHING for end in ENDS},
    (Step.FETCHING, Cue.RUNS): Step.KEPT,
    (Step.FETCHING, Cue.THERE): Step.STAGED,
    (Step.FETCHING, Cue.FETCHED): Step.VERIFIED,
    (Step.VERIFIED, Cue.INSTALLED): Step.STAGED,
    (Step.STAGED, Cue.APPLY): Step.WAITING,
    (Step.WAITING, Cue.LEASED): Step.FLIPPED,
    (Step.FLIPPED, Cue.CUT): Step.WAITING,
    **{(step, Cue.OTHER_SYSTEM): Step.FETCHING for step in (Step.STAGED, Step.WAITING)},
    (Step.FLIPPED, Cue.LINKED): Step.GATING,
    (Step.FLIPPED, Cue.LINKED_BACK): Step.BACK,
    (Step.FLIPPED, Cue.FAILED): Step.BACK,  # a system that did not come so far as to be judged
    (Step.FLIPPED, Cue.STAYED): Step.REFUSED,
    (Step.GATING, Cue.PASSED): Step.KEPT,
    (Step.GATING, Cue.FAILED): Step.BACK,
    **{(step, Cue.REFUSED): Step.REFUSED for step in _AHEAD},
    **{(step, Cue.CANCELLED): Step.IDLE for step in _AHEAD},
}
"""Every transition there is."""


class Order(Part):
    """`order.json`: what shall be done. `apply`: not only staged; `back`: `version` is the former release,
    wanted by a person; `holder`: who took the lease under which this is done; `until`: it is called off
    unless it is flipped by then, None: it waits for as long as it takes; `rate_bps`: at most so many bits a
    second, None: as many as there are."""

    v: Literal[1] = 1
    id: Token
    version: Version
    apply: bool = False
    back: bool = False
    cancelled: bool = False
    holder: Token | None = None
    until: Utc | None = None
    rate_bps: Annotated[int, Field(ge=8_000, le=10**10)] | None = None


class State(Part):
    """`state.json`: how far `order` is. `former` is the release to go back to; `back`: that is what is done;
    `before` is what was found broken in the room before the flip (None: it was not checked), `boots` how
    often the machine started while the gate was open. `system` is the version of the system in the other slot
    that brings it ("": a release beside the one that runs). `neighbour_failed` is why the server in the
    site's network is not asked any more for this release. `seq` counts what others should hear of."""

    v: Literal[1] = 1
    step: Step = Step.IDLE
    order: Token = "none"
    version: Annotated[str, Field(max_length=64)] = ""
    former: Annotated[str, Field(max_length=64)] = ""
    back: bool = False
    system: Annotated[str, Field(max_length=64)] = ""
    why: Annotated[str, Field(max_length=40)] = ""
    text: Text = ""
    meeting: Token | None = None
    again_at: Utc | None = None
    before: tuple[Token, ...] | None = None
    boot: Annotated[str, Field(max_length=64)] = ""
    boots: Annotated[int, Field(ge=0)] = 0
    fetched_bytes: Annotated[int, Field(ge=0)] = 0
    needed_bytes: Annotated[int, Field(ge=0)] = 0
    neighbour_failed: Annotated[str, Field(max_length=200)] = ""
    seq: Annotated[int, Field(ge=0)] = 0
    at: Utc

    @property
    def cancellable(self) -> bool:
        """Whether it can still be called off."""
        return self.step in _AHEAD


class Work(Enum):
    """What is to be done next."""

    NOTHING = auto()
    BEGIN = auto()
    CANCEL = auto()
    FETCH = auto()
    INSTALL = auto()
    APPLY = auto()
    LEASE = auto()
    FLIP = auto()
    GATE = auto()


_NEXT = {
    Step.FETCHING: Work.FETCH,
    Step.VERIFIED: Work.INSTALL,
    Step.STAGED: Work.APPLY,
    Step.WAITING: Work.LEASE,
    Step.FLIPPED: Work.FLIP,
    Step.GATING: Work.GATE,
}


def moved(state: State, cue: Cue, now: datetime, why: str = "", text: str = "") -> State:
    """The state after `cue`. Raises ValueError for one that cannot come there."""
    step = TRANSITIONS.get((state.step, cue))
    if step is None:
        raise ValueError(f"{cue.name} cannot come in {state.step}")
    news = {"step": step, "why": why, "text": text[:900], "meeting": None, "again_at": None, "at": now}
    return state.model_copy(update={**news, "seq": state.seq + 1})


def begun(state: State, given: Order, running: str, now: datetime) -> State:
    """The state at the beginning of an order, on a unit where release `running` runs."""
    fresh = State(
        order=given.id, version=given.version, former=running, back=given.back, seq=state.seq, at=now
    )
    return moved(fresh, Cue.ORDERED, now)


def waits(
    state: State,
    why: str,
    now: datetime,
    *,
    text: str = "",
    meeting: str | None = None,
    again_at: datetime | None = None,
) -> State:
    """The same step, which cannot go on. Others hear of it once."""
    new = (state.why, state.meeting) != (why, meeting)
    told = {"why": why, "text": text[:900], "meeting": meeting, "again_at": again_at}
    return state.model_copy(update={**told, "at": now, "seq": state.seq + new})


def next_work(state: State, given: Order | None, now: datetime) -> Work:
    """What comes next. An order that is new is begun when the one before has come to its end."""
    if state.step in (Step.FLIPPED, Step.GATING):
        return _NEXT[state.step]
    if given is None:
        return Work.NOTHING
    if state.step in ENDS:
        return Work.NOTHING if state.order == given.id or given.cancelled else Work.BEGIN
    if given.cancelled or given.id != state.order or is_late(given, now):
        return Work.CANCEL
    if state.step is Step.STAGED and not given.apply:
        return Work.NOTHING
    return _NEXT[state.step]


def taken(state: State, held: Order | None, offered: Order) -> Order | None:
    """The order that holds when `offered` comes; None when another release is about to run.

    The same again changes nothing but that it may be applied now, and until when. One that is only staged
    makes way for another.
    """
    if held is None or (state.step in ENDS and state.order == held.id) or held.cancelled:
        return offered
    if (held.version, held.back) != (offered.version, offered.back):
        only_staged = not held.apply and state.step not in (Step.FLIPPED, Step.GATING)
        return offered if only_staged else None
    merged = {
        "apply": held.apply or offered.apply,
        "holder": offered.holder or held.holder,
        "until": offered.until if offered.apply else held.until,
        "rate_bps": offered.rate_bps or held.rate_bps,
    }
    return held.model_copy(update=merged)


def is_older(version: str, running: str) -> bool:
    """Whether a release is older than the one that runs. A version that is none is not older."""
    try:
        return order(version) < order(running)
    except ValueError:
        return False


def is_late(given: Order, now: datetime) -> bool:
    """Whether whoever gave the order no longer wants it: he is gone, or what he looked at has changed."""
    return given.until is not None and now >= given.until


def from_before(kept: Sequence[str], running: str, former: str) -> str | None:
    """The release to go back to: of those that are `kept` beside the running one, the newest first, the one
    that ran before, or else the newest that is older. What is only staged never ran, and is newer."""
    if former in kept:
        return former
    return next((version for version in kept if is_older(version, running)), None)


def settled(state: State, given: Order | None) -> bool:
    """Whether whoever gave the order need not wait on: it came to an end, is staged as wanted, or waits."""
    if given is None:
        return True
    if state.order != given.id:
        return False
    staged = state.step is Step.STAGED and not given.apply
    return staged or state.step in ENDS or (state.step is Step.WAITING and state.why != "")


def started(state: State, boot: str) -> State:
    """The updater starts again while a gate is open; `boot` names this start of the machine."""
    if state.boot == boot:
        return state
    return state.model_copy(update={"boot": boot, "boots": state.boots + 1})


@dataclass(frozen=True, slots=True)
class Judged:
    """What a gate makes of a check: `broken` what the new release broke, `complete` whether the check came to
    its end, or did not before either."""

    broken: tuple[str, ...]
    complete: bool

    @property
    def passed(self) -> bool:
        return self.complete and not self.broken


def judge(before: Collection[str] | None, found: Collection[str]) -> Judged:
    """What was found after the flip against what was found `before`, None: nothing is known.

    Only what keeps a hall from attending counts; never the line, nor what lies behind one that is down.
    """
    unseen = _LINE | (_BEHIND_THE_LINE if "line_down" in found else frozenset())
    broken = [
        what
        for what in found
        if what not in unseen
        and what not in (before or ())
        and what in FAULTS
        and FAULTS[what].weight is Weight.NOT_READY
    ]
    complete = "check_incomplete" not in found or "check_incomplete" in (before or ())
    return Judged(tuple(broken), complete)


class Check(Part):
    """`check.json`: how a unit of `version` answers the question `answers`. `busy` says why the room could
    not be checked now, as a stable word, "" when it was; `found` is what is wrong with it."""

    v: Literal[1] = 1
    at: Utc
    version: Annotated[str, Field(max_length=64)]
    answers: Token
    busy: Annotated[str, Field(max_length=40)] = ""
    found: tuple[Token, ...] = Field(default=(), max_length=64)
