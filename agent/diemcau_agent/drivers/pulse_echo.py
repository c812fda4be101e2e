"""Taking the loudspeaker out of the microphone: WebRTC's canceller, as a filter inside the sound server.

PulseAudio's module-echo-cancel (PipeWire has it, too) records from the microphone as long as it is loaded,
and knows what the loudspeaker plays only of what is played through it. So it is loaded when a microphone
opens, what this process plays into the loudspeaker is led through it, and both are undone when it closes.
https://www.freedesktop.org/wiki/Software/PulseAudio/Documentation/User/Modules/#module-echo-cancel
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence

from . import pactl
from .pactl import SIDES, Node, SoundServerLost, Stream
from .pulse_watch import TAG

_NAME = "diemcau_echo"
_OURS = re.compile(rf"\b{_NAME}_(\d+)_")


class EchoCanceller:
    """The filter between a microphone and a loudspeaker, loaded. Raises :class:`SoundServerLost`."""

    def __init__(self, microphone: Node, speaker: Node) -> None:
        self._microphone, self._speaker = microphone, speaker
        self.source, sink = (f"{_ours()}{microphone.index}_{end}" for end in ("in", "out"))
        self._module = pactl.order(
            "load-module",
            "module-echo-cancel",
            "aec_method=webrtc",
            'aec_args="analog_gain_control=0 digital_gain_control=0"',
            f"source_master={microphone.name}",
            f"sink_master={speaker.name}",
            f"source_name={self.source}",
            f"sink_name={sink}",
            "channels=1",
            "use_volume_sharing=0",
        ).strip()
        try:
            _lead([stream for stream in pactl.streams("sink") if stream.node == speaker.index], sink)
        except SoundServerLost:
            self.close()
            raise

    def intact(self) -> bool:
        """Whether it is still between both: the server moves it as it moves any stream when a device goes.
        Raises :class:`SoundServerLost`."""
        ends = {
            (stream.side, stream.node)
            for side in SIDES
            for stream in pactl.streams(side)
            if stream.module == self._module
        }
        return ends == {("source", self._microphone.index), ("sink", self._speaker.index)}

    def close(self) -> None:
        """Lead what we play past it again, and unload it; a server that is gone has forgotten it."""
        with contextlib.suppress(SoundServerLost):
            _lead(pactl.streams("sink"), self._speaker.name)
        with contextlib.suppress(SoundServerLost):
            pactl.order("unload-module", self._module)


def lead_through(stream: Stream, speaker: Node) -> None:
    """Lead a stream into a loudspeaker through this process's filter, if there is one before it.
    Raises :class:`SoundServerLost`."""
    for sink in pactl.nodes("sink"):
        if sink.name.startswith(_ours()) and sink.master == speaker.name:
            ends = [one.node for one in pactl.streams("sink") if one.module == sink.module]
            if ends == [speaker.index]:
                _lead([stream], sink.name)


def forget_the_dead() -> None:
    """Unload what processes left behind that were killed: it would keep the microphone open.
    Raises :class:`SoundServerLost`."""
    for line in pactl.order("list", "short", "modules").splitlines():
        match = _OURS.search(line)
        if match is not None and not _lives(int(match[1])):
            pactl.order("unload-module", line.split("\t", 1)[0])


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def _ours() -> str:
    return f"{_NAME}_{os.getpid()}_"


def _lead(streams: Sequence[Stream], target: str) -> None:
    """Move those that this process plays to a sink."""
    for stream in streams:
        if stream.properties.get(TAG, "").startswith(f"{os.getpid()}-"):
            pactl.order("move-sink-input", str(stream.index), target)
