"""What a unit does at once when it is told to: one method per verb, an answer within two seconds, but of
trials."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from diemcau_wire import Channel
from diemcau_wire.messages import Ack, Command, Verb

from .commands import TEXTS, Admission, UnknownVerb
from .daemon_thread import in_daemon_thread
from .desired import Desired
from .devices import Devices
from .dialling import CannotDial, ask_to_dial
from .hall import Hall
from .link import Link
from .picture import UploadError, put
from .screen_process import ScreenProcess
from .state_folder import StateFolder
from .trials import NotTried, Trials

log = logging.getLogger(__name__)

ANSWER_S = 1.5
AT_A_TIME = 4
ANNOUNCE_EVERY_S = 5

Result = dict[str, Any]
ANSWERED_LATE = frozenset({Verb.TONE, Verb.ROOM_PICTURE, Verb.FIND_DEVICES})
"""What is answered when it is done, within 40 s: somebody is waiting for whether it could be."""


class NotDone(Exception):
    """The order cannot be carried out: `word` is stable (`commands.TEXTS`), the text says more."""

    def __init__(self, word: str, text: str = "") -> None:
        super().__init__(word)
        self.word, self.text = word, text or TEXTS[word]


class Orders:
    """Carries out commands and acknowledges them. `refused` counts those not admitted, by stable word; `tls`
    makes the context in which pictures are sent."""

    def __init__(
        self,
        folder: StateFolder,
        unit: str,
        desired: Desired,
        hall: Hall,
        screen: ScreenProcess,
        link: Link,
        trials: Trials,
        devices: Devices,
        tls: Callable[[], ssl.SSLContext],
    ) -> None:
        self._tls = tls
        self._folder, self._unit, self._desired = folder, unit, desired
        self._hall, self._screen, self._link = hall, screen, link
        self._trials, self._devices = trials, devices
        self._admission = Admission()
        self.refused: Counter[str] = Counter()
        self._announced = 0.0
        self._running: set[asyncio.Task[None]] = set()
        self._verbs: dict[Verb, Callable[[Command], Awaitable[Result]]] = {
            Verb.PING: self._ping,
            Verb.PREFLIGHT: self._preflight,
            Verb.PICTURE: self._picture,
            Verb.RESTART_MEDIA: self._restart_media,
            Verb.RESTART_SCREEN: self._restart_screen,
            Verb.DECLINE: self._decline,
            Verb.RING: self._ring,
            Verb.TONE: self._tone,
            Verb.ROOM_PICTURE: self._room_picture,
            Verb.POSTPONE_CHECK: self._postpone_check,
            Verb.FIND_DEVICES: self._find_devices,
            Verb.REACH: self._reach,
        }

    def take(self, command: Command | UnknownVerb) -> None:
        """Carry out `command` and answer it; one that is refused is answered too."""
        nonce = self._link.nonce
        refusal = self._admission.refusal(command, epoch=self._desired.epoch, nonce=nonce)
        if refusal is not None or isinstance(command, UnknownVerb):
            word = refusal or "unknown_verb"
            self.refused[word] += 1
            log.warning("command refused", extra={"id": command.id, "error": word})
            self._answer(command.id, ok=False, error=word, text=TEXTS[word])
            if word == "foreign_connection":
                self._announce()
            return
        if len(self._running) >= AT_A_TIME and command.verb is Verb.PICTURE:
            self._answer(command.id, ok=False, error="picture_failed", text="Too many pictures at a time.")
            return
        task = asyncio.create_task(self._carry_out(command), name=f"command {command.verb}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def refuse(self, command: Command, word: str) -> None:
        """Answer a command that is not carried out, with one of the stable words."""
        log.warning("command refused", extra={"id": command.id, "error": word})
        self._answer(command.id, ok=False, error=word, text=TEXTS[word])

    def _announce(self) -> None:
        """Whoever speaks to an earlier connection is told of the present one, now and then."""
        now = time.monotonic()
        if now - self._announced >= ANNOUNCE_EVERY_S:
            self._announced = now
            self._link.announce()

    async def _carry_out(self, command: Command) -> None:
        log.info("command", extra={"id": command.id, "verb": command.verb.value})
        work = asyncio.create_task(self._work(command), name=f"work {command.verb}")
        done, _ = await asyncio.wait({work}, timeout=ANSWER_S)
        if not done:
            if command.verb not in ANSWERED_LATE:  # it goes on; what comes of it is in the log and in events
                self._answer(command.id, ok=True, result={"under_way": True})
            await work
            if command.verb not in ANSWERED_LATE:
                return
        error, result = work.result()
        if error is None:
            self._answer(command.id, ok=True, result=result)
        else:
            self._answer(command.id, ok=False, error=error.word, text=error.text)

    async def _work(self, command: Command) -> tuple[NotDone | None, Result]:
        verb = self._verbs.get(command.verb)
        if verb is None:
            return NotDone("unknown_verb"), {}
        try:
            return None, await verb(command)
        except NotDone as error:
            log.warning("command not done", extra={"id": command.id, "error": error.word, "text": error.text})
            return error, {}
        except Exception as error:
            log.exception("command failed", extra={"id": command.id})
            return NotDone("internal", f"{type(error).__name__}: {error}"[:200]), {}

    async def _ping(self, command: Command) -> Result:
        return {}

    async def _preflight(self, command: Command) -> Result:
        refused = self._hall.ask_check()
        if refused is not None:
            raise NotDone(refused)
        return {"under_way": True}

    async def _picture(self, command: Command) -> Result:
        upload = self._desired.config.upload if self._desired.config else None
        if upload is None:
            raise NotDone("no_upload")
        picture = self._folder.run / f"picture-{abs(hash(command.id)):x}.png"
        try:
            taken = await self._screen.snapshot(picture)
            if taken.get("ok") is not True:
                raise NotDone("picture_failed", str(taken.get("error", ""))[:300])
            size = await in_daemon_thread(lambda: put(picture.read_bytes(), upload, self._tls()))
        except (UploadError, OSError) as error:
            raise NotDone("picture_failed", str(error)) from None
        finally:
            picture.unlink(missing_ok=True)
        return {"bytes": size, "width": taken.get("width"), "height": taken.get("height")}

    async def _restart_media(self, command: Command) -> Result:
        refused = self._hall.restart_media()
        if refused is not None:
            raise NotDone(refused)
        return {}

    async def _restart_screen(self, command: Command) -> Result:
        self._screen.renew()
        return {}

    async def _decline(self, command: Command) -> Result:
        refused = self._hall.decline(str(command.args.get("meeting", "")))
        if refused is not None:
            raise NotDone(refused)
        return {}

    async def _ring(self, command: Command) -> Result:
        refused = self._hall.ring_again(str(command.args.get("meeting", "")))
        if refused is not None:
            raise NotDone(refused)
        return {}

    async def _tone(self, command: Command) -> Result:
        try:
            await self._trials.tone(_source(command, "output"))
        except NotTried as error:
            raise NotDone(error.word, error.text) from None
        return {}

    async def _room_picture(self, command: Command) -> Result:
        upload = self._desired.config.upload if self._desired.config else None
        if upload is None:
            raise NotDone("no_upload")
        camera = _source(command, "camera")
        try:
            jpeg, said = await self._trials.room_picture(camera)
            where = f"{upload.url.rpartition('/')[0]}/room-picture?{urlencode({'camera': camera or ''})}"
            to = upload.model_copy(update={"url": where})
            size = await in_daemon_thread(lambda: put(jpeg, to, self._tls(), "image/jpeg"))
        except NotTried as error:
            raise NotDone(error.word, error.text) from None
        except UploadError as error:
            raise NotDone("picture_failed", str(error)) from None
        return {"bytes": size, **said}

    async def _postpone_check(self, command: Command) -> Result:
        refused = self._hall.postpone_check()
        if refused is not None:
            raise NotDone(refused)
        return {}

    async def _find_devices(self, command: Command) -> Result:
        return {"found": len(await self._devices.look(asked=True))}

    async def _reach(self, command: Command) -> Result:
        try:
            ask_to_dial(self._folder, command.args.get("for_s"))
        except CannotDial as error:
            raise NotDone(str(error)) from None
        return {}

    def _answer(
        self, id: str, *, ok: bool, error: str | None = None, text: str = "", result: Result | None = None
    ) -> None:
        ack = Ack(
            unit=self._unit,
            id=id,
            ok=ok,
            error=error,
            text=text,
            result=result or {},
            at=datetime.now(UTC),
        )
        if not self._link.publish(Channel.ACK, ack):
            log.warning("acknowledgement not sent", extra={"id": id})


def _source(command: Command, name: str) -> str | None:
    """The device that a command names; None: the one of the configuration."""
    value = command.args.get(name)
    return value if isinstance(value, str) and value else None
