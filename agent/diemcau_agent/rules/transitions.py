"""The session's transition table: the whole of what can follow what."""

from __future__ import annotations

from enum import Enum, auto

from diemcau_wire.messages import SessionState


class Cue(Enum):
    """What moves the machine from one state to another."""

    NEAR = auto()  # a meeting starts within 15 minutes, or is open
    FAR = auto()  # no meeting is near any more
    OPEN = auto()  # it is open, checked, and our jitter is over
    JOINED = auto()  # media is in the room
    FAULT = auto()  # media failed, ended or fell silent
    OVER = auto()  # closed, capped, withdrawn, main site gone, or we are told to go
    DONE = auto()  # the goodbye was shown long enough


S = SessionState
TRANSITIONS: dict[tuple[SessionState, Cue], SessionState] = {
    (S.IDLE, Cue.NEAR): S.COUNTDOWN,
    (S.COUNTDOWN, Cue.FAR): S.IDLE,
    (S.COUNTDOWN, Cue.OPEN): S.JOINING,
    (S.JOINING, Cue.JOINED): S.IN_MEETING,
    (S.JOINING, Cue.FAULT): S.JOINING,
    (S.JOINING, Cue.OVER): S.LEAVING,
    (S.IN_MEETING, Cue.FAULT): S.RECONNECTING,
    (S.IN_MEETING, Cue.OVER): S.LEAVING,
    (S.RECONNECTING, Cue.JOINED): S.IN_MEETING,
    (S.RECONNECTING, Cue.FAULT): S.RECONNECTING,
    (S.RECONNECTING, Cue.OVER): S.LEAVING,
    (S.LEAVING, Cue.DONE): S.IDLE,
}
"""Every transition there is. A cue that is not listed for a state does nothing in it."""

ATTENDING = frozenset({S.JOINING, S.IN_MEETING, S.RECONNECTING})
