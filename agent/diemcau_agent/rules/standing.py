"""Where a unit stands towards its meetings, as its screen, its television and its shell read it.

What makes it stand elsewhere is the session (`session.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from diemcau_wire.messages import Occurrence, SessionState

from . import floor as floor_rules
from .agenda import Agenda
from .checking import Checking
from .connection import Connection
from .controls import Controls, Local
from .floor import HeldFloor, Slots
from .following import Following
from .live import Live
from .ringing import Ringing
from .transitions import ATTENDING
from .verdict import Readiness
from .visit import Visit, Visits

S = SessionState


class Standing:
    """The state and its parts: which meetings there are (`agenda.py`), the media process (`connection.py`),
    the floor (`following.py`), what is told of a visit (`visit.py`), the checks (`checking.py`).

    `chance` gives numbers in [0, 1); `restart` False means a media process that ended stays ended for
    that meeting; `visit` is what an earlier run of this unit left unfinished, `declined` the urgent meetings
    to which the hall said no, `controls` what it muted and stopped.
    """

    def __init__(
        self,
        *,
        chance: Callable[[], float],
        restart: bool = True,
        visit: Visit | None = None,
        declined: Iterable[str] = (),
        controls: Controls | None = None,
    ) -> None:
        self.state = S.IDLE
        self.meeting: Occurrence | None = None
        self.floor = HeldFloor()
        self.checks = Checking()
        self.live = Live()
        self.picture_at: datetime | None = None  # a picture of the room is announced for then
        self._agenda = Agenda()
        self._connection = Connection(chance=chance, restart=restart)
        self._following = Following()
        self._visits = Visits(visit)
        self._ringing = Ringing(declined)
        self._controls = controls or Controls()
        self._chance = chance
        self._join_at: datetime | None = None
        self._leave_until: datetime | None = None
        self._main_seen_at: datetime | None = None
        self._stopping = False

    @property
    def attending(self) -> bool:
        """True from the start of joining until the meeting is over for this unit."""
        return self.state in ATTENDING

    @property
    def checking(self) -> bool:
        """True while a check runs."""
        return self.checks.running is not None

    @property
    def readiness(self) -> Readiness:
        """What people are told of the room: the result of the last check, or that one runs."""
        return self.checks.shown

    @property
    def calling(self) -> tuple[Occurrence, datetime] | None:
        """The urgent meeting that rings, and when it will be joined."""
        meeting = self._ringing.meeting
        until = self._ringing.until(meeting) if meeting else None
        return None if meeting is None or until is None else (meeting, until)

    def holding(self, now: datetime) -> Occurrence | None:
        """The meeting elsewhere or in person that has this hall."""
        return self._agenda.holding(now)

    @property
    def over(self) -> Sequence[str]:
        """The meetings this unit has left for good."""
        return self._agenda.over

    @property
    def failures(self) -> int:
        """How often in a row the way into the meeting, or media in it, failed."""
        return self._connection.failures

    def occupied(self, now: datetime) -> bool:
        """True while the hall is not free: for an update, a restart, a check."""
        busy = self.attending or self.state is S.LEAVING or self.checking or self.calling is not None
        return busy or self.holding(now) is not None

    def postpone_until(self, now: datetime) -> datetime | None:
        """To when somebody in the hall could put off the check that runs; None when he cannot."""
        if not self.checking or self._no_check(now) is not None:
            return None
        return self.checks.postpone_until(now, self._agenda.ahead(now))

    @property
    def media_due(self) -> bool:
        """True while a media process should be running for the meeting."""
        return self._connection.started_at is not None

    def slots(self, now: datetime) -> Slots:
        """What the floor means for this site; nothing outside a meeting."""
        me = self._agenda.me
        if self.meeting is None or me is None or not self.attending:
            return Slots()
        return floor_rules.slots(me, self.meeting.main_site, self.speakers(now))

    @property
    def local(self) -> Local:
        """What the hall itself muted and stopped in its meeting, and whether its hand is up."""
        return self._controls.of(self._meeting_id)

    def mic_open(self, now: datetime) -> bool:
        """True while this site has the floor and lets itself be heard."""
        return self.slots(now).speaking and self.local.lets_hear

    def speakers(self, now: datetime) -> tuple[str, ...]:
        """Who has the floor of the meeting; nobody outside one."""
        return () if self.meeting is None else floor_rules.speakers(self.floor, self.meeting, now)

    def _no_check(self, now: datetime) -> str | None:
        """Why the room cannot be checked now, as a stable word; None when it can."""
        if self.attending or self.state is S.LEAVING:
            return "in_meeting"
        if self.calling is not None:
            return "ringing"
        return "held" if self.holding(now) is not None else None

    @property
    def _meeting_id(self) -> str | None:
        return self.meeting.id if self.meeting else None
