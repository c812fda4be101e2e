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
from pathlib import Path

from . import pactl
from .pactl import Node, SoundServerLost
from .pulse_watch import TAG

_NAME = "diemcau_echo"
_OURS = re.compile(rf"\b{_NAME}_(\d+)_")


class EchoCanceller:
    """The filter between a microphone and a loudspeaker, loaded. Raises :class:`SoundServerLost`."""

    def __init__(self, microphone: Node, speaker: Node) -> None:
        name = f"{_NAME}_{os.getpid()}_{microphone.index}"
        self._speaker = speaker.name
        self.source, self._sink = f"{name}_in", f"{name}_out"
        self._module = pactl.order(
            "load-module",
            "module-echo-cancel",
            "aec_method=webrtc",
            'aec_args="analog_gain_control=0 digital_gain_control=0"',
            f"source_master={microphone.name}",
            f"sink_master={speaker.name}",
            f"source_name={self.source}",
            f"sink_name={self._sink}",
            "channels=1",
            "use_volume_sharing=0",
        ).strip()
        try:
            self._lead(self._speaker, self._sink)
        except SoundServerLost:
            self.close()
            raise

    def close(self) -> None:
        """Lead what we play past it again, and unload it; a server that is gone has forgotten it."""
        with contextlib.suppress(SoundServerLost):
            self._lead(self._sink, self._speaker)
        with contextlib.suppress(SoundServerLost):
            pactl.order("unload-module", self._module)

    @staticmethod
    def _lead(origin: str, target: str) -> None:
        """Move what this process plays from one sink to another."""
        index = next((node.index for node in pactl.nodes("sink") if node.name == origin), None)
        for stream in pactl.streams("sink"):
            if stream.node == index and stream.properties.get(TAG, "").startswith(f"{os.getpid()}-"):
                pactl.order("move-sink-input", str(stream.index), target)


def way_to(speaker: Node) -> str:
    """The name of the sink through which this process plays into a loudspeaker now: its own, or the filter's.
    Raises :class:`SoundServerLost`."""
    ours = f"{_NAME}_{os.getpid()}_"
    sinks = pactl.nodes("sink")
    filters = (sink.name for sink in sinks if sink.name.startswith(ours) and sink.master == speaker.name)
    return next(filters, speaker.name)


def forget_the_dead() -> None:
    """Unload what processes left behind that were killed: it would keep the microphone open.
    Raises :class:`SoundServerLost`."""
    for line in pactl.order("list", "short", "modules").splitlines():
        match = _OURS.search(line)
        if match is not None and not Path(f"/proc/{match[1]}").exists():
            pactl.order("unload-module", line.split("\t", 1)[0])
