"""A unit and its meetings: one state machine, told what happened and when, answering with actions.

Two rules: every input method returns the actions that follow from it, in order; and calling
:meth:`Session.tick` again at the same time returns nothing. There is no clock in here, and no chance:
`now` and the source of jitter come in.

Per meeting the events are `joined (dropped rejoined)* dropped? left`, each once per real change. A unit
that was cut off in a meeting (power, a crash) says `dropped` when it is back.

An urgent meeting rings for a minute (`ringing.py`), beside whatever the hall is in, and then takes it out
of that: `left`. When the urgent one is over, the other is joined again if it still runs. A meeting held
elsewhere or in person has the hall until its end: nothing is joined or checked, but an urgent one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from diemcau_wire.messages import Device, EventKind, Floor, Occurrence, SessionState

from diemcau_agent.checks import Finding

from . import floor as floor_rules
from . import schedule
from .actions import (
    Action,
    AskedBy,
    Emit,
    SendFloor,
    StartChime,
    StartMedia,
    StopChime,
    StopMedia,
)
from .checking import Checking
from .controls import Control, Controls, Local
from .floor import HeldFloor, Slots
from .live import Live
from .ringing import Ringing
from .transitions import ATTENDING, TRANSITIONS, Cue
from .verdict import Readiness

COUNTDOWN = timedelta(minutes=15)
JITTER = timedelta(seconds=2)
MAIN_GONE = timedelta(minutes=10)
GOODBYE = timedelta(seconds=5)
JOIN_LIMIT = timedelta(seconds=20)
SILENT_MEDIA = timedelta(seconds=8)
STEADY = timedelta(seconds=30)  # a connection that held this long forgives earlier faults
FRESH_MS = 3000  # a picture at most this old is a living feed
_OVER_KEPT = 200
_INSTANTS = (
    "_started_at",
    "_joined_at",
    "_retry_at",
    "_heard_at",
    "_leave_until",
    "_main_seen_at",
)
S = SessionState


@dataclass(frozen=True, slots=True)
class Visit:
    """A meeting this unit joined and has not left yet, as its outbox remembers it after a restart."""

    meeting: str
    connected: bool


class Session:
    """Where this unit stands towards its meetings.

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
        self.failures = 0
        self.over: list[str] = []
        self._ringing = Ringing(declined)
        self._controls = controls or Controls()
        self._chance, self._restart = chance, restart
        self._me: str | None = None
        self._meetings: Sequence[Occurrence] = ()
        self._here: Sequence[Occurrence] = ()  # of these, the ones this unit takes part in
        self._visit = visit
        self._morning_at: str | None = None
        self._join_at: datetime | None = None
        self._started_at: datetime | None = None
        self._joined_at: datetime | None = None
        self._retry_at: datetime | None = None
        self._heard_at: datetime | None = None
        self._leave_until: datetime | None = None
        self._main_seen_at: datetime | None = None
        self._sent: SendFloor | None = None
        self._speaking = False
        self._join_failed = False
        self._stopping = False

    # ── what others read ─────────────────────────────────────────────────────────────────────────

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
        return schedule.holding(self._meetings, now)

    def occupied(self, now: datetime) -> bool:
        """True while the hall is not free: for an update, a restart, a check."""
        busy = self.attending or self.state is S.LEAVING or self.checking or self.calling is not None
        return busy or self.holding(now) is not None

    @property
    def media_due(self) -> bool:
        """True while a media process should be running for the meeting."""
        return self._started_at is not None

    def slots(self, now: datetime) -> Slots:
        """What the floor means for this site; nothing outside a meeting."""
        if self.meeting is None or self._me is None or not self.attending:
            return Slots()
        return floor_rules.slots(self._me, self.meeting.main_site, self.speakers(now))

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

    # ── inputs ───────────────────────────────────────────────────────────────────────────────────

    def desired(
        self,
        me: str | None,
        meetings: Sequence[Occurrence],
        now: datetime,
        morning_at: str | None = None,
    ) -> list[Action]:
        """This unit serves site `me` (None: none yet), whose meetings are `meetings`; its room is checked
        each day at `morning_at`, as "07:00"."""
        self._me, self._meetings = me, meetings if me is not None else ()
        self._morning_at = morning_at
        self._here = schedule.here(self._meetings)
        if self.meeting is not None:
            self.meeting = next((m for m in self._meetings if m.id == self.meeting.id), self.meeting)
        return self.tick(now)

    def heard_floor(self, message: Floor, now: datetime) -> tuple[str | None, list[Action]]:
        """A floor message: why it does not count (or None), and what follows."""
        refused = floor_rules.refusal(self.floor, message, self.meeting.id if self.meeting else None)
        if refused is None:
            self.floor = floor_rules.hold(self.floor, message, now)
        return refused, self.tick(now)

    def media_joined(self, ms: int, now: datetime) -> list[Action]:
        """The media process published and subscribed, `ms` after it was started."""
        if self._started_at is None:
            return []
        actions: list[Action] = []
        self._heard_at = now
        if self.meeting is not None and self._move(Cue.JOINED):
            again = self._visit is not None and self._visit.meeting == self.meeting.id
            if not again:
                actions += self._close_visit("another_meeting")
            self._visit = Visit(self.meeting.id, connected=True)
            self._joined_at, self._join_failed = now, False
            kind = EventKind.REJOINED if again else EventKind.JOINED
            actions.append(Emit(kind, self.meeting.id, {"ms": ms}))
        return actions + self.tick(now)

    def media_stats(self, slots: Sequence[tuple[str | None, int | None]], now: datetime) -> list[Action]:
        """The media process lives. `slots`: per picture slot the site and the age of its last frame in ms."""
        self._heard_at = now
        if self.meeting is not None and any(
            site == self.meeting.main_site and age is not None and age <= FRESH_MS for site, age in slots
        ):
            self._main_seen_at = now
        return self.tick(now)

    def media_ended(self, why: str, text: str, now: datetime) -> list[Action]:
        """The media process reported a fault it does not survive, or ended without being asked to."""
        if self._started_at is None:
            return []
        return self._fault(why, text, now) + self.tick(now)

    def camera(self, opened: bool, encoder: str, now: datetime) -> list[Action]:
        """The camera was opened or closed, for a meeting or a check."""
        return [*self.live.told(Device.CAMERA, opened, self._meeting_id, {"encoder": encoder})]

    def microphone(self, opened: bool) -> list[Action]:
        """The microphone was opened or closed, for a meeting or a check."""
        return [*self.live.told(Device.MICROPHONE, opened, self._meeting_id)]

    def device_lost(self, what: EventKind, text: str) -> list[Action]:
        """`CAMERA_LOST` or `MICROPHONE_LOST`: nothing comes from it any more; media goes on trying."""
        return [*self.live.lost(what, text, self._meeting_id)]

    def press(self, control: Control, on: bool | None, now: datetime) -> tuple[str | None, list[Action]]:
        """Somebody in the hall mutes, stops or raises the hand (`on` None: the other way round): why it does
        nothing (or None), and what follows. Muting and stopping work before a meeting, too."""
        near = self.attending or (self.state is S.COUNTDOWN and control is not Control.HAND)
        if self.meeting is None or not near:
            return "no_meeting_near", []
        return None, [*self._controls.press(control, on, self.meeting.id), *self.tick(now)]

    def ask_check(self, now: datetime, by: AskedBy = AskedBy.PAGE) -> tuple[str | None, list[Action]]:
        """Somebody asks for a check: why not (or None), and what follows."""
        refused = self._no_check(now)
        return refused, [] if refused is not None else self.checks.ask(by, now, self._ahead(now))

    def plugged(self, now: datetime) -> list[Action]:
        """A device of the configuration was plugged in again."""
        self.checks.plugged(now)
        return self.tick(now)

    def postpone_check(self, now: datetime) -> tuple[str | None, list[Action]]:
        """Somebody in the hall wants no check for now: why not (or None), and what follows."""
        refused = self._no_check(now)
        if refused is not None:
            return refused, []
        refused, actions = self.checks.postpone(now, self._ahead(now))
        gone = self._devices_gone() if actions else []
        return refused, [*gone, *actions]

    def trial_over(self) -> list[Action]:
        """The media process that tried a device outside a meeting or a check is gone."""
        return [] if self.attending or self.checking else self._devices_gone()

    def check_media_over(self) -> list[Action]:
        """The media process that measured for a check is gone."""
        return [] if self.attending else self._devices_gone()

    def postpone_until(self, now: datetime) -> datetime | None:
        """To when somebody in the hall could put off the check that runs; None when he cannot."""
        if not self.checking or self._no_check(now) is not None:
            return None
        return self.checks.postpone_until(now, self._ahead(now))

    def checked(self, findings: Sequence[Finding], now: datetime) -> list[Action]:
        """The check is over; `findings` of everything that was looked at."""
        gone = [] if self.attending else self._devices_gone()
        return [*gone, *self.checks.checked(findings, now), *self.tick(now)]

    def restart_media(self, now: datetime) -> tuple[str | None, list[Action]]:
        """Somebody asks for a fresh media process: why not (or None), and what follows."""
        if not self.attending:
            return "no_meeting", []
        return None, self._fault("restart_asked", "", now, anyway=True) + self.tick(now)

    def decline(self, meeting: str | None, now: datetime) -> tuple[str | None, list[Action]]:
        """The hall says no to the urgent meeting that rings: why not (or None), and what follows.

        `meeting` None means whichever rings.
        """
        calling = self._ringing.meeting
        if calling is None or meeting not in (None, calling.id):
            return "not_ringing", []
        self._ringing.decline()
        return None, [self._hush(), Emit(EventKind.DECLINED, calling.id), *self.tick(now)]

    def ring_again(self, meeting: str, now: datetime) -> tuple[str | None, list[Action]]:
        """Have an urgent meeting that was declined ring again: why not (or None), and what follows."""
        if meeting not in self._ringing.declined:
            return "not_declined", []
        self._ringing.again(meeting)
        return None, self.tick(now)

    def shutdown(self, now: datetime) -> list[Action]:
        """The unit process is told to end: leave at once."""
        self._stopping = True
        self.checks.running = None
        return self._leave("shutdown", now) if self.attending else []

    def clock_stepped(self, by: timedelta) -> None:
        """The clock was set: what was remembered as a time of day moves along, meetings do not."""
        for name in _INSTANTS:
            instant = getattr(self, name)
            if instant is not None:
                setattr(self, name, instant + by)
        if self.floor.heard_at is not None:
            self.floor = replace(self.floor, heard_at=self.floor.heard_at + by)
        self._ringing.clock_stepped(by)
        self.checks.clock_stepped(by)
        self._join_at = None

    def tick(self, now: datetime) -> list[Action]:
        """Time has passed. Call a few times a second."""
        actions: list[Action] = []
        if self._visit is not None and self._visit.connected and not self.attending:
            actions.append(Emit(EventKind.DROPPED, self._visit.meeting, {"why": "unit_restarted"}))
            self._visit = Visit(self._visit.meeting, connected=False)
        if self._stopping:
            return actions
        actions += self._ring(now)
        if self.state is S.LEAVING and self._leave_until is not None and now >= self._leave_until:
            self._move(Cue.DONE)
            self._forget_meeting()
        if self.state in (S.IDLE, S.COUNTDOWN):
            actions += self._wait(now)
        if self.attending:
            actions += self._attend(now)
        return actions + self._check(now)

    # ── the check ────────────────────────────────────────────────────────────────────────────────

    def _check(self, now: datetime) -> list[Action]:
        """Check the room when that is due; a check that runs when the hall is not free any more is ended."""
        ran, free = self.checking, self._me is not None and self._no_check(now) is None
        actions = self.checks.look(now, self._ahead(now), free=free, morning_at=self._morning_at)
        return [*actions, *(self._devices_gone() if ran and not self.checking and not self.attending else [])]

    def end_check(self) -> list[Action]:
        """Something goes before the check that runs, or somebody in the hall wants nothing open."""
        return [*self.checks.end(), *self._devices_gone()] if self.checking else []

    def _no_check(self, now: datetime) -> str | None:
        """Why the room cannot be checked now, as a stable word; None when it can."""
        if self.attending or self.state is S.LEAVING:
            return "in_meeting"
        if self.calling is not None:
            return "ringing"
        return "held" if self.holding(now) is not None else None

    def _ahead(self, now: datetime) -> list[Occurrence]:
        """The meetings this unit will take part in."""
        return [m for m in self._here if m.opens_at > now and not m.closed and m.id not in self.over]

    # ── an urgent meeting ────────────────────────────────────────────────────────────────────────

    def _ring(self, now: datetime) -> list[Action]:
        """Begin or end the call of an urgent meeting; one that rang long enough takes the hall."""
        answered = {m for m in (self._visit and self._visit.meeting, self._attended) if m}
        actions: list[Action] = []
        rang = self._ringing.meeting
        if self._ringing.look(self._here, now, answered.union(self.over)):
            if rang is not None:
                actions.append(self._hush())
            actions += self.end_check()
            if self.calling is not None and self.calling[0].id == self._meeting_id:
                self._join_at = self._time_to_join(self.calling[0], now)
            actions += self._chime(now)
        first = schedule.attend(self._here, now, self._attended, [*self.over, *self._ringing.declined])
        if first is None or not first.urgent or first.id == self._attended or not self.attending:
            return actions
        if self._ringing.over(first, now):
            actions += self._leave("urgent", now, for_good=False)
            self._leave_until = now
        return actions

    def _chime(self, now: datetime) -> list[Action]:
        if self.calling is None:
            return []
        return [StartChime((self.calling[1] - now).total_seconds(), in_meeting=self.media_due)]

    def _hush(self) -> Action:
        return StopChime(in_meeting=self.media_due)

    @property
    def _attended(self) -> str | None:
        return self._meeting_id if self.attending else None

    # ── before a meeting ─────────────────────────────────────────────────────────────────────────

    def _wait(self, now: datetime) -> list[Action]:
        kept = self.meeting.id if self.meeting else None
        over = [*self.over, *self._ringing.declined]
        target = schedule.attend(self._here, now, kept, over)
        if target is None:
            target = schedule.upcoming(self._here, now, COUNTDOWN, over)
        actions: list[Action] = []
        if self._visit is not None and (target is None or target.id != self._visit.meeting):
            actions += self._close_visit("over")
        if target is None:
            if self._move(Cue.FAR):
                self._forget_meeting()
            return actions
        if kept != target.id:
            self._forget_meeting()
            self._join_at = self._time_to_join(target, now)
        self.meeting = target
        self._move(Cue.NEAR)
        if self._must_wait(target, now):
            return actions
        if now < max(self._join_at or now, target.opens_at):
            return actions
        actions += self.end_check()
        self._move(Cue.OPEN)
        return actions + self._start_media(now)

    def _must_wait(self, meeting: Occurrence, now: datetime) -> bool:
        """An urgent meeting has to ring first; any other waits until the hall is free."""
        if meeting.urgent:
            again = self._visit is not None and self._visit.meeting == meeting.id
            return not again and not self._ringing.over(meeting, now)
        held = self.holding(now)
        return held is not None and now < held.ends_at

    def _time_to_join(self, meeting: Occurrence, now: datetime) -> datetime:
        """When to join: spread over 5 % of the time until the start, at least 0.2 s and at most 2 s.

        An urgent one is spread over 2 s after it rang.
        """
        if meeting.urgent:
            return max(now, self._ringing.until(meeting) or now) + JITTER * self._chance()
        opens = max(meeting.opens_at, now)
        spread = min(JITTER, max(timedelta(seconds=0.2), (meeting.starts_at - opens) / 20))
        return opens + spread * self._chance()

    # ── in a meeting ─────────────────────────────────────────────────────────────────────────────

    def _attend(self, now: datetime) -> list[Action]:
        why = self._why_over(now)
        if why is not None:
            return self._leave(why, now)
        actions: list[Action] = []
        if self._started_at is not None:
            joined = self.state is S.IN_MEETING
            if joined and self._heard_at is not None and now - self._heard_at > SILENT_MEDIA:
                actions += self._fault("media_silent", "", now)
            elif not joined and now - self._started_at > JOIN_LIMIT:
                actions += self._fault("join_timeout", "", now)
        if self._started_at is None and self._retry_at is not None and now >= self._retry_at:
            actions += self._start_media(now)
        return actions + self._follow_floor(now)

    def _why_over(self, now: datetime) -> str | None:
        meeting = self.meeting
        if meeting is None or all(m.id != meeting.id for m in self._here):
            return "withdrawn"
        if meeting.closed:
            return "closed"
        if now >= meeting.cap_at:
            return "cap"
        since = max(meeting.ends_at, self._main_seen_at or meeting.ends_at)
        if self._me != meeting.main_site and now - since >= MAIN_GONE:
            return "main_site_gone"
        return None

    def _start_media(self, now: datetime) -> list[Action]:
        if self.meeting is None:
            return []
        self._started_at, self._retry_at, self._sent = now, None, None
        return [StartMedia(self.meeting), *self._follow_floor(now), *self._chime(now)]

    def _follow_floor(self, now: datetime) -> list[Action]:
        slots, actions = self.slots(now), list[Action]()
        floor = SendFloor(slots, mic=self.mic_open(now), camera=not self.local.stopped)
        if self._started_at is not None and floor != self._sent:
            self._sent = floor
            actions.append(floor)
        return actions + self._tell_floor(slots.speaking and self.state is S.IN_MEETING)

    def _tell_floor(self, speaking: bool) -> list[Action]:
        if speaking == self._speaking:
            return []
        self._speaking = speaking
        told: list[Action] = [
            Emit(EventKind.FLOOR_TAKEN if speaking else EventKind.FLOOR_LEFT, self._meeting_id)
        ]
        if speaking and self.meeting is not None:
            told += self._controls.press(Control.HAND, False, self.meeting.id)
        return told

    def _fault(self, why: str, text: str, now: datetime, *, anyway: bool = False) -> list[Action]:
        joined = self.state is S.IN_MEETING
        if not self._move(Cue.FAULT):
            return []
        if self._joined_at is not None and now - self._joined_at >= STEADY:
            self.failures = 0
        pause_s = min(8.0, 0.2 * 4 ** min(self.failures, 5)) * (0.5 + self._chance())
        self.failures += 1
        self._started_at = self._joined_at = None
        self._retry_at = now + timedelta(seconds=pause_s) if self._restart or anyway else None
        actions: list[Action] = [StopMedia(politely=False), *self._tell_floor(False), *self._devices_gone()]
        data = {"why": why, "text": text[:200]}
        if joined:
            self._visit = Visit(self._meeting_id or "", connected=False)
            actions.append(Emit(EventKind.DROPPED, self._meeting_id, data))
        elif self.state is S.JOINING and not self._join_failed:
            self._join_failed = True
            actions.append(Emit(EventKind.JOIN_FAILED, self._meeting_id, data))
        return actions

    # ── after a meeting ──────────────────────────────────────────────────────────────────────────

    def _leave(self, why: str, now: datetime, *, for_good: bool = True) -> list[Action]:
        self._move(Cue.OVER)
        meeting = self._meeting_id
        if meeting is not None and for_good and not self._stopping:
            self.over = [*self.over[-_OVER_KEPT:], meeting]
        self._leave_until = now + GOODBYE
        self._started_at = self._joined_at = self._retry_at = None
        return [
            *self._tell_floor(False),
            StopMedia(politely=True),
            *self._devices_gone(),
            *self._close_visit(why),
            *([] if self._stopping else self._chime(now)),
        ]

    def _close_visit(self, why: str) -> list[Action]:
        visit, self._visit = self._visit, None
        return [] if visit is None else [Emit(EventKind.LEFT, visit.meeting, {"why": why})]

    def _devices_gone(self) -> list[Action]:
        """Media is gone, and camera and microphone with it, whether it could still say so or not."""
        return [*self.live.gone(self._meeting_id)]

    def _forget_meeting(self) -> None:
        self.meeting, self.floor, self.failures = None, HeldFloor(), 0
        self._join_at = self._leave_until = self._main_seen_at = self._heard_at = None
        self._join_failed = False

    @property
    def _meeting_id(self) -> str | None:
        return self.meeting.id if self.meeting else None

    def _move(self, cue: Cue) -> bool:
        """Make the transition for `cue`; False when there is none in this state."""
        following = TRANSITIONS.get((self.state, cue))
        if following is None:
            return False
        self.state = following
        return True
