"""What a check's measurements and remedies may use of this unit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from diemcau_wire.messages import DesiredConfig, Video

from .fingerprints import sysfs
from .link import Link
from .screen_process import ScreenProcess
from .state_folder import StateFolder
from .television import HallTelevision

_LOOK_S = 0.1


@dataclass(slots=True)
class Room:
    """The hall's devices, as far as the unit process reaches them. `smaller` is the size of pictures that a
    remedy found to work better than the configured one; it counts for `smaller_for` only."""

    folder: StateFolder
    config: Callable[[], DesiredConfig | None]
    link: Link
    screen: ScreenProcess
    television: HallTelevision
    sysfs: Path = field(default_factory=sysfs)
    smaller: Video | None = None
    smaller_for: Video | None = None

    @property
    def linked(self) -> bool:
        """Whether the coordinator's broker is reached."""
        return self.link.nonce is not None

    def video(self, config: DesiredConfig) -> Video:
        """The pictures to make: as configured, or what a remedy put in its place."""
        return self.smaller if self.smaller is not None and self.smaller_for == config.video else config.video

    async def until(self, true: Callable[[], bool], seconds: float) -> bool:
        """Wait for something, at most so long; whether it came."""

        for _ in range(round(seconds / _LOOK_S)):
            if true():
                return True
            await asyncio.sleep(_LOOK_S)
        return true()
