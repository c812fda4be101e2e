"""The order of sound packets as they come from the net, without holding any back: pure.

It stands where aiortc has its jitter buffer, which waits for four packets more (80 ms) and, after a loss, for
up to sixteen. Here a packet goes on at once; one that comes after a later one was handed on is too late. The
buffer that evens arrival out, and fills what is missing, is the voice's own (:class:`.mixing.Voice`). What
waits for aiortc's decoder is bounded here, too: its queue is not, and sound is lost rather than late.
"""

from __future__ import annotations

from collections.abc import Callable

from aiortc.jitterbuffer import JitterFrame
from aiortc.rtp import RtpPacket

_NUMBERS = 1 << 16
_ANEW = 100  # a number that far behind is of a sender that began again
MOST_WAITING = 25  # packets: half a second


class SoundOrder:
    """Takes RTP packets with their payload unpacked; gives what is to be decoded. `waiting` says how many of
    those have not been yet."""

    def __init__(self, waiting: Callable[[], int]) -> None:
        self._waiting = waiting
        self._last: int | None = None

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """The packet, unless it is too late, empty, or would become too late by waiting. The flag, which asks
        for a key frame, is never set."""
        number = packet.sequence_number
        if self._last is not None:
            behind = (self._last - number) % _NUMBERS
            if behind < _ANEW:
                return False, None
        self._last = number
        if self._waiting() >= MOST_WAITING:
            return False, None
        data = packet._data
        return False, JitterFrame(data=data, timestamp=packet.timestamp) if data else None
