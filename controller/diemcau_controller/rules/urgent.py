"""An urgent meeting: how long it rings and lasts, and how a hall that was called stands."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum

from .standing import Standing

RING = timedelta(seconds=60)
LASTS = timedelta(hours=2)
OVERRUN = timedelta(hours=4)
SAME = timedelta(minutes=2)  # the same start asked for again so soon is the same meeting


class Answer(StrEnum):
    """How a hall answers an urgent call, from whom to call first to who is in.

    unreachable: no unit, or none that is connected. declined: the hall said no. left: was in, and left.
    called: its unit is connected and has not answered yet. ringing: chime and countdown run. joining: it is
    on its way. present: it is in.
    """

    UNREACHABLE = "unreachable"
    DECLINED = "declined"
    LEFT = "left"
    CALLED = "called"
    RINGING = "ringing"
    JOINING = "joining"
    PRESENT = "present"

    @property
    def awaited(self) -> bool:
        """It can still come in without anybody calling."""
        return self in (Answer.CALLED, Answer.RINGING, Answer.JOINING)


def answer(standing: Standing, session: str | None, *, connected: bool, declined: bool) -> Answer:
    """A hall's answer. `session` is what its connected unit last said of this meeting (None: nothing)."""
    if standing is Standing.IN_MEETING:
        return Answer.PRESENT
    if standing in (Standing.JOINING, Standing.RECONNECTING):
        return Answer.JOINING
    if session == "countdown":
        return Answer.RINGING
    if declined:
        return Answer.DECLINED
    if not connected:
        return Answer.UNREACHABLE
    return Answer.LEFT if standing is Standing.LEFT else Answer.CALLED


def complete(answers: Iterable[Answer]) -> bool:
    """True when somebody is in, and nobody is awaited any more."""
    found = list(answers)
    return Answer.PRESENT in found and not any(one.awaited for one in found)
