"""Trying a device because the page asks: a tone, a picture of the room. Only while nothing else has the hall,
only a picture the site allows, and never without telling the hall before the camera opens."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from diemcau_wire.messages import Camera, DesiredConfig, Sound
from pydantic import ValidationError

from diemcau_agent.ipc import Garbage, Line

from .lines import number, text
from .media_process import MediaProcess, NoAnswer

_T = TypeVar("_T")

NOTICE = timedelta(seconds=5)
TONE_LIMIT_S = 15.0
PICTURE_LIMIT_S = 20.0


class NotTried(Exception):
    """It could not be tried: `word` is stable (`commands.TEXTS`), the text says more."""

    def __init__(self, word: str, text: str = "") -> None:
        super().__init__(text)
        self.word, self.text = word, text


class Trials:
    """Tries devices of one hall. `occupied` says whether something has the hall; `announce` tells it when its
    camera opens for a picture, None: not any more; `over` that nothing is open for a trial now."""

    def __init__(
        self,
        media: MediaProcess,
        config: Callable[[], DesiredConfig | None],
        *,
        occupied: Callable[[], bool],
        announce: Callable[[datetime | None], None],
        over: Callable[[], None],
    ) -> None:
        self._media, self._config = media, config
        self._occupied, self._announce, self._over = occupied, announce, over
        self._waiting: asyncio.Task[None] | None = None
        self._busy = False

    @property
    def busy(self) -> bool:
        """True while something is being tried, or announced."""
        return self._busy

    def stop(self) -> None:
        """Somebody in the hall does not want it: no camera opens, one that is open is closed."""
        if self._waiting is not None:
            self._waiting.cancel()
        self._media.interrupt()

    async def tone(self, output: str | None) -> Line:
        """Play a tone on `output`, None: the configured one. Raises :class:`NotTried`."""
        sound = self._free().sound
        if output is not None:
            sound = _made(lambda: Sound(output=output, volume_percent=sound.volume_percent))
        if sound.output == "none":
            raise NotTried("device_failed", "no sound output is configured")
        return await self._ask({"type": "tone", "sound": sound.model_dump()}, "played", TONE_LIMIT_S)

    async def room_picture(self, camera: str | None) -> tuple[bytes, Line]:
        """A picture of the room by `camera`, None: the configured one: the JPEG, and what is said of it.

        Raises :class:`NotTried`.
        """
        config = self._free()
        if not config.privacy.room_pictures:
            raise NotTried("not_allowed")
        source = config.camera if camera is None else _made(lambda: Camera(source=camera))
        self._busy = True
        try:
            await self._notice()
            self._free(mine=True)
            question = {
                "type": "room_picture",
                "camera": source.model_dump(),
                "video": config.video.model_dump(),
            }
            answer = await self._ask(question, "taken", PICTURE_LIMIT_S)
        finally:
            self._busy = False
        try:
            jpeg = base64.b64decode(str(answer.pop("jpeg", "")), validate=True)
            return jpeg, {"width": number(answer, "width"), "height": number(answer, "height")}
        except (binascii.Error, Garbage) as error:
            raise NotTried("picture_failed", str(error)) from None

    async def _notice(self) -> None:
        """Tell the hall, and wait until it has had time to say no."""
        self._announce(datetime.now(UTC) + NOTICE)
        self._waiting = asyncio.create_task(asyncio.sleep(NOTICE.total_seconds()), name="notice")
        try:
            await asyncio.wait({self._waiting})
            if self._waiting.cancelled():
                raise NotTried("stopped")
        finally:
            self._waiting.cancel()
            self._waiting = None
            self._announce(None)

    async def _ask(self, question: Line, answered: str, limit_s: float) -> Line:
        mine, self._busy = self._busy, True
        try:
            answer = await self._media.ask(question, answered, limit_s)
        except NoAnswer as error:
            raise NotTried(
                "occupied" if error.why == "interrupted" else "device_failed", str(error)
            ) from None
        finally:
            self._busy = mine
            self._over()
        try:
            why, said = text(answer, "why", 40), text(answer, "text", 200)
        except Garbage as error:
            raise NotTried("device_failed", str(error)) from None
        if answer.get("ok") is not True:
            raise NotTried("device_failed", f"{why}: {said}" if why else said)
        return answer

    def _free(self, *, mine: bool = False) -> DesiredConfig:
        config = self._config()
        if config is None:
            raise NotTried("no_configuration")
        if self._occupied() or (self._busy and not mine):
            raise NotTried("occupied")
        return config


def _made(make: Callable[[], _T]) -> _T:
    try:
        return make()
    except ValidationError as error:
        raise NotTried("device_failed", str(error)[:200]) from None
