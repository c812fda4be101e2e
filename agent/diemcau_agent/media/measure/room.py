"""The part `room`: the way in, and media both ways. Values as `checks/room.py` judges them.

Nothing of the hall is sent: the picture is drawn, the sound is a tone. They go into the site's own check
room and are wanted back.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from typing import Any

import av
import numpy as np
from diemcau_wire.messages import Join, SiteInfo, Video

from diemcau_agent.drivers.microphones import BLOCK, RATE_HZ
from diemcau_agent.drivers.synthetic import SyntheticCamera

from .. import opus
from ..device import DeviceThread
from ..faults import Fault
from ..h264 import Encoder, now_tick
from ..janus import Janus, JanusLost, JanusRefused
from ..orders import Check
from ..publish import Publication
from ..room import Feed, way_in
from ..slots import PICTURES, VOICES
from ..subscribe import Subscription

TONE_HZ, TONE_DB = 440.0, -20.0
HEARD_DB = -45.0
VIDEO = Video(width=320, height=180, fps=10, bitrate_bps=200_000)
SEND_S, TAIL_S = 3.0, 0.6
LIMIT_S = 20.0
_KEY_EVERY = 10


async def room(order: Check) -> dict[str, Any] | None:
    """Try the next meeting's room and the check room; None when neither is known."""
    if order.join is None and order.check_room is None:
        return None
    try:
        async with asyncio.timeout(LIMIT_S):
            if order.join is not None and (refused := await _try_way_in(order, order.join)) is not None:
                return {"why": "refused", "text": refused[:200]}
            return {"joined": True} if order.check_room is None else await _loop(order, order.check_room)
    except TimeoutError:
        return {"why": "slow", "text": f"not there and back within {LIMIT_S:g} s"}
    except (JanusLost, JanusRefused, Fault) as error:
        return {"why": "lost", "text": str(error)[:200]}


async def _try_way_in(order: Check, join: Join) -> str | None:
    """Why this hall would not be let in; None when it would."""
    janus = await Janus.connect(join.url, order.ca, order.line)
    try:
        return await way_in(janus, await janus.attach(lambda _: None), join)
    finally:
        await janus.aclose()


async def _loop(order: Check, join: Join) -> dict[str, Any]:
    """Send for some seconds and count what comes back."""
    began = time.monotonic()
    janus = await Janus.connect(join.url, order.ca, order.line)
    sender = _Sender()
    publication = Publication(f"check-{secrets.token_hex(4)}", sender.want_key, lambda _: None)
    thread = DeviceThread("test picture", sender.work)
    subscription: Subscription | None = None
    try:
        await publication.enter(janus, join, "check", None)
        sender.publication = publication
        thread.start()
        own = await publication.publish()
        returned = _Returned()
        slots: list[Feed | None] = [None] * (PICTURES + VOICES)
        slots[0] = slots[PICTURES] = own
        subscription = await Subscription.open(janus, join, own, slots, returned)
        joined = time.monotonic()
        sent = publication.frames
        sender.want_key()
        await asyncio.sleep(SEND_S)
        sent = publication.frames - sent
        thread.abandon()
        await asyncio.sleep(TAIL_S)
        return {
            "joined": True,
            "join_ms": round((joined - began) * 1000),
            "pictures_sent": sent,
            "pictures_back": returned.pictures,
            "tone_back": returned.tone_db() > HEARD_DB,
            "tone_db": round(returned.tone_db(), 1),
        }
    finally:
        thread.abandon()
        if subscription is not None:
            await subscription.close()
        await publication.close()
        await janus.aclose()


class _Sender:
    """Draws and codes, in a thread; told to stop, it stops."""

    def __init__(self) -> None:
        self.publication: Publication | None = None
        self._key_wanted = True

    def want_key(self) -> None:
        """Make a key frame next."""
        self._key_wanted = True

    def work(self, thread: DeviceThread) -> None:
        """Send pictures and a tone in their time."""
        camera = SyntheticCamera(VIDEO, SiteInfo(id="check", name="check"))
        encoder, voice = Encoder(VIDEO.width, VIDEO.height, VIDEO), opus.Encoder()
        tone, sound_at = _tone(), time.monotonic_ns() * 48 // 1_000_000
        for number in itertools.count():
            if thread.abandoned:
                return
            key = self._key_wanted or number % _KEY_EVERY == 0
            self._key_wanted = False
            frame = camera.read()
            for packet in encoder.encode(frame, now_tick(), key=key):
                self._send(thread, packet, video=True)
            for _ in range(RATE_HZ // BLOCK // VIDEO.fps):
                for packet in voice.encode(next(tone), sound_at):
                    self._send(thread, packet, video=False)
                sound_at += BLOCK

    def _send(self, thread: DeviceThread, packet: av.Packet, *, video: bool) -> None:
        publication = self.publication
        assert publication is not None
        thread.tell(lambda: publication.send_video(packet) if video else publication.send_audio(packet))


class _Returned:
    """What comes back."""

    def __init__(self) -> None:
        self.pictures = 0
        self._sound: list[np.ndarray[Any, np.dtype[np.float64]]] = []

    def picture(self, source: Subscription, index: int, frame: av.VideoFrame) -> None:
        """A decoded picture."""
        self.pictures += 1

    def voice(self, source: Subscription, index: int, frame: av.AudioFrame) -> None:
        """Decoded sound: interleaved stereo, both sides the same."""
        samples = frame.to_ndarray()[0]
        step = max(1, frame.layout.nb_channels)
        self._sound.append(samples[::step].astype(np.float64) / 32768)

    def broken(self, source: Subscription) -> None:
        """Nothing more comes: the count says it."""

    def tone_db(self) -> float:
        """Level of the tone in what came back, dBFS."""
        heard = np.concatenate(self._sound) if self._sound else np.zeros(0)
        if heard.size < RATE_HZ // 4:
            return -120.0
        phase = np.exp(-2j * np.pi * TONE_HZ * np.arange(heard.size) / RATE_HZ)
        amplitude = 2 * abs(complex((heard * np.hanning(heard.size) * phase).sum())) / (heard.size / 2)
        return float(20 * np.log10(amplitude / np.sqrt(2) + 1e-6))


def _tone() -> Any:
    amplitude = 32768 * 10 ** (TONE_DB / 20) * np.sqrt(2)
    for start in itertools.count(step=BLOCK):
        at = np.arange(start, start + BLOCK) / RATE_HZ
        yield np.round(amplitude * np.sin(2 * np.pi * TONE_HZ * at)).astype(np.int16)
