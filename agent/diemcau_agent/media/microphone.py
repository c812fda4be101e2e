"""The microphone at work: open only while this site has the floor, and encoded in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Protocol

import av
import numpy as np

from diemcau_agent.drivers.microphones import Block, Microphone, open_microphone

from .device import DeviceThread
from .mixing import SILENCE_DB, decibels
from .opus import Encoder

_BACK_OFF_S = 2.0
_OPEN_S, _HANG_S = 12.0, 3.0
_LET_GO_S = 1.0


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
    """Opens and closes a microphone as it is told; closed means closed: the source is let go.

    With `echo_cancellation` what the sound output `output` plays is taken out of it. `why` is the word of the
    last loss.
    """

    def __init__(
        self, source: str, listener: Listener, *, echo_cancellation: bool = False, output: str = "none"
    ) -> None:
        self._source, self._listener = source, listener
        self._echo_cancellation, self._output = echo_cancellation, output
        self._wanted = False
        self._changed = asyncio.Event()
        self._microphone: Microphone | None = None
        self._blocks = 0
        self._power = self._measured = 0.0
        self.opened = False
        self.why = ""

    @property
    def muted(self) -> bool:
        """Whether it is open and the sound server has muted it."""
        microphone = self._microphone
        try:
            return self.opened and microphone is not None and microphone.muted
        except OSError:  # lost, which its next block says
            return False

    @property
    def echo_cancelled(self) -> bool:
        """Whether it is open and the loudspeaker is taken out of it."""
        return self.opened and self._microphone is not None and self._microphone.echo_cancelled

    def level_db(self) -> float:
        """Effective level since the last call, dB relative to full scale; -100 for silence or when closed."""
        power, measured = self._power, self._measured
        self._power = self._measured = 0.0
        return decibels(power / measured) if measured else SILENCE_DB

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
        gone = asyncio.Event()
        loop = asyncio.get_running_loop()
        thread = DeviceThread("microphone", lambda thread: self._work(thread, loop, gone))
        thread.ended.add_done_callback(lambda _: self._changed.set())
        thread.start()
        try:
            while self._wanted and not thread.ended.done():
                seen, patience_s = self._blocks, _HANG_S if self.opened else _OPEN_S
                if not await self._wait(patience_s) and self._blocks == seen:
                    self.why = "silent"
                    return f"the microphone has given no sound for {patience_s:g} s"
        finally:
            thread.abandon()
            await self._let_go(gone)
            self._close()
        if not thread.ended.done() or not self._wanted:
            return None
        self.why = thread.why
        return thread.ended.result()

    @staticmethod
    async def _let_go(gone: asyncio.Event) -> None:
        """Wait until the driver has let the device go; one that hangs is left to itself."""
        try:
            async with asyncio.timeout(_LET_GO_S):
                await gone.wait()
        except TimeoutError:
            return

    async def _wait(self, timeout_s: float | None) -> bool:
        """Whether something has changed within that time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True

    def _open(self) -> None:
        self.opened = True
        self._listener.microphone_opened()

    def _close(self) -> None:
        if self.opened:
            self.opened = False
            self._listener.microphone_closed()

    def _take(self, block: Block, packets: list[av.Packet]) -> None:
        self._blocks += 1
        self._power += float(np.square(block.astype(np.float32)).mean())
        self._measured += 1
        if self._wanted:
            for packet in packets:
                self._listener.sound(packet)

    # in the thread

    def _work(self, thread: DeviceThread, loop: asyncio.AbstractEventLoop, gone: asyncio.Event) -> None:
        try:
            self._read(thread)
        finally:
            with contextlib.suppress(RuntimeError):  # the event loop has ended before the driver came back
                loop.call_soon_threadsafe(gone.set)

    def _read(self, thread: DeviceThread) -> None:
        microphone = open_microphone(
            self._source, echo_cancellation=self._echo_cancellation, output=self._output
        )
        if microphone is None:
            return
        try:
            self._microphone = microphone
            encoder = Encoder()
            thread.tell(self._open)
            while not thread.abandoned:
                block = microphone.read()
                packets = encoder.encode(block, time.monotonic_ns() * 48 // 1_000_000)
                self._hand_on(thread, block, packets)
        finally:
            microphone.close()

    def _hand_on(self, thread: DeviceThread, block: Block, packets: list[av.Packet]) -> None:
        thread.tell(lambda: self._take(block, packets))
