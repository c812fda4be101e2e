"""One process of this unit that a service manager runs: reached at its socket, never started by us."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from diemcau_wire.unix_socket import connect

from diemcau_agent.ipc import Channel, Line

log = logging.getLogger(__name__)

HELLO_LIMIT_S = 60  # from connecting to its first line; a cold start from a slow disk lies in between
TRY_AGAIN_S = 0.3
END_LIMIT_S = 25  # more than the manager's watchdog needs for one that hangs
CLOSE_LIMIT_S = 1
LASTING = ("screen",)  # they go on when we hang up: the hall's screen is never black


class Service:
    """The conversation with a process that belongs to another user.

    We cannot end it, only ask it to and hang up. What hangs, the manager's watchdog ends; how it ended
    is the manager's to know, so the code here is always 0. The next connection gets a fresh process
    once the one before is gone: until then the manager hangs up on us.
    """

    def __init__(self, role: str, pid: int, channel: Channel) -> None:
        self.role, self.pid, self.channel = role, pid, channel
        self._pidfd = os.pidfd_open(pid)
        self._gone = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._pidfd, self._notice)

    @classmethod
    async def reach(cls, role: str, command: Sequence[str], path: Path) -> Service:
        """Connect to the socket at `path`. Raises OSError; `command` is the manager's business."""
        deadline = time.monotonic() + HELLO_LIMIT_S
        while True:
            channel = await Channel.over(connect(path))
            try:
                async with asyncio.timeout_at(
                    asyncio.get_running_loop().time() + max(0.0, deadline - time.monotonic())
                ):
                    return cls(role, await _hello(channel), channel)
            except (OSError, TimeoutError) as error:
                await _close(channel)
                if isinstance(error, TimeoutError) or time.monotonic() >= deadline:
                    raise OSError(f"the {role} service does not answer") from None
                await asyncio.sleep(TRY_AGAIN_S)
            except asyncio.CancelledError:
                await asyncio.shield(asyncio.create_task(_close(channel), name=f"hang up on {role}"))
                raise

    @property
    def alive(self) -> bool:
        """False once its end was noticed."""
        return not self._gone.is_set()

    async def ended(self) -> int:
        """Wait for its end."""
        await self._gone.wait()
        return 0

    async def end(self, patience_s: float = 0) -> int:
        """Wait `patience_s` for it to end by itself, then hang up; but for a lasting one see it gone."""
        if patience_s > 0:
            await self._see_gone(patience_s)
        await _close(self.channel)
        if self.role not in LASTING and not await self._see_gone(END_LIMIT_S):
            log.error("a service does not end", extra={"role": self.role, "child": self.pid})
        if self.alive:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
        return 0

    def signal(self, number: signal.Signals) -> None:
        """Whatever the signal is: ask it to end."""
        if self.alive:
            stop: Line = {"type": "stop"}
            self.channel.send(stop)

    async def _see_gone(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._gone.wait()
        return not self.alive

    def _notice(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._gone.set()


async def _hello(channel: Channel) -> int:
    """The pid it says first. Raises OSError when it hangs up or says something else."""
    lines = channel.lines()
    line = await anext(lines, None)
    await lines.aclose()
    pid = line.get("pid") if line is not None and line["type"] == "hello" else None
    if not isinstance(pid, int) or pid < 1:
        raise OSError("it says no hello")
    return pid


async def _close(channel: Channel) -> None:
    """Hang up; a peer that reads nothing does not hold us."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_LIMIT_S):
            await channel.aclose()
