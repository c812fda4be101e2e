"""How late sound is read: pure.

A sound server's library keeps what a reader leaves, and ALSA's plug-in for it shows only 60 ms of that (it
allows 4 MiB, 43 s: `pulse_hw_params` and `update_ptr` of alsa-plugins' `pcm_pulse.c`), so how much waits
cannot be asked. But a reader that found nothing waiting has all there was: from then on it is as late as the
time that has passed is longer than the sound it has read. A hall is heard with a hole rather than late.
"""

from __future__ import annotations

from .microphones import RATE_HZ

MOST_S = 0.5  # sound that is later is not worth hearing


class Lateness:
    """Told by the one thread that reads. Times are seconds of a monotonic clock; recording begins `now`."""

    def __init__(self, now: float) -> None:
        self._since = now
        self._samples = 0

    def nothing_waits(self, now: float) -> None:
        """At this time all there was had been read."""
        self._since, self._samples = now, 0

    def read(self, samples: int) -> None:
        """So many more, of 48 kHz, have been taken."""
        self._samples += samples

    def seconds(self, now: float) -> float:
        """How old what is read next is at least, but for what came in one piece; negative in such a piece."""
        return now - self._since - self._samples / RATE_HZ
