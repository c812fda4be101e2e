"""When the television shall be on and show this unit, and what is tried to make it so.

From ten minutes before a meeting opens until its good-bye is over, and while an urgent one rings, it shall
be ours. Afterwards it is put back into standby only if it was we who turned it on and it still shows us. At
all other times people may watch what they like; during a check the check decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from diemcau_wire.messages import Occurrence, SessionState

from diemcau_agent.drivers.television_state import Power, TelevisionState

from . import schedule
from .standing import Standing

BEFORE = timedelta(minutes=10)
KEPT = timedelta(minutes=30)  # one that is on for a check stays on for a meeting that opens so soon
PATIENCE_S = 12.0  # a television says its old state for up to ten seconds after an order
LONGEST_S = 120.0
TRIES = 6
WATCH_S = 30.0
LOOK_S = 3.0


class Want(StrEnum):
    """ours: on, showing us. held: as it is. free: nobody needs it."""

    OURS = "ours"
    HELD = "held"
    FREE = "free"


class Order(StrEnum):
    """What the television is told."""

    TURN_ON = "turn_on"
    SHOW_US = "show_us"
    STAND_BY = "stand_by"


def want(session: Standing, meetings: Iterable[Occurrence], now: datetime) -> Want:
    """What this hall needs of its television at `now`."""
    if session.attending or session.state is SessionState.LEAVING or session.calling is not None:
        return Want.OURS
    held = session.holding(now)
    if held is not None and now < held.ends_at:
        return Want.HELD
    ahead = [
        meeting.opens_at - now
        for meeting in schedule.here(meetings)
        if now < meeting.cap_at and not (meeting.urgent or meeting.closed or meeting.id in session.over)
    ]
    opens_in = min(ahead, default=None)
    if opens_in is not None and opens_in <= BEFORE:
        return Want.OURS
    soon = opens_in is not None and opens_in <= KEPT
    return Want.HELD if session.checking or soon else Want.FREE


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of trying: `done`, or given up. `what` is what was wrong: a word of the checks."""

    what: str
    done: bool
    text: str = ""


class Keeping:
    """Makes the television what is wanted: told its state, answers with the next order. Times are seconds
    of a clock that nobody sets. `turned_on`: it was in standby, and we turned it on."""

    def __init__(self, *, turned_on: bool = False) -> None:
        self.turned_on = turned_on
        self._want = Want.FREE
        self._tries = TRIES
        self._patient_until = 0.0
        self._pause_s = PATIENCE_S
        self._wrong = ""  # what we try to mend
        self._settled = False
        self._lost = False  # it cannot be spoken to
        self._outcomes: list[Outcome] = []

    def wanted(self, want: Want) -> None:
        """From now on the television shall be this."""
        if want is self._want:
            return
        self._want = want
        self._tries, self._pause_s, self._patient_until = TRIES, PATIENCE_S, 0.0
        self._wrong, self._settled = "", False

    def needs_look(self) -> bool:
        """False while nothing is to be done with the television, whatever it says."""
        return self._want is Want.OURS or (self._want is Want.FREE and self.turned_on)

    def pause_s(self) -> float:
        """How long until it should be looked at again."""
        return WATCH_S if self._settled or self._lost or not self._tries else LOOK_S

    def see(self, state: TelevisionState, now_s: float) -> Order | None:
        """The television says `state`: what to tell it, if anything."""
        self._lost = False
        if self._want is Want.FREE:
            return self._give_back(state, now_s)
        if self._want is Want.HELD:
            return None
        order = _towards_ours(state)
        if order is None:
            if state.power is Power.ON:
                self._settle()
            return None
        if not self._may_try(now_s):
            return None
        self._wrong = _WRONG[order] if state.power is not Power.UNKNOWN else "television_silent"
        if state.power is Power.STANDBY:
            self.turned_on = True
        return order

    def failed(self, why: str, text: str) -> None:
        """The television could not be spoken to, or did not hear the order."""
        self._lost = True
        if self._want is Want.OURS:
            self._wrong = "television_silent"
        if not self._tries:
            self._give_up(text or why)

    def ordered_by_others(self, before: TelevisionState) -> None:
        """Somebody else, a remedy, turned it on through us."""
        if before.power in (Power.STANDBY, Power.TURNING_OFF):
            self.turned_on = True

    def take_outcomes(self) -> list[Outcome]:
        """What became of trying since this was asked last."""
        taken, self._outcomes = self._outcomes, []
        return taken

    def _give_back(self, state: TelevisionState, now_s: float) -> Order | None:
        if not self.turned_on:
            return None
        somebody_watches = state.power is Power.ON and state.ours is False
        if state.power in (Power.STANDBY, Power.TURNING_OFF) or somebody_watches or not self._tries:
            self.turned_on = False
            return None
        return Order.STAND_BY if self._may_try(now_s) else None

    def _may_try(self, now_s: float) -> bool:
        """Bounded, with more patience each time."""
        if now_s < self._patient_until:
            return False
        if not self._tries:
            self._give_up("")
            return False
        self._tries -= 1
        self._patient_until = now_s + self._pause_s
        self._pause_s = min(LONGEST_S, 2 * self._pause_s)
        return True

    def _settle(self) -> None:
        if self._wrong:
            self._outcomes.append(Outcome(self._wrong, done=True))
        if not self._settled:
            self._tries = min(self._tries, 1)  # what changes now was changed by somebody: put back once
        self._wrong, self._settled = "", True

    def _give_up(self, text: str) -> None:
        if self._wrong:
            self._outcomes.append(Outcome(self._wrong, done=False, text=text))
        self._wrong = ""


_WRONG = {Order.TURN_ON: "television_off", Order.SHOW_US: "television_input"}


def _towards_ours(state: TelevisionState) -> Order | None:
    """The order that brings the television nearer to being ours; a blind one when it does not answer."""
    match state.power:
        case Power.STANDBY | Power.TURNING_OFF:
            return Order.TURN_ON
        case Power.TURNING_ON:
            return None
        case Power.UNKNOWN:
            return Order.SHOW_US
    return None if state.ours else Order.SHOW_US
