"""A unit and its meetings: one state machine, told what happened and when, answering with actions.

Two rules: every input method returns the actions that follow from it, in order; and calling
:meth:`Session.tick` again at the same time returns nothing. There is no clock in here, and no chance:
`now` and the source of jitter come in.

Where it stands, and the parts that is made of, is in `standing.py`. A unit that was cut off in a meeting
(power, a crash) says `dropped` when it is back.

An urgent meeting rings for a minute (`ringing.py`), beside whatever the hall is in, and then takes it out
of that: `left`. When the urgent one is over, the other is joined again if it still runs. A meeting held
elsewhere or in person has the hall until its end: nothing is joined or checked, but an urgent one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from diemcau_wire.messages import Device, EventKind, Floor, Occurrence, SessionState

from diemcau_agent.checks import Finding

from . import floor as floor_rules
from .actions import Action, AskedBy, Emit, StartChime, StartMedia, StopChime, StopMedia
from .controls import Control
from .floor import HeldFloor
from .schedule import time_to_join
from .standing import Standing
from .transitions import TRANSITIONS, Cue

GOODBYE = timedelta(seconds=5)
FRESH_MS = 3000  # a picture at most this old is a living feed
_INSTANTS = ("_leave_until", "_main_seen_at")
S = SessionState


class Session(Standing):
    """The state machine: told what happened and when, it answers with actions."""

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
        self._agenda.take(me, meetings, morning_at)
        if self.meeting is not None:
            self.meeting = self._agenda.newest(self.meeting)
        return self.tick(now)

    def heard_floor(self, message: Floor, now: datetime) -> tuple[str | None, list[Action]]:
        """A floor message: why it does not count (or None), and what follows."""
        refused = floor_rules.refusal(self.floor, message, self.meeting.id if self.meeting else None)
        if refused is None:
            self.floor = floor_rules.hold(self.floor, message, now)
            self._controls.told_of_hand(message.meeting, message.hand)
        return refused, self.tick(now)

    def media_joined(self, ms: int, now: datetime) -> list[Action]:
        """The media process published and subscribed, `ms` after it was started."""
        if not self.media_due:
            return []
        actions: list[Action] = []
        self._connection.hear(now)
        if self.meeting is not None and self._move(Cue.JOINED):
            self._connection.join(now)
            actions += self._visits.joined(self.meeting.id, ms)
        return actions + self.tick(now)

    def media_stats(self, slots: Sequence[tuple[str | None, int | None]], now: datetime) -> list[Action]:
        """The media process lives. `slots`: per picture slot the site and the age of its last frame in ms."""
        self._connection.hear(now)
        if self.meeting is not None and any(
            site == self.meeting.main_site and age is not None and age <= FRESH_MS for site, age in slots
        ):
            self._main_seen_at = now
        return self.tick(now)

    def media_ended(self, why: str, text: str, now: datetime) -> list[Action]:
        """The media process reported a fault it does not survive, or ended without being asked to."""
        if not self.media_due:
            return []
        return self._fault(why, text, now) + self.tick(now)

    def camera(self, opened: bool, encoder: str, now: datetime) -> list[Action]:
        """The camera was opened or closed, for a meeting or a check."""
        return [*self.live.told(Device.CAMERA, opened, self._meeting_id, {"encoder": encoder})]

    def microphone(self, opened: bool) -> list[Action]:
        """The microphone was opened or closed, for a meeting or a check."""
        return [*self.live.told(Device.MICROPHONE, opened, self._meeting_id)]

    def device_lost(self, what: EventKind, why: str, text: str) -> list[Action]:
        """`CAMERA_LOST` or `MICROPHONE_LOST`: nothing comes from it any more, `why` in the driver's word;
        media goes on trying."""
        return [*self.live.lost(what, why, text, self._meeting_id)]

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
        return refused, [] if refused is not None else self.checks.ask(by, now, self._agenda.ahead(now))

    def plugged(self, now: datetime) -> list[Action]:
        """A device of the configuration was plugged in again."""
        self.checks.plugged(now)
        return self.tick(now)

    def postpone_check(self, now: datetime) -> tuple[str | None, list[Action]]:
        """Somebody in the hall wants no check for now: why not (or None), and what follows."""
        refused = self._no_check(now)
        if refused is not None:
            return refused, []
        refused, actions = self.checks.postpone(now, self._agenda.ahead(now))
        gone = self._devices_gone() if actions else []
        return refused, [*gone, *actions]

    def trial_over(self) -> list[Action]:
        """The media process that tried a device outside a meeting or a check is gone."""
        return [] if self.attending or self.checking else self._devices_gone()

    def check_media_over(self) -> list[Action]:
        """The media process that measured for a check is gone."""
        return [] if self.attending else self._devices_gone()

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
        self._connection.clock_stepped(by)
        self._ringing.clock_stepped(by)
        self.checks.clock_stepped(by)
        self._join_at = None

    def tick(self, now: datetime) -> list[Action]:
        """Time has passed. Call a few times a second."""
        actions: list[Action] = []
        if not self.attending:
            actions += self._visits.cut_off()
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
        agenda, ran = self._agenda, self.checking
        free = agenda.me is not None and self._no_check(now) is None
        actions = self.checks.look(now, agenda.ahead(now), free=free, morning_at=agenda.morning_at)
        return [*actions, *(self._devices_gone() if ran and not self.checking and not self.attending else [])]

    def end_check(self) -> list[Action]:
        """Something goes before the check that runs, or somebody in the hall wants nothing open."""
        return [*self.checks.end(), *self._devices_gone()] if self.checking else []

    # ── an urgent meeting ────────────────────────────────────────────────────────────────────────

    def _ring(self, now: datetime) -> list[Action]:
        """Begin or end the call of an urgent meeting; one that rang long enough takes the hall."""
        answered = {m for m in (self._visits.meeting, self._attended) if m}
        actions: list[Action] = []
        rang = self._ringing.meeting
        if self._ringing.look(self._agenda.here, now, answered.union(self.over)):
            if rang is not None:
                actions.append(self._hush())
            actions += self.end_check()
            if self.calling is not None and self.calling[0].id == self._meeting_id:
                self._join_at = self._time_to_join(self.calling[0], now)
            actions += self._chime(now)
        first = self._agenda.attend(now, self._attended, self._ringing.declined)
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
        target = self._agenda.near(now, kept, self._ringing.declined)
        actions: list[Action] = []
        if target is None or target.id != self._visits.meeting:
            actions += self._visits.over("over")
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
            again = self._visits.meeting == meeting.id
            return not again and not self._ringing.over(meeting, now)
        held = self.holding(now)
        return held is not None and now < held.ends_at

    def _time_to_join(self, meeting: Occurrence, now: datetime) -> datetime:
        return time_to_join(meeting, now, self._ringing.until(meeting), self._chance())

    # ── in a meeting ─────────────────────────────────────────────────────────────────────────────

    def _attend(self, now: datetime) -> list[Action]:
        why = self._agenda.why_over(self.meeting, self._main_seen_at, now)
        if why is not None:
            return self._leave(why, now)
        actions: list[Action] = []
        problem = self._connection.problem(now, joined=self.state is S.IN_MEETING)
        if problem is not None:
            actions += self._fault(problem, "", now)
        if self._connection.due(now):
            actions += self._start_media(now)
        return actions + self._follow_floor(now)

    def _start_media(self, now: datetime) -> list[Action]:
        if self.meeting is None:
            return []
        self._connection.start(now)
        self._following.anew()
        return [StartMedia(self.meeting), *self._follow_floor(now), *self._chime(now)]

    def _follow_floor(self, now: datetime) -> list[Action]:
        slots = self.slots(now)
        actions = self._following.tell(slots, self.local) if self.media_due else []
        return actions + self._tell_floor(slots.speaking and self.state is S.IN_MEETING)

    def _tell_floor(self, speaking: bool) -> list[Action]:
        told: list[Action] = [*self._following.speaks(speaking, self._meeting_id)]
        if told and speaking and self.meeting is not None:
            told += self._controls.press(Control.HAND, False, self.meeting.id)
        return told

    def _fault(self, why: str, text: str, now: datetime, *, anyway: bool = False) -> list[Action]:
        joined = self.state is S.IN_MEETING
        if not self._move(Cue.FAULT):
            return []
        self._connection.fail(now, anyway=anyway)
        actions: list[Action] = [StopMedia(politely=False), *self._tell_floor(False), *self._devices_gone()]
        data: dict[str, object] = {"why": why, "text": text[:200]}
        if joined:
            actions += self._visits.dropped(self._meeting_id, data)
        elif self.state is S.JOINING and not self._connection.join_failed:
            self._connection.join_failed = True
            actions.append(Emit(EventKind.JOIN_FAILED, self._meeting_id, data))
        return actions

    # ── after a meeting ──────────────────────────────────────────────────────────────────────────

    def _leave(self, why: str, now: datetime, *, for_good: bool = True) -> list[Action]:
        self._move(Cue.OVER)
        meeting = self._meeting_id
        if meeting is not None and for_good and not self._stopping:
            self._agenda.leave(meeting)
        self._leave_until = now + GOODBYE
        self._connection.end()
        return [
            *self._tell_floor(False),
            StopMedia(politely=True),
            *self._devices_gone(),
            *self._visits.over(why),
            *([] if self._stopping else self._chime(now)),
        ]

    def _devices_gone(self) -> list[Action]:
        """Media is gone, and camera and microphone with it, whether it could still say so or not."""
        return [*self.live.gone(self._meeting_id)]

    def _forget_meeting(self) -> None:
        self.meeting, self.floor = None, HeldFloor()
        self._join_at = self._leave_until = self._main_seen_at = None
        self._connection.forget()

    def _move(self, cue: Cue) -> bool:
        """Make the transition for `cue`; False when there is none in this state."""
        following = TRANSITIONS.get((self.state, cue))
        if following is None:
            return False
        self.state = following
        return True
