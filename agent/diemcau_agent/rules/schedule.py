"""Which meeting to attend now, which comes next, and whether a desired document is to be taken."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Protocol

from diemcau_wire.messages import Occurrence


class Revision(Protocol):
    """What orders two desired documents: first the epoch, then the revision."""

    @property
    def epoch(self) -> int: ...
    @property
    def rev(self) -> int: ...


def refusal(held: Revision | None, offered: Revision) -> str | None:
    """Why `offered` must not take the place of `held`; None when it may.

    The same epoch and revision again is taken: it is what a broker repeats on every connect.
    """
    if held is None:
        return None
    if offered.epoch < held.epoch:
        return f"epoch {offered.epoch} is stale, this unit is at epoch {held.epoch}"
    if offered.epoch == held.epoch and offered.rev < held.rev:
        return f"revision {offered.rev} is older than revision {held.rev}, which runs"
    return None


def attend(
    meetings: Iterable[Occurrence], now: datetime, attended: str | None = None, over: Collection[str] = ()
) -> Occurrence | None:
    """The meeting to be in at `now`.

    A meeting counts from `opens_at` until it is closed or `cap_at`, unless its id is in `over`
    (this unit has left it for good). Of several, the one already `attended` wins, then the earlier start.
    """
    open_now = [m for m in meetings if not m.closed and m.opens_at <= now < m.cap_at and m.id not in over]
    return min(open_now, key=lambda m: (m.id != attended, m.starts_at, m.id), default=None)


def upcoming(
    meetings: Iterable[Occurrence], now: datetime, within: timedelta | None = None, over: Collection[str] = ()
) -> Occurrence | None:
    """The next meeting that does not start before `now`; with `within`, only one that starts that soon."""
    ahead = [m for m in meetings if not m.closed and m.starts_at >= now and m.id not in over]
    if within is not None:
        ahead = [m for m in ahead if min(m.starts_at - within, m.opens_at) <= now]
    return min(ahead, key=lambda m: (m.starts_at, m.id), default=None)
