"""The hall: carries out what the session rules decide, with the screen and media processes as its hands."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from diemcau_wire.messages import (
    EventKind,
    Floor,
    Join,
    Mic,
    Occurrence,
    ReportedSession,
    SessionState,
    SlotReport,
)

from diemcau_agent.checks import Finding
from diemcau_agent.ipc import Garbage, Line
from diemcau_agent.rules.actions import (
    Action,
    AskedBy,
    Emit,
    EndCheck,
    SendFloor,
    StartCheck,
    StartChime,
    StartMedia,
    StopChime,
    StopMedia,
)
from diemcau_agent.rules.controls import Control, Local
from diemcau_agent.rules.session import Session
from diemcau_agent.rules.verdict import Readiness
from diemcau_agent.rules.view import show

from .checking import RoomCheck
from .desired import Desired
from .lines import flag, number, slots_received, text
from .live_light import LiveLight
from .media_process import MediaProcess
from .screen_process import ScreenProcess
from .state_folder import StateFolder, write_atomically

log = logging.getLogger(__name__)

TICK_S = 0.25
CLOCK_STEP = timedelta(seconds=2)  # more than this between two ticks is not drift
SLOT_REPORT_S = 5
Record = Callable[[EventKind, str | None, dict[str, object]], None]


class Hall:
    """One hall and its meetings. `record` keeps an event; `changed` says that the session looks different."""

    def __init__(
        self,
        folder: StateFolder,
        unit: str,
        desired: Desired,
        session: Session,
        screen: ScreenProcess,
        media: MediaProcess,
        room_check: RoomCheck,
        *,
        record: Record,
        linked: Callable[[], bool],
        changed: Callable[[], None],
        hardware: str = "",
    ) -> None:
        """`hardware` says which disk and machine this is."""
        self._hardware = hardware
        self._folder, self._unit, self._desired, self._session = folder, unit, desired, session
        self._screen, self._media, self._room_check = screen, media, room_check
        self._record, self._linked, self._changed = record, linked, changed
        self._mic_heard = False
        self._check: asyncio.Task[None] | None = None
        self._checked = asyncio.Event()
        self._reported: tuple[object, ...] = ()
        self._light = LiveLight()
        self._way_in: Join | None = None
        self.refused = 0
        self.floors_refused = 0

    # ── what others read ─────────────────────────────────────────────────────────────────────────

    @property
    def readiness(self) -> Readiness:
        """The result of the last check."""
        return self._session.readiness

    @property
    def local(self) -> Local:
        """What people in the hall muted and stopped."""
        return self._session.local

    @property
    def checking(self) -> bool:
        """True while a check runs."""
        return self._session.checking

    @property
    def occupied(self) -> bool:
        """True while a meeting, a check or another event has the hall."""
        return self._session.occupied(_now())

    def reported(self, now: datetime) -> ReportedSession:
        """The session as it is now."""
        session = self._session
        shown = self._screen.shown if session.state is SessionState.IN_MEETING else []
        frames = {site: count for site, count in shown if site is not None}
        slots = session.slots(now).video if session.attending else ()
        return ReportedSession(
            unit=self._unit,
            meeting=session.meeting.id if session.meeting else None,
            state=session.state,
            slots=[SlotReport(site=site, frames_shown=frames.get(site, 0) if site else 0) for site in slots],
            mic=Mic.OPEN if self._mic_open(now) else Mic.CLOSED,
            at=now,
        )

    # ── inputs ───────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Let time pass."""
        self.desired_changed()
        ticks = 0
        offset = _clock_offset()
        while True:
            before, offset = offset, _clock_offset()
            if abs(offset - before) > CLOCK_STEP:
                log.warning("the clock was set", extra={"by_s": (offset - before).total_seconds()})
                self._session.clock_stepped(offset - before)
            self._do(self._session.tick(_now()))
            ticks += 1
            if self._session.attending and ticks % round(SLOT_REPORT_S / TICK_S) == 0:
                self._changed()
            await asyncio.sleep(TICK_S)

    def desired_changed(self) -> None:
        """Configuration or schedule are others now. Not in a meeting: then the screen stays as it is."""
        if not self._session.attending:
            self._screen.renew(only_if_changed=True)
        self._do(self._session.desired(self._desired.site, self._desired.meetings, _now(), self._morning_at))
        self._tell_way_in()

    def _tell_way_in(self) -> None:
        """The PIN of a meeting that runs may have been changed, when a unit was locked out of it."""
        meeting = next((one for one in self._desired.meetings if one.id == self._meeting_id), None)
        if self._session.attending and meeting is not None and meeting.join not in (None, self._way_in):
            self._way_in = meeting.join
            self._media.send({"type": "way_in", "join": meeting.join.model_dump()})

    def floor(self, message: Floor) -> None:
        """The controller says who is seen and heard."""
        refused, actions = self._session.heard_floor(message, _now())
        if refused is not None:
            self.floors_refused += 1
            log.debug("floor message does not count", extra={"why": refused})
        self._do(actions)

    def media_heard(self, line: Line) -> None:
        """A line of the media process that attends or checks."""
        try:
            self._do(self._media_line(line))
        except Garbage as error:
            self.refused += 1
            log.warning("line of the media process refused", extra={"error": str(error)})

    def media_ended(self, why: str, what: str) -> None:
        """The media process failed, or ended without being asked to."""
        log.warning("media failed", extra={"why": why, "text": what})
        self._record(EventKind.PROCESS_ENDED, self._meeting_id, {"role": "media", "why": why, "text": what})
        self._do(self._session.media_ended(why, what, _now()))

    def screen_ended(self, code: int) -> None:
        """The screen process ended."""
        self._record(EventKind.PROCESS_ENDED, self._meeting_id, {"role": "screen", "code": code})

    def ask_check(self, by: AskedBy = AskedBy.PAGE) -> str | None:
        """Check now; gives why not, as a stable word, or None."""
        refused, actions = self._session.ask_check(_now(), by)
        self._do(actions)
        return refused

    def postpone_check(self) -> str | None:
        """No check for the next ten minutes; gives why not, as a stable word, or None."""
        refused, actions = self._session.postpone_check(_now())
        self._do(actions)
        return refused

    def plugged(self) -> None:
        """A device of the configuration was plugged in again."""
        self._do(self._session.plugged(_now()))

    async def check_done(self) -> Readiness:
        """Wait for the check that runs; gives what the last one came to. The next may begin in the moment it
        ends (a device was plugged in meanwhile): whoever asked gets his own."""
        if self._session.checking:
            self._checked.clear()
            await self._checked.wait()
        return self._session.checks.readiness

    def restart_media(self) -> str | None:
        """Have a fresh media process take over; gives why not, as a stable word, or None."""
        refused, actions = self._session.restart_media(_now())
        self._do(actions)
        return refused

    def decline(self, meeting: str | None) -> str | None:
        """Say no to the urgent meeting that rings; gives why not, as a stable word, or None."""
        refused, actions = self._session.decline(meeting, _now())
        self._do(actions)
        return refused

    def ring_again(self, meeting: str) -> str | None:
        """Have one that was declined ring again; gives why not, as a stable word, or None."""
        refused, actions = self._session.ring_again(meeting, _now())
        self._do(actions)
        return refused

    def press(self, control: Control, on: bool | None) -> str | None:
        """Somebody in the hall mutes, stops or raises the hand (`on` None: the other way round); gives why
        that does nothing, as a stable word, or None."""
        refused, actions = self._session.press(control, on, _now())
        self._do(actions)
        return refused

    def end_check(self) -> None:
        """Somebody in the hall wants camera and microphone closed."""
        self._do(self._session.end_check())

    def announce_picture(self, at: datetime | None) -> None:
        """A picture of the room will be taken at that time, with nobody asked; None: not any more."""
        self._session.picture_at = at
        self._tell()

    def check_is_at(self, what: str) -> None:
        """What the check that runs is looking at; "" when that is nothing the screen has a word for."""
        self._session.checks.looks_at = what
        self._tell()

    def check_media_over(self) -> None:
        """A media process that measured for the check is gone, and what it had open with it."""
        self._do(self._session.check_media_over())

    def trial_over(self) -> None:
        """The media process that tried a device is gone."""
        self._do(self._session.trial_over())

    async def leave(self) -> None:
        """Leave the meeting, because this process ends."""
        if self._check is not None:
            self._check.cancel()
        self._do(self._session.shutdown(_now()))
        await self._media.settled()

    # ── actions ──────────────────────────────────────────────────────────────────────────────────

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            self._perform(action)
        self._tell()

    def _perform(self, action: Action) -> None:
        match action:
            case StartMedia(meeting):
                self._media.start(self._start_line(meeting))
            case SendFloor(slots, mic, camera):
                self._media.send(
                    {
                        "type": "floor",
                        "video": list(slots.video),
                        "audio": list(slots.audio),
                        "speaking": slots.speaking,
                        "mic": mic,
                        "camera": camera,
                    }
                )
            case StopMedia(politely):
                self._mic_heard = False
                self._media.stop(politely=politely)
            case StartCheck(meeting, limit_s, asked_by):
                run = self._run_check(meeting, limit_s, asked_by)
                self._check = asyncio.create_task(run, name="check")
                self._check.add_done_callback(_report)
            case EndCheck(judge):
                if self._check is not None:
                    self._check.cancel()
                    self._check = None
                if judge:
                    self._judge(self._room_check.found_so_far(cut="something else went before the check"))
                self._checked.set()
            case StartChime(seconds, in_meeting):
                self._chime(seconds, in_meeting=in_meeting)
            case StopChime(in_meeting):
                if in_meeting:
                    self._media.send({"type": "chime", "seconds": 0})
                else:
                    self._media.stop(politely=False)
            case Emit(kind, meeting, data):
                self._record(kind, meeting, data)

    def _chime(self, seconds: float, *, in_meeting: bool) -> None:
        config = self._desired.config
        if config is None:
            return
        chime: Line = {"type": "chime", "sound": config.sound.model_dump(), "seconds": round(seconds, 1)}
        if in_meeting:
            self._media.send(chime)
        else:
            self._media.start(chime)

    def _tell(self) -> None:
        """Show and report what is new."""
        now = _now()
        self._light.show(self._session.live.camera or self._session.live.microphone)
        line = show(
            self._session,
            self._desired.config,
            self._desired.meetings,
            unit=self._unit,
            link=self._linked(),
            mic_open=self._mic_open(now),
            now=now,
        )
        self._screen.show(line)
        report = self.reported(now)
        reported = (report.meeting, report.state, report.mic, [slot.site for slot in report.slots])
        if reported != self._reported:
            self._reported = reported
            self._changed()

    def _media_line(self, line: Line) -> list[Action]:
        now, session = _now(), self._session
        match line["type"]:
            case "session":
                self._keep_janus_session(number(line, "id"))
                return []
            case "camera":
                return session.camera(flag(line, "open"), text(line, "encoder", 40), now)
            case "joined":
                return session.media_joined(number(line, "ms"), now)
            case "stats":
                self._mic_heard = line.get("mic") is True
                return session.media_stats(slots_received(line), now)
            case "fault":
                what, why = EventKind(text(line, "what")), text(line, "why", 40)
                return session.device_lost(what, why, text(line, "text"))
            case "microphone":
                return session.microphone(flag(line, "open"))
            case "left":
                return []
            case other:
                raise Garbage(f"unknown line {other[:40]!r}")

    def _start_line(self, meeting: Occurrence) -> Line:
        config = self._desired.config
        if config is None or meeting.join is None:
            raise RuntimeError("a meeting without a configuration, or without a way in")
        self._way_in = meeting.join
        return {
            "type": "start",
            "meeting": meeting.id,
            "join": meeting.join.model_dump(),
            "ca": str(self._folder.ca.absolute()),
            "site": config.site.id,
            "name": config.site.name,
            "camera": config.camera.model_dump(),
            "microphone": config.microphone.model_dump(),
            "sound": config.sound.model_dump(),
            "video": self._room_check.video(config).model_dump(),
            "stopped": self._session.local.stopped,
            "screen_socket": str(self._folder.screen_socket.absolute()),
            "previous_session": self._previous_session(),
        }

    # ── the check ────────────────────────────────────────────────────────────────────────────────

    async def _run_check(self, meeting: Occurrence | None, limit_s: float, asked_by: AskedBy) -> None:
        self._judge(await self._room_check.run(meeting, limit_s, asked_by))

    def _judge(self, found: list[Finding]) -> None:
        log.info("checked", extra={"findings": [f.what for f in found]})
        self._check = None
        self._do(self._session.checked(found, _now()))
        self._checked.set()

    # ── small things ─────────────────────────────────────────────────────────────────────────────

    def _keep_janus_session(self, number: int) -> None:
        try:
            write_atomically(self._folder.janus_session, f"{number} {self._hardware}".encode())
        except OSError as error:
            log.error("the Janus session cannot be stored", extra={"error": str(error)})

    def _previous_session(self) -> int | None:
        """The session to destroy before joining: ours. On a copied disk it is another box's, which sits in
        the meeting and is not to be thrown out."""
        try:
            session, _, hardware = self._folder.janus_session.read_text(errors="replace")[:300].partition(" ")
            return int(session[:20]) if hardware == self._hardware else None
        except (OSError, ValueError):
            return None

    def _mic_open(self, now: datetime) -> bool:
        speaking = self._session.state is SessionState.IN_MEETING and self._session.mic_open(now)
        return speaking or self._mic_heard

    @property
    def _morning_at(self) -> str | None:
        return self._desired.config.checks.morning_at if self._desired.config else None

    @property
    def _meeting_id(self) -> str | None:
        return self._session.meeting.id if self._session.meeting else None


def _now() -> datetime:
    return datetime.now(UTC)


def _clock_offset() -> timedelta:
    """How far the time of day is from the clock that nobody sets."""
    return timedelta(seconds=time.time() - time.monotonic())


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("the check failed", exc_info=error)
