"""When silence is a fault: pure.

Judged by function: pictures that arrive, not states of connections. Patience doubles with each try that
did not help, so that a site without a working camera is not asked for again and again.
"""

from __future__ import annotations

from dataclasses import dataclass

PICTURE_S = 3.0
PATIENCE_S = 60.0
CAMERA_S = 3.0
UPLINK_S = 5.0


@dataclass(slots=True)
class PictureWatch:
    """Watches one picture slot. Times are seconds of a monotonic clock."""

    site: str | None = None
    since: float = 0.0
    tries: int = 0

    def look(self, now: float, site: str | None, last_picture: float | None) -> bool:
        """True when the connection shall be rebuilt for this slot.

        `site` is the feed the slot is on, None when there is nothing to wait for; `last_picture` is
        when the newest picture of that feed came.
        """
        if site != self.site:
            self.site, self.since, self.tries = site, now, 0
        if site is None:
            return False
        if last_picture is not None and last_picture > self.since:
            self.since, self.tries = last_picture, 0
        if now - self.since <= min(PICTURE_S * 2**self.tries, PATIENCE_S):
            return False
        self.since, self.tries = now, self.tries + 1
        return True


@dataclass(slots=True)
class UplinkWatch:
    """Watches our own picture on its way to Janus: it says when it receives nothing."""

    silent_since: float | None = None

    def heard(self, now: float, receiving: bool) -> None:
        """Janus reported whether it receives our video."""
        if receiving:
            self.silent_since = None
        elif self.silent_since is None:
            self.silent_since = now

    def lost(self, now: float, last_sent: float | None) -> bool:
        """True when Janus has received nothing for 5 s although pictures were sent all that time."""
        if self.silent_since is None or last_sent is None or now - last_sent > 1:
            return False
        return now - self.silent_since > UPLINK_S
