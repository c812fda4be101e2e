"""When work on a unit may go on: the meeting lease, pure.

Decided from what the unit process wrote of its meetings (`agenda.json`), so also while that process is dead,
right after a reboot and without any line. From 90 minutes before a meeting opens to 15 after its end, overrun
included, nothing is done, and no work begins that would not be over before. What is not known is waited for:
waiting is no failure, and there is no way to force it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

from diemcau_wire.messages import Mode, Occurrence, Part, Token, Utc
from pydantic import Field

BEFORE, AFTER = timedelta(minutes=90), timedelta(minutes=15)
SLACK = timedelta(minutes=2)  # a clock that is wrong by less than a minute is not noticed
FRESH_S = 120.0  # within so long after the machine started the unit process has looked at the clock
LONGEST_S = 4 * 3600.0
_CHECK_SOON = timedelta(minutes=2)
_OVERRUN_LOOK = timedelta(minutes=5)
_TOLD = 200


class Planned(Part):
    """A meeting of this hall that is not over for it. Held elsewhere or in person it has the hall to its end,
    held here to `cap_at`, unless the unit leaves it before."""

    id: Token
    opens_at: Utc
    ends_at: Utc
    cap_at: Utc
    mode: Mode = Mode.HERE


class Agenda(Part):
    """`agenda.json`: the meetings a unit knows, up to `until` (None: it knows of none, nor that there are
    none). `boot` is the start of the machine it was written in; `clock_ok` is false while its clock is known
    to be wrong, `in_meeting` the one it is in, `left_at` when it last left one; a check that runs is over by
    `checking_until`."""

    v: Literal[1] = 1
    written_at: Utc
    version: Annotated[str, Field(max_length=64)] = ""
    boot: Annotated[str, Field(max_length=64)] = ""
    clock_ok: bool = True
    until: Utc | None = None
    in_meeting: Token | None = None
    left_at: Utc | None = None
    checking_until: Utc | None = None
    meetings: tuple[Planned, ...] = Field(default=(), max_length=_TOLD)


class Lease(Part):
    """`lease.json`: who may work until when. It lapses by itself."""

    v: Literal[1] = 1
    holder: Token
    until: Utc


@dataclass(frozen=True, slots=True)
class Go:
    """Work may go on until `until`."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now. `why`: `agenda` (what meetings there are is not known), `clock` (it is wrong), `meeting`,
    `checking`, `taken` (somebody else works). `again_at` is when to ask again, None: when the unit knows
    more."""

    why: str
    meeting: str | None = None
    again_at: datetime | None = None


def planned(
    meetings: Iterable[Occurrence], over: Collection[str], until: datetime | None
) -> tuple[tuple[Planned, ...], datetime | None]:
    """The meetings of a schedule that are not over, and until when these are all; `over` are the ids of those
    the hall has left. Of very many only the next ones are told, which is enough."""
    ahead = sorted(
        (m for m in meetings if not m.closed and m.id not in over), key=lambda m: (m.opens_at, m.id)
    )
    told = tuple(
        Planned(id=m.id, opens_at=m.opens_at, ends_at=m.ends_at, cap_at=m.cap_at, mode=m.mode)
        for m in ahead[:_TOLD]
    )
    return told, ahead[_TOLD].opens_at if until is not None and len(ahead) > _TOLD else until


def may(
    agenda: Agenda | None,
    now: datetime,
    work_s: float,
    *,
    boot: str,
    booted_s: float,
    held: Lease | None = None,
    holder: str = "",
) -> Go | Wait:
    """Whether work of `work_s` seconds may begin `now`, `booted_s` seconds into the start of the machine that
    is called `boot`. `held` is a lease that was taken, `holder` asks."""
    if agenda is None:
        return Wait("agenda")
    if agenda.boot != boot and booted_s < FRESH_S:  # what it says of the clock was so before the power went
        return Wait("clock")
    left_at = agenda.left_at
    ahead = left_at is not None and left_at > now + SLACK
    if not agenda.clock_ok or now < agenda.written_at - SLACK or ahead:
        return Wait("clock")
    if held is not None and held.holder != holder and now < held.until <= now + timedelta(seconds=LONGEST_S):
        return Wait("taken", None, held.until)
    over = now + timedelta(seconds=min(work_s, LONGEST_S))
    if agenda.in_meeting is not None and now <= _longest(agenda, agenda.in_meeting) + AFTER + SLACK:
        return Wait("meeting", agenda.in_meeting, now + _OVERRUN_LOOK)
    if left_at is not None and now <= left_at + AFTER + SLACK:
        return Wait("meeting", None, left_at + AFTER + SLACK)
    for start, end, meeting in sorted(_closed_times(agenda), key=lambda one: one[:2]):
        if start <= over and now <= end:
            return Wait("meeting", meeting.id, _again(meeting, end, now))
    if agenda.until is None or over + BEFORE + SLACK > agenda.until:
        return Wait("agenda")
    if agenda.checking_until is not None and now <= agenda.checking_until:
        return Wait("checking", None, min(agenda.checking_until, now + _CHECK_SOON))
    return Go(over)


def _longest(agenda: Agenda, meeting: str) -> datetime:
    """How long a unit that died in a meeting may have stayed in it."""
    return next((m.cap_at for m in agenda.meetings if m.id == meeting), agenda.written_at)


def _closed_times(agenda: Agenda) -> Iterator[tuple[datetime, datetime, Planned]]:
    """From when to when nothing is done because of a meeting."""
    for meeting in agenda.meetings:
        last = meeting.cap_at if meeting.mode is Mode.HERE else meeting.ends_at
        yield meeting.opens_at - BEFORE - SLACK, last + AFTER + SLACK, meeting


def _again(meeting: Planned, end: datetime, now: datetime) -> datetime:
    """The end as announced; then every few minutes, because an overrun can be over at any time."""
    announced = min(end, meeting.ends_at + AFTER + SLACK)
    return announced if announced > now else now + _OVERRUN_LOOK
