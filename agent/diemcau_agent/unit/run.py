"""A unit at work: everything put together. Before and after that: `life.py`."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import logging
import os
import ssl
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from diemcau_wire import Channel
from diemcau_wire.messages import (
    Command,
    DesiredConfig,
    DesiredSchedule,
    EventKind,
    Floor,
    Health,
    Presence,
    Receipt,
    Ruled,
    Screen,
    State,
)

from diemcau_agent.ipc import Line
from diemcau_agent.rules.actions import AskedBy
from diemcau_agent.rules.controls import Controls
from diemcau_agent.rules.session import Session
from diemcau_agent.rules.television import want
from diemcau_agent.rules.visit import Visit

from . import joins
from .admission import CLOCK_OFF_S, ask_for_time
from .arriving import Arriving
from .buttons import HallButtons
from .checking import RoomCheck
from .child import Begin, Child
from .commands import UnknownVerb
from .control import Control
from .desired import Desired
from .devices import Devices
from .fingerprints import SERIAL, look, sysfs
from .generation import Generation
from .hall import Hall
from .hall_answers import HallAnswers
from .hall_controls import HallControls
from .health import clock_trusted, measure
from .janus_line import JanusLine
from .link import Link, first
from .media_process import MediaProcess
from .orders import Orders
from .outbox import Outbox
from .renewal import Renewal
from .room import Room
from .screen_process import ScreenProcess
from .sending import Sending
from .shared import Shared
from .state_folder import Identity, StateFolder, write_atomically
from .store import Store
from .supervise import supervise
from .television import HallTelevision
from .tls import towards_coordinator
from .trials import Trials
from .updates import Updates

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Programs:
    """How the other two processes are started; the screen gets `--width` and `--height` besides.

    With `begin=Service.reach` a service manager starts them, and has the command lines.
    """

    screen: Sequence[str] = (sys.executable, "-m", "diemcau_agent.screen")
    media: Sequence[str] = (sys.executable, "-m", "diemcau_agent.media")
    begin: Begin = Child.start


class Unit:
    """One unit at work on a screen that runs already. Make it inside a running event loop."""

    def __init__(
        self,
        folder: StateFolder,
        identity: Identity,
        screen: ScreenProcess,
        *,
        programs: Programs,
        restart: bool,
        chance: Callable[[], float],
    ) -> None:
        self._folder, self._identity, self._chance = folder, identity, chance
        self.boot_id = uuid.uuid4().hex
        self._version = importlib.metadata.version("diemcau-agent")
        self._health_seq = 0
        self._clock_wrong = False
        self._interval_changed = asyncio.Event()
        self._desired = Desired(Store(folder.desired, identity.unit), identity.unit)
        self._outbox = Outbox(folder.outbox, identity.unit, self.boot_id)
        visit = self._outbox.unfinished_visit()
        self._link = Link(
            identity,
            state=self._state,
            connected=self._connected,
            chance=chance,
            clock_trusted=self._clock_trusted,
        )
        self._sending = Sending(self._outbox, self._link)
        self._generation = Generation(folder.generation)

        def tls() -> ssl.SSLContext:
            return towards_coordinator(identity, clock_trusted=self._clock_trusted())

        self._janus_line = JanusLine(folder.janus_line, tls, shared=folder.services is not None)
        self._screen = screen
        self._renewal = Renewal(folder, self._link, heard=self._renewed, chance=chance)
        self._joins, self._counted = 0, ""
        self._marks = look(folder.root, sysfs(), SERIAL)
        self._media = MediaProcess(
            programs.media,
            folder.media_socket,
            heard=lambda line: self._hall.media_heard(line),
            ended=lambda why, text: self._hall.media_ended(why, text),
            begin=programs.begin,
            line=self._janus_line,
        )
        session = Session(
            chance=chance,
            restart=restart,
            visit=Visit(*visit) if visit else None,
            declined=self._outbox.declined(),
            controls=Controls(self._outbox.local_controls()),
        )
        self.television = HallTelevision(
            folder.run / "television_on",
            control=lambda: config.television.control if (config := self._desired.config) else "none",
            want=lambda: want(session, self._desired.meetings, _now()),
            record=self._record,
        )
        self._hall = Hall(
            folder,
            identity.unit,
            self._desired,
            session,
            self._screen,
            self._media,
            RoomCheck(
                Room(folder, lambda: self._desired.config, self._link, self._screen, self.television),
                self._media,
                heard=lambda line: self._hall.media_heard(line),
                record=lambda kind, data: self._record(kind, None, data),
                says=lambda what: self._hall.check_is_at(what),
                media_over=lambda: self._hall.check_media_over(),
            ),
            record=self._record,
            linked=lambda: self._link.nonce is not None,
            changed=self._report_session,
            hardware=f"{self._marks.media}-{self._marks.box}",
        )
        trials = Trials(
            self._media,
            lambda: self._desired.config,
            occupied=lambda: self._hall.occupied,
            announce=self._hall.announce_picture,
            over=self._hall.trial_over,
        )
        controls = HallControls(
            self._hall,
            trials,
            lambda: config.sound.output if (config := self._desired.config) else "none",
        )
        self._buttons = HallButtons(
            lambda: config.buttons.source if (config := self._desired.config) else "auto", controls.press
        )
        self._devices = Devices(
            config=lambda: self._desired.config,
            record=self._record,
            changed=self._devices_changed,
            plugged=lambda _: self._hall.plugged(),
        )
        self._orders = Orders(
            folder,
            identity.unit,
            self._desired,
            self._hall,
            self._screen,
            self._link,
            trials,
            self._devices,
            tls,
        )
        self._shared = Shared(
            folder,
            identity,
            self._version,
            self._desired,
            in_meeting=lambda: session.meeting.id if session.attending and session.meeting else None,
            over=lambda: session.over,
            checking_until=lambda: running.until if (running := session.checks.running) else None,
            clock_ok=self._clock_trusted,
        )
        self._updates = Updates(
            folder,
            self._version,
            self._shared,
            ask_check=lambda: self._hall.ask_check(AskedBy.UPDATE),
            check_done=lambda: self._hall.check_done(),
            readiness=lambda: self._hall.readiness,
            record=self._record,
        )
        answers = HallAnswers(self.status, self._hall, self._screen, controls, self._devices)
        self._control = Control(folder.unit_socket, answers.by_request)
        self._arriving = Arriving(
            folder,
            ask_check=lambda: self._hall.ask_check(AskedBy.HALL),
            configured=lambda: self._desired.config is not None,
        )
        screen.serve(
            lambda: [*programs.screen, *([] if folder.services else self._screen_size())],
            self._hall.screen_ended,
            self._arriving.over,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, or the controller has let this unit go; then leave in order: meeting,
        line, processes."""
        _keep_boot_id(self._folder, self.boot_id)
        self._record(EventKind.BOOTED, None, {"version": self._version})
        services = {
            "media": self._media.run,
            "hall": self._hall.run,
            "television": self.television.run,
            "devices": self._devices.run,
            "buttons": self._buttons.run,
            "link": self._link.run,
            "line to Janus": self._janus_line.run,
            "messages": self._messages,
            "sending": self._sending.run,
            "health": self._health,
            "control": self._control.run,
            "renewal": self._renewal.run,
            "arriving": self._arriving.run,
            "shared": self._shared.run,
            "updates": self._updates.run,
        }
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(supervise(name, service, self._chance), name=name)
                for name, service in services.items()
            ]
            await first(None, stop, self._renewal.gone)
            log.info("leaving")
            await self._hall.leave()
            self._sending.now()
            await self._link.goodbye()
            for task in tasks:
                task.cancel()
        self._outbox.close()

    def status(self) -> Line:
        """What `diemcau-agent status --json` prints."""
        session = self._hall.reported(_now())
        children = [child for child in (self._screen.child, self._media.child) if child is not None]
        readiness, local = self._hall.readiness, self._hall.local
        return {
            "unit": self._identity.unit,
            "site": self._desired.site,
            "epoch": self._desired.epoch,
            "version": self._version,
            "boot_id": self.boot_id,
            "link": self._link.nonce is not None,
            "rev": self._desired.revisions,
            "session": {
                "meeting": session.meeting,
                "state": session.state.value,
                "slots": [slot.model_dump() for slot in session.slots],
                "mic": session.mic.value,
            },
            "processes": [
                {"role": "unit", "pid": os.getpid()},
                *({"role": child.role, "pid": child.pid} for child in children),
            ],
            "outbox": {"pending": self._outbox.pending()},
            "refused": self._refused(),
            "local": {"muted": local.muted, "stopped": local.stopped, "hand": local.hand},
            "keypad": self._buttons.why or "open",
            "devices": {"found": len(self._devices.found), "failed": dict(self._devices.failed)},
            "readiness": {"verdict": readiness.verdict.value, "instruction": readiness.instruction},
            "checking": self._hall.checking,
        }

    # ── services ─────────────────────────────────────────────────────────────────────────────────

    async def _messages(self) -> None:
        while True:
            channel, message = await self._link.inbox.take()
            try:
                self._take(message)
            except Exception:  # one message must not stop the others
                log.exception("message failed", extra={"channel": channel.value})

    def _take(self, message: object) -> None:
        if isinstance(message, Ruled) and not self._generation.takes(message.generation):
            log.warning("a message of an earlier controller", extra={"generation": message.generation})
            if isinstance(message, Command):
                self._orders.refuse(message, "generation")
            return
        match message:
            case DesiredConfig() | DesiredSchedule():
                if self._desired.take(message):
                    self._hall.desired_changed()
                    self._shared.look()
                    self._buttons.changed()
                    self._interval_changed.set()
                self._report_desired()
                if isinstance(message, DesiredConfig):
                    self._link.announce()
            case Floor():
                self._hall.floor(message)
            case Receipt():
                self._sending.receipt(message.streams)
            case Command() | UnknownVerb():
                self._orders.take(message)

    async def _health(self) -> None:
        while True:
            if self._desired.settle():
                self._report_desired()
            measured = measure(self._folder.root)
            self._health_seq += 1
            interval_s = self._desired.config.health_interval_s if self._desired.config else 10.0
            health = Health(
                unit=self._identity.unit,
                boot_id=self.boot_id,
                seq=self._health_seq,
                at=_now(),
                interval_s=interval_s,
                cpu_percent=measured.cpu_percent,
                memory_percent=measured.memory_percent,
                disk_free_bytes=measured.disk_free_bytes,
                temperature_c=measured.temperature_c,
                uptime_s=measured.uptime_s,
                link_rtt_ms=self._link.rtt_ms,
                outbox_pending=self._outbox.pending(),
                clock_trusted=clock_trusted(self._folder.root),
                refused=self._refused(),
            )
            self._link.publish(Channel.HEALTH, health)
            self._interval_changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(interval_s):
                    await self._interval_changed.wait()

    # ── what goes out ────────────────────────────────────────────────────────────────────────────

    def _state(self, status: Presence, nonce: str) -> State:
        return State(
            unit=self._identity.unit,
            status=status,
            site=self._desired.site,
            epoch=self._desired.epoch,
            boot_id=self.boot_id,
            nonce=nonce,
            version=self._version,
            join_count=None if status is Presence.LOST else self._count(nonce),
            media=self._marks.media,
            box=self._marks.box,
            at=_now(),
        )

    def _count(self, nonce: str) -> int:
        """The number of this connection."""
        if nonce != self._counted:
            self._counted, self._joins = nonce, joins.count(self._folder.joins)
        return self._joins

    def _renewed(self, said: Line) -> None:
        """What the controller answered about who we are: its time, its generation."""
        ahead_s, generation = said.get("ahead_s"), said.get("generation")
        if isinstance(ahead_s, int | float) and not isinstance(ahead_s, bool):
            self._clock_wrong = abs(ahead_s) > CLOCK_OFF_S
            if self._clock_wrong:
                log.warning("the clock is wrong", extra={"ahead_s": ahead_s})
                ask_for_time(self._folder, ahead_s)
        if isinstance(generation, int) and not isinstance(generation, bool):
            self._generation.takes(generation)

    def _clock_trusted(self) -> bool:
        return not self._clock_wrong and clock_trusted(self._folder.root)

    def _connected(self) -> None:
        self._report_desired()
        self._report_session()
        self._report_devices()
        self._sending.connected()

    def _report_desired(self) -> None:
        for channel, report in self._desired.reported(_now()).items():
            self._link.publish(channel, report)

    def _report_session(self) -> None:
        self._shared.look()
        self._link.publish(Channel.REPORTED_SESSION, self._hall.reported(_now()))

    def _report_devices(self) -> None:
        if self._devices.looked:
            self._link.publish(Channel.REPORTED_DEVICES, self._devices.reported(self._identity.unit, _now()))

    def _devices_changed(self) -> None:
        self._report_devices()
        self._buttons.changed()

    def _record(self, kind: EventKind, meeting: str | None, data: dict[str, object]) -> None:
        event = self._outbox.append(kind, _now(), self._desired.site, meeting, data)
        log.info(
            "event", extra={"kind": kind.value, "seq": event.seq, "meeting": meeting, "site": event.site}
        )
        self._sending.appended()

    def _refused(self) -> dict[str, int]:
        """How often what was refused, by reason: at the border, as a command, as something outdated."""
        others = {
            "stale": self._desired.refused,
            "floor": self._hall.floors_refused,
            "receipt": self._outbox.receipts_refused,
            "generation": self._generation.refused,
            "line": self._screen.refused + self._media.refused + self._hall.refused,
        }
        counted = self._link.refused + self._orders.refused + self._renewal.refused + Counter(others)
        return {reason: count for reason, count in counted.items() if count}

    def _screen_size(self) -> list[str]:
        config = self._desired.config
        size = Screen() if config is None else config.screen
        return ["--width", str(size.width), "--height", str(size.height)]


def _keep_boot_id(folder: StateFolder, boot_id: str) -> None:
    try:
        write_atomically(folder.run / "boot_id", boot_id.encode())
    except OSError as error:
        log.error("the boot id cannot be stored", extra={"error": str(error)})


def _now() -> datetime:
    return datetime.now(UTC)
