"""Microphones and loudspeakers of a sound server (PulseAudio, PipeWire), through PortAudio (`sounddevice`).

PortAudio knows the server as one ALSA device, `pulse`, whatever is plugged in. Which source or sink a stream
gets is said by two variables the server's library reads when the stream is made, `PULSE_SOURCE` and
`PULSE_SINK`: a name that is not there is refused, not replaced. What really opened is asked of the server
then, and followed as long as the stream is open: see :mod:`.pulse_watch`. The server resamples.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import os
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import sounddevice

from . import pactl, pulse_echo
from .lateness import MOST_S, Lateness
from .microphones import BLOCK, RATE_HZ, Block, MicrophoneLost
from .pactl import Node, Side, SoundServerLost, Stream
from .pulse_devices import PREFIX, look_up
from .pulse_echo import EchoCanceller
from .pulse_watch import TAG, StreamWatch, settle
from .sound_outputs import SoundLost

log = logging.getLogger(__name__)

_CAPTURE_S, _PLAYBACK_S = 0.04, 0.1
_PATIENCE_S, _POLL_S = 2.0, 0.005
_SKIP_S, _SAY_EVERY_S = 1.0, 60.0
_making = threading.Lock()  # PortAudio's start and the variables are the whole process's
_numbers = itertools.count(1)
_Lost = TypeVar("_Lost", MicrophoneLost, SoundLost)


class PulseMicrophone:
    """The source `name`; with `played_by`, a sound output's name, without what that one plays."""

    def __init__(self, name: str, *, played_by: str | None = None) -> None:
        node = _present("source", name, MicrophoneLost)
        self._echo = _canceller(node, played_by)
        self.echo_cancelled = self._echo is not None
        source = node.name if self._echo is None else self._echo.source
        self._lateness = Lateness(time.monotonic())
        self._dropped, self._said = 0, -math.inf
        try:
            self._stream = _Stream("source", source, node.name, MicrophoneLost, self._look)
        except MicrophoneLost:
            self._unload()
            raise

    @property
    def muted(self) -> bool:
        """Whether the server has muted it."""
        return self._stream.watch.muted

    def read(self) -> Block:
        """The next 20 ms; what waits is dropped first when the reader is late."""
        stream = self._stream
        try:
            self._wait()
            if self._lateness.seconds(time.monotonic()) > MOST_S:
                self._drop()
                self._wait()
            data, _ = stream.port.read(BLOCK)
        except sounddevice.PortAudioError as error:
            raise MicrophoneLost(f"{stream.name}: {error}") from error
        self._lateness.read(BLOCK)
        self._check()
        return np.frombuffer(data, np.int16)

    def close(self) -> None:
        """End the stream, then the echo canceller."""
        self._stream.close()
        self._unload()

    def _look(self, stream: Stream, node: Node) -> bool:
        return self._echo is None or self._echo.intact()

    def _unload(self) -> None:
        if self._echo is not None:
            self._echo.close()

    def _wait(self) -> None:
        """Until a block is there."""
        now = time.monotonic()
        deadline = now + _PATIENCE_S
        while self._stream.port.read_available < BLOCK:
            self._lateness.nothing_waits(now)
            self._check()
            if now > deadline:
                raise MicrophoneLost(f"{self._stream.name} gives no sound", "silent")
            time.sleep(_POLL_S)
            now = time.monotonic()

    def _drop(self) -> None:
        """Read what waits and forget it. It comes in pieces of 60 ms, each at once."""
        port, began = self._stream.port, time.monotonic()
        while (waiting := port.read_available) >= BLOCK and time.monotonic() < began + _SKIP_S:
            port.read(waiting)
            self._lateness.read(waiting)
            self._dropped += waiting
        if began > self._said + _SAY_EVERY_S:
            seconds = self._dropped / RATE_HZ
            log.warning(
                "%s: %.1f s of its sound dropped, or it would be heard late", self._stream.name, seconds
            )
            self._dropped, self._said = 0, began

    def _check(self) -> None:
        if self._stream.watch.lost:
            raise MicrophoneLost(f"{self._stream.name}: {self._stream.watch.lost}")


class PulseOutput:
    """The sink `name`, set to `volume_percent` first unless that is None."""

    def __init__(self, name: str, volume_percent: int | None = None) -> None:
        node = _present("sink", name, SoundLost)
        if volume_percent is not None:
            try:
                pactl.order("set-sink-volume", node.name, f"{volume_percent}%")
            except SoundServerLost as error:
                raise SoundLost(str(error)) from error
        self._stream = _Stream("sink", node.name, node.name, SoundLost, self._look)

    @property
    def muted(self) -> bool:
        """Whether the server has muted it."""
        return self._stream.watch.muted

    def write(self, block: Block) -> None:
        """Play 20 ms when there is room for it."""
        stream = self._stream
        deadline = time.monotonic() + _PATIENCE_S
        try:
            while stream.port.write_available < BLOCK:
                self._check()
                if time.monotonic() > deadline:
                    raise SoundLost(f"{stream.name} takes no sound")
                time.sleep(_POLL_S)
            stream.port.write(block.tobytes())
        except sounddevice.PortAudioError as error:
            raise SoundLost(f"{stream.name}: {error}") from error
        self._check()

    def close(self) -> None:
        """End the stream, when what is waiting has been played."""
        if not self._stream.watch.lost:
            time.sleep(_PLAYBACK_S + _POLL_S)
        self._stream.close()

    @staticmethod
    def _look(stream: Stream, node: Node) -> bool:
        """What plays past the echo canceller, as after an underrun, is led through it."""
        if node.master is None:
            with contextlib.suppress(SoundServerLost):  # the filter has just gone
                pulse_echo.lead_through(stream, node)
        return True

    def _check(self) -> None:
        if self._stream.watch.lost:
            raise SoundLost(f"{self._stream.name}: {self._stream.watch.lost}")


class _Stream:
    """A stream to or from `node`, which is `device` itself or a filter of it: made, looked at, followed."""

    errors = (MicrophoneLost, SoundLost)
    watch: StreamWatch

    def __init__(
        self,
        side: Side,
        node: str,
        device: str,
        lost: type[_Lost],
        look_too: Callable[[Stream, Node], bool],
    ) -> None:
        self.name: str = device
        tag = f"{os.getpid()}-{next(_numbers)}"
        try:
            self.port = _make(side, node, tag)
        except sounddevice.PortAudioError as error:
            raise lost(f"{device} cannot be opened: {error}", "busy") from error
        try:
            found = settle(side, tag)
            if found is None:
                raise lost(f"{device}: the stream cannot be found in the sound server", "lost")
            if found[1].name != node:
                raise lost(f"{found[1].name} opened in place of {device}", "substituted")
            self.watch = StreamWatch(side, tag, device, look_too)
        except SoundServerLost as error:
            self._end()
            raise lost(str(error)) from error
        except self.errors:
            self._end()
            raise

    def close(self) -> None:
        """End it."""
        self.watch.close()
        self._end()

    def _end(self) -> None:
        try:
            self.port.abort(ignore_errors=True)
        finally:
            self.port.close(ignore_errors=True)


def _present(side: Side, name: str, lost: type[_Lost]) -> Node:
    """The node of a configured device, asked of the server."""
    try:
        pulse_echo.forget_the_dead()
        node = look_up(side, name)
    except SoundServerLost as error:
        raise lost(str(error), "missing") from error
    if node is None:
        raise lost(f"{name} is not there", "missing")
    return node


def _canceller(microphone: Node, played_by: str | None) -> EchoCanceller | None:
    """The echo canceller between both; None when there is no such loudspeaker, or the server has none."""
    if played_by is None or not played_by.startswith(PREFIX):
        return None
    try:
        speaker = look_up("sink", played_by)
        return EchoCanceller(microphone, speaker) if speaker is not None else None
    except SoundServerLost:
        return None


def _make(side: Side, node: str, tag: str) -> Any:
    """A running stream of PortAudio's. Raises PortAudioError."""
    variable, make, latency = (
        ("PULSE_SOURCE", sounddevice.RawInputStream, _CAPTURE_S)
        if side == "source"
        else ("PULSE_SINK", sounddevice.RawOutputStream, _PLAYBACK_S)
    )
    with _making:
        os.environ[variable] = node
        # PipeWire moves no stream with the second; PulseAudio does not know it
        os.environ["PULSE_PROP"] = f"{TAG}={tag} node.dont-reconnect=true"
        try:
            stream = make(
                device=_server(),
                samplerate=RATE_HZ,
                channels=1,
                dtype="int16",
                blocksize=BLOCK,
                latency=latency,
            )
            stream.start()
        finally:
            os.environ.pop(variable, None)
            os.environ.pop("PULSE_PROP", None)
    return stream


def _server() -> int:
    """PortAudio's number of the sound server. When there was none as it looked first, it looks again."""
    for attempt in range(2):
        for number, device in enumerate(sounddevice.query_devices()):
            if device["name"] == "pulse":
                return number
        if attempt == 0:
            sounddevice._terminate()
            sounddevice._initialize()
    raise sounddevice.PortAudioError("PortAudio does not know the sound server: is libasound2-plugins there?")
