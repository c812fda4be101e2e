"""Which meeting to attend now, which comes next, and whether a desired document is to be taken."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Protocol

from diemcau_wire.messages import Mode, Occurrence

JITTER = timedelta(seconds=2)


class Revision(Protocol):
    """What orders two desired documents: the controller's generation, the epoch, the revision."""

    @property
    def generation(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def rev(self) -> int: ...


def refusal(held: Revision | None, offered: Revision) -> str | None:
    """Why `offered` must not take the place of `held`; None when it may.

    The same epoch and revision again is taken: it is what a broker repeats on every connect. A controller
    restored from a backup counts on from there, in a higher generation, and is right. (One of a lower
    generation is refused before it comes here.)
    """
    if held is None or offered.generation > held.generation:
        return None
    if offered.epoch < held.epoch:
        return f"epoch {offered.epoch} is stale, this unit is at epoch {held.epoch}"
    if offered.epoch == held.epoch and offered.rev < held.rev:
        return f"revision {offered.rev} is older than revision {held.rev}, which runs"
    return None


def here(meetings: Iterable[Occurrence]) -> list[Occurrence]:
    """The meetings a unit takes part in; the others only hold its hall."""
    return [m for m in meetings if m.mode is Mode.HERE]


def holding(meetings: Iterable[Occurrence], now: datetime) -> Occurrence | None:
    """The meeting on another system, or in person, that has the hall at `now`.

    It has the hall from `opens_at` to `cap_at`; after `ends_at` a meeting held here may begin.
    """
    held = [m for m in meetings if m.mode is not Mode.HERE and not m.closed and m.opens_at <= now < m.cap_at]
    return max(held, key=lambda m: (m.ends_at, m.id), default=None)


def attend(
    meetings: Iterable[Occurrence], now: datetime, attended: str | None = None, over: Collection[str] = ()
) -> Occurrence | None:
    """The meeting to be in at `now`.

    A meeting counts from `opens_at` until it is closed or `cap_at`, unless its id is in `over`
    (this unit has left it for good). Of several an urgent one wins, the one that starts last; then the one
    already `attended`, then the earlier start.
    """
    open_now = [m for m in meetings if not m.closed and m.opens_at <= now < m.cap_at and m.id not in over]
    urgent = [m for m in open_now if m.urgent]
    if urgent:
        return max(urgent, key=lambda m: (m.starts_at, m.id))
    return min(open_now, key=lambda m: (m.id != attended, m.starts_at, m.id), default=None)


def upcoming(
    meetings: Iterable[Occurrence], now: datetime, within: timedelta | None = None, over: Collection[str] = ()
) -> Occurrence | None:
    """The next meeting that does not start before `now`; with `within`, only one that starts that soon."""
    ahead = [m for m in meetings if not m.closed and m.starts_at >= now and m.id not in over]
    if within is not None:
        ahead = [m for m in ahead if min(m.starts_at - within, m.opens_at) <= now]
    return min(ahead, key=lambda m: (m.starts_at, m.id), default=None)


def time_to_join(meeting: Occurrence, now: datetime, rings_until: datetime | None, chance: float) -> datetime:
    """When to join, so that halls do not all come in one instant; `chance` is in [0, 1).

    Spread over 5 % of the time until the start, at least 0.2 s and at most 2 s; an urgent one over 2 s after
    it rang until `rings_until`.
    """
    if meeting.urgent:
        return max(now, rings_until or now) + JITTER * chance
    opens = max(meeting.opens_at, now)
    spread = min(JITTER, max(timedelta(seconds=0.2), (meeting.starts_at - opens) / 20))
    return opens + spread * chance
