"""An IP camera over ONVIF: where its streams are, its presets by name, a key frame on demand.

ONVIF Media Service Specification (GetProfiles, GetStreamUri, SetSynchronizationPoint) and PTZ Service
Specification (GetPresets, GotoPreset), through onvif-zeep-async, which is imported only when it is used.
Everything is bounded: a camera that does not answer costs a few seconds of a thread that nobody waits for.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import unicodedata
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from diemcau_wire.messages import Video

from .camera_lost import CameraLost, Why
from .rtsp import RtspCamera

log = logging.getLogger(__name__)

_ASK_S = 5.0
_REST_S = 60.0
_PORTS = {"onvif": 80, "http": 80, "https": 443}
_LARGEST = 1920 * 1080  # what a hall's line and screen can take
_SETUP = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}


@dataclass(frozen=True, slots=True)
class Address:
    """A camera's ONVIF service. Its text has no password."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    encrypted: bool = False

    @classmethod
    def parse(cls, source: str) -> Address:
        """From `onvif://user:password@host[:port]`, both %-encoded; `http` and `https` may stand for `onvif`.

        Raises :class:`CameraLost`.
        """
        try:
            parts = urlsplit(source)
            host, port = parts.hostname, parts.port or _PORTS[parts.scheme]
        except (ValueError, KeyError):
            host, port = None, 0
        if not host:
            raise CameraLost("an ONVIF camera is onvif://user:password@host[:port]", why="unsupported")
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(host, port, user, password, parts.scheme == "https")

    def __str__(self) -> str:
        return f"onvif://{self.host}:{self.port}"

    def let_into(self, uri: str) -> str:
        """An address the camera told us, with user and password."""
        parts = urlsplit(uri)
        host = parts.netloc.rpartition("@")[2]
        user = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@" if self.user else ""
        return urlunsplit(parts._replace(netloc=f"{user}{host}"))


@dataclass(frozen=True, slots=True)
class Profile:
    """A stream a camera offers."""

    token: str
    codec: str
    width: int
    height: int


def choose(profiles: Sequence[Profile], *, small: bool) -> Profile | None:
    """For the floor the largest H.264 up to 1920 x 1080, for the audience the smallest. Pure."""
    coded = sorted((p for p in profiles if p.codec == "H264"), key=lambda p: p.width * p.height)
    if not coded:
        return None
    if small:
        return coded[0]
    return ([p for p in coded if p.width * p.height <= _LARGEST] or coded[:1])[-1]


class OnvifDevice:
    """A connection to one camera. Every call raises :class:`CameraLost` within 5 s, or answers."""

    def __init__(self, address: Address) -> None:
        from onvif import ONVIFCamera

        self._address = address
        host = f"https://{address.host}" if address.encrypted else address.host
        self._camera = ONVIFCamera(
            host, address.port, address.user, address.password, no_cache=True, adjust_time=True
        )
        self._media: Any = None
        self._ptz: Any = None
        self.profiles: list[Profile] = []

    async def connect(self) -> None:
        """Learn which streams it offers."""
        await self._bounded(self._connect())

    async def presets(self) -> dict[str, str]:
        """Token by name, of the stream for the floor; empty for a camera that does not move."""
        presets: dict[str, str] = await self._bounded(self._presets(self._profile(small=False).token))
        return presets

    async def stream(self, *, small: bool) -> str:
        """The RTSP address of a stream, with user and password in it."""
        token = self._profile(small=small).token
        answer = await self._bounded(self._media.GetStreamUri({"StreamSetup": _SETUP, "ProfileToken": token}))
        uri = str(answer.Uri)
        if not uri.startswith(("rtsp://", "rtsps://")):
            raise CameraLost(f"{self._address}: offers no RTSP", why="unsupported")
        return self._address.let_into(uri)

    async def recall(self, preset: str) -> None:
        """Turn to a preset."""
        presets = await self.presets()
        token = presets.get(preset)
        if token is None:
            known = ", ".join(presets) or "none"
            raise CameraLost(f"{self._address}: no preset {preset!r}; it has: {known}", why="unsupported")
        main = self._profile(small=False).token
        await self._bounded(self._ptz.GotoPreset({"ProfileToken": main, "PresetToken": token}))

    async def key_frame(self, *, small: bool) -> None:
        """Have it send a key frame now."""
        token = self._profile(small=small).token
        await self._bounded(self._media.SetSynchronizationPoint({"ProfileToken": token}))

    async def close(self) -> None:
        """Hang up."""
        await self._camera.close()

    def _profile(self, *, small: bool) -> Profile:
        chosen = choose(self.profiles, small=small)
        if chosen is None:
            codecs = ", ".join(sorted({p.codec for p in self.profiles})) or "nothing"
            raise CameraLost(f"{self._address}: sends {codecs}; H.264 is needed", why="unsupported")
        return chosen

    async def _connect(self) -> None:
        await self._camera.update_xaddrs()
        self._media = await self._camera.create_media_service()
        self.profiles = [
            Profile(
                str(profile.token),
                str(coder.Encoding),
                int(coder.Resolution.Width),
                int(coder.Resolution.Height),
            )
            for profile in await self._media.GetProfiles() or []
            if (coder := profile.VideoEncoderConfiguration) is not None
        ]

    async def _presets(self, profile: str) -> dict[str, str]:
        if not any(space.endswith("/ptz/wsdl") for space in self._camera.xaddrs):
            return {}
        if self._ptz is None:
            self._ptz = await self._camera.create_ptz_service()
        presets = await self._ptz.GetPresets({"ProfileToken": profile}) or []
        return {_nfc(preset.Name or preset.token): str(preset.token) for preset in presets}

    async def _bounded(self, asking: Coroutine[Any, Any, Any]) -> Any:
        from aiohttp import ClientError
        from lxml.etree import LxmlError
        from onvif.exceptions import ONVIFError
        from zeep.exceptions import Error

        garbage = (ClientError, LxmlError, ONVIFError, Error, OSError, ValueError, TypeError, LookupError)
        try:
            async with asyncio.timeout(_ASK_S):
                return await asking
        except TimeoutError:
            raise CameraLost(f"{self._address}: does not answer", why="unreachable") from None
        except (*garbage, AttributeError) as error:
            text = f"{type(error).__name__}: {error}"[:300]
            raise CameraLost(f"{self._address}: {text}", why=_why(error)) from None


def _nfc(name: object) -> str:
    return unicodedata.normalize("NFC", str(name))


def _why(error: Exception) -> Why:
    from aiohttp import ClientConnectionError
    from onvif.exceptions import ONVIFAuthError
    from zeep.exceptions import Fault, TransportError

    if isinstance(error, ClientConnectionError | OSError):
        return "unreachable"
    words = str(error).lower()
    if isinstance(error, Fault):
        words += " ".join(str(code) for code in error.subcodes or []).lower()
    refused = isinstance(error, TransportError) and error.status_code in (401, 403)
    if refused or isinstance(error, ONVIFAuthError) or "authori" in words or "notauth" in words:
        return "refused"
    return "unsupported"


def open_onvif(source: str, video: Video, *, small: bool = False) -> RtspCamera:
    """Ask a camera where its stream is and open it; blocks up to 10 s. Raises :class:`CameraLost`."""
    address = Address.parse(source)

    async def ask() -> str:
        device = OnvifDevice(address)
        try:
            await device.connect()
            return await device.stream(small=small)
        finally:
            await device.close()

    return RtspCamera(asyncio.run(ask()), video)


class OnvifControl:
    """Asks a camera for presets and key frames, from a thread of its own that begins with the first wish.

    A wish that was not yet carried out gives way to the next of its kind. `tell` gets, in that thread, why
    one could not be. A camera that failed to give a key frame is not asked for one for a minute.
    """

    def __init__(self, source: str, tell: Callable[[str], None]) -> None:
        self._address, self._tell = Address.parse(source), tell
        self._wish = threading.Condition()
        self._preset: str | None = None
        self._key_frame: bool | None = None
        self._rests_until = 0.0
        self._closed = False
        self._thread: threading.Thread | None = None

    def recall(self, preset: str) -> None:
        """Turn to a preset soon."""
        with self._wish:
            self._preset = preset
            self._begin()

    def request_key_frame(self, *, small: bool) -> None:
        """Have a stream give a key frame soon."""
        with self._wish:
            if time.monotonic() >= self._rests_until:
                self._key_frame = small
                self._begin()

    def close(self) -> None:
        """Wish nothing more."""
        with self._wish:
            self._closed = True
            self._wish.notify()

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="onvif", daemon=True)
            self._thread.start()
        self._wish.notify()

    def _work(self) -> None:
        with asyncio.Runner() as runner:
            device: OnvifDevice | None = None
            while (wish := self._next()) is not None:
                if device is not None:  # it may have gone stale: then once more, with a fresh one
                    device = runner.run(self._carry_out(wish, device))
                if device is None:
                    device = runner.run(self._carry_out(wish, None))
            if device is not None:
                runner.run(device.close())

    def _next(self) -> str | bool | None:
        """The next wish: the name of a preset, or a key frame of the small stream or not; None at the end."""
        with self._wish:
            self._wish.wait_for(
                lambda: self._closed or self._preset is not None or self._key_frame is not None
            )
            if self._closed:
                return None
            if self._preset is not None:
                preset, self._preset = self._preset, None
                return preset
            key_frame, self._key_frame = self._key_frame, None
            return key_frame

    async def _carry_out(self, wish: str | bool, device: OnvifDevice | None) -> OnvifDevice | None:
        """Returns the connection for the next wish; None when this one failed, told if it was a fresh one."""
        connected = device or OnvifDevice(self._address)
        try:
            if device is None:
                await connected.connect()
            if isinstance(wish, str):
                await connected.recall(wish)
                log.info("camera turned to preset", extra={"preset": wish})
            else:
                await connected.key_frame(small=wish)
        except CameraLost as lost:
            await connected.close()
            if device is None:
                if not isinstance(wish, str):
                    self._rests_until = time.monotonic() + _REST_S
                self._tell(str(lost))
            return None
        return connected
