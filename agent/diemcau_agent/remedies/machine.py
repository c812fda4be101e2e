"""The unit itself: room on the disk, the time of day."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

from diemcau_agent.unit.room import Room

from .remedy import NotPossible, Remedy

_ASKED = (("chronyc", "-a", "makestep"), ("systemctl", "--no-ask-password", "restart", "systemd-timesyncd"))
_STEP_S, _SETTLE_S = 6.0, 4.0


async def _free_disk(room: Room) -> str:
    """What the agent itself left and nobody needs: pictures sent long ago, files set aside as corrupt."""
    freed = files = 0
    for path in _left_over(room.folder.root):
        try:
            size = path.stat().st_size
            path.unlink()
        except OSError:
            continue
        freed, files = freed + size, files + 1
    if not files:
        raise NotPossible("nothing of the agent's own is left to remove")
    return f"{files} files, {freed // 1024} KiB removed"


def _left_over(root: Path) -> Iterator[Path]:
    for pattern in ("run/*.png", "run/*.jpg", "run/*.part", "*.corrupt", "*.corrupt-*", "desired/*.corrupt"):
        yield from root.glob(pattern)
    yield from (path for path in root.glob(".probe-*") if path.name != f".probe-{os.getpid()}")


async def _step_clock(room: Room) -> str:
    """Ask whoever keeps the time to set it now; the unit itself may not."""
    if room.folder.requests is not None:
        try:
            (room.folder.requests / "set-clock").touch()
        except OSError as error:
            raise NotPossible(f"it cannot be asked for: {error.strerror}") from error
        await asyncio.sleep(_SETTLE_S)
        return "the time service was asked to set it"
    refusals = []
    for command in _ASKED:
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
            )
        except OSError:
            refusals.append(f"{command[0]} is not there")
            continue
        try:
            async with asyncio.timeout(_STEP_S):
                code = await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            code = -1
        if code == 0:
            await asyncio.sleep(_SETTLE_S)
            return f"{command[0]} was asked to set it"
        refusals.append(f"{command[0]} refuses")
    raise NotPossible("; ".join(refusals))


FREE_DISK = Remedy("free_disk", "removes what the agent itself left and nobody needs", _free_disk)
STEP_CLOCK = Remedy("step_clock", "asks the time service (chrony, timesyncd) to set the clock", _step_clock)
