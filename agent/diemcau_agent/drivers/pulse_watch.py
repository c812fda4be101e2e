"""Whether a stream of ours is still where we put it: a sound server moves streams when a device goes away."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Callable

from . import pactl
from .pactl import Node, Side, SoundServerLost, Stream

TAG = "diemcau.stream"  # a property by which we know our streams again
_EVENT = re.compile(r"Event .[a-z]+. on (source|sink)(?:-output|-input)? #")
_APPEARS_S, _LOOK_EVERY_S = 1.0, 0.05


def where(side: Side, tag: str) -> tuple[Stream, Node] | None:
    """Our stream with this tag, and the source or sink it is connected to; None when it has gone.
    Raises :class:`SoundServerLost`."""
    stream = next((one for one in pactl.streams(side) if one.properties.get(TAG) == tag), None)
    if stream is None:
        return None
    node = next((one for one in pactl.nodes(side) if one.index == stream.node), None)
    return (stream, node) if node is not None else None


def settle(side: Side, tag: str) -> tuple[Stream, Node] | None:
    """The same, with a second's patience for a stream that has just been made."""
    deadline = time.monotonic() + _APPEARS_S
    while True:
        found = where(side, tag)
        if found is not None or time.monotonic() > deadline:
            return found
        time.sleep(_LOOK_EVERY_S)


class StreamWatch:
    """Follows one stream from now on. `lost` says why it must not be used any more, "" while it may;
    `muted` whether its device, or the stream, is muted. It belongs to `device` or a filter of it; `look_too`
    is asked whenever something has changed, and says whether all is well.

    Nothing is asked while nothing changes: the server tells (`pactl subscribe`), usually within 20 ms.
    """

    def __init__(
        self, side: Side, tag: str, device: str, look_too: Callable[[Stream, Node], bool] | None = None
    ) -> None:
        self._side, self._tag, self._device = side, tag, device
        self._look_too = look_too
        self._closed = False
        self.lost = ""
        self.muted = False
        self._told = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "pactl", "subscribe"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=pactl.environment(),
        )
        self._changed = threading.Event()
        self._look()
        for work in (self._follow, self._look_again):
            threading.Thread(target=work, name="sound-watch", daemon=True).start()

    def close(self) -> None:
        """Follow it no longer."""
        self._closed = True
        self._told.terminate()
        self._changed.set()

    def _follow(self) -> None:
        assert self._told.stdout is not None
        with self._told.stdout as lines:
            for line in lines:
                match = _EVENT.match(line.decode("ascii", "replace"))
                if match is not None:
                    self._changed.set()
        self._told.wait()
        if not self._closed:
            self.lost = self.lost or "the sound server has ended the connection"

    def _look_again(self) -> None:
        """One look for however many changes came at once."""
        while not self._closed:
            self._changed.wait()
            self._changed.clear()
            if not self._closed:
                self._look()

    def _look(self) -> None:
        try:
            found = settle(self._side, self._tag)  # after an underrun the stream is made anew
            well = found is None or self._look_too is None or self._look_too(*found)
        except SoundServerLost as error:
            self.lost = self.lost or str(error)
            return
        if self._closed:
            return
        if found is None:
            self.lost = self.lost or "the sound server has ended the stream"
            return
        stream, node = found
        if self._device not in (node.name, node.master):
            self.lost = self.lost or f"the sound server has moved the stream to {node.name}"
        if not well:
            self.lost = self.lost or "the sound server has moved the echo canceller"
        self.muted = node.muted or stream.muted
