"""The microphone at work: open only while this site has the floor, and encoded in a thread of its own."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

import av

from diemcau_agent.drivers.microphones import open_microphone

from .device import DeviceThread
from .opus import Encoder

_BACK_OFF_S = 2.0


class Listener(Protocol):
    """Who is told about the microphone, on the event loop."""

    def microphone_opened(self) -> None:
        """From now on the room is heard."""

    def microphone_closed(self) -> None:
        """The room is not heard any more."""

    def microphone_lost(self, text: str) -> None:
        """Nothing comes from it, why, and it will be tried again."""

    def sound(self, packet: av.Packet) -> None:
        """The next 20 ms, at their time in 48 kHz."""


class MicrophoneFeed:
    """Opens and closes a microphone as it is told; closed means closed: the source is let go."""

    def __init__(self, source: str, listener: Listener) -> None:
        self._source, self._listener = source, listener
        self._wanted = False
        self._changed = asyncio.Event()
        self.opened = False

    def set_open(self, wanted: bool) -> None:
        """Open or close it; sound read before closing and not sent yet is never sent."""
        if wanted is not self._wanted:
            self._wanted = wanted
            self._changed.set()

    async def run(self) -> None:
        """Do so until cancelled."""
        while True:
            if self._wanted:
                reason = await self._read_while_wanted()
                if reason is not None:
                    self._listener.microphone_lost(reason)
                    await self._wait(_BACK_OFF_S)
                    continue
            await self._wait(None)

    async def _read_while_wanted(self) -> str | None:
        """Why the microphone is lost; None when it is not wanted any more, or there is none."""
        thread = DeviceThread("microphone", self._work)
        thread.ended.add_done_callback(lambda _: self._changed.set())
        thread.start()
        try:
            while self._wanted and not thread.ended.done():
                await self._wait(None)
        finally:
            thread.abandon()
            self._close()
        return thread.ended.result() if thread.ended.done() and self._wanted else None

    async def _wait(self, timeout_s: float | None) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()

    def _open(self) -> None:
        self.opened = True
        self._listener.microphone_opened()

    def _close(self) -> None:
        if self.opened:
            self.opened = False
            self._listener.microphone_closed()

    def _take(self, packet: av.Packet) -> None:
        if self._wanted:
            self._listener.sound(packet)

    # in the thread

    def _work(self, thread: DeviceThread) -> None:
        microphone = open_microphone(self._source)
        if microphone is None:
            return
        try:
            encoder = Encoder()
            thread.tell(self._open)
            while not thread.abandoned:
                for packet in encoder.encode(microphone.read(), time.monotonic_ns() * 48 // 1_000_000):
                    self._hand_on(thread, packet)
        finally:
            microphone.close()

    def _hand_on(self, thread: DeviceThread, packet: av.Packet) -> None:
        thread.tell(lambda: self._take(packet))
