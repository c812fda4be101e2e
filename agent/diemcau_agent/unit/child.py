"""One process of this unit: started with its listening socket as descriptor 3, spoken to over it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

from diemcau_wire.unix_socket import connect, listen

from diemcau_agent.ipc import LISTEN_FD, Channel
from diemcau_agent.lifetime import PARENT


class Running(Protocol):
    """A process that runs, whoever started it: a :class:`Child` of ours, or a service."""

    @property
    def role(self) -> str: ...
    @property
    def pid(self) -> int: ...
    @property
    def channel(self) -> Channel: ...
    @property
    def alive(self) -> bool: ...
    async def ended(self) -> int: ...
    async def end(self, patience_s: float = 0) -> int: ...
    def signal(self, number: signal.Signals) -> None: ...


Begin = Callable[[str, Sequence[str], Path], Awaitable[Running]]


class Child:
    """A running child process and the conversation with it."""

    def __init__(self, role: str, pid: int, channel: Channel) -> None:
        self.role, self.pid, self.channel = role, pid, channel
        self._pidfd = os.pidfd_open(pid)
        self._status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(self._pidfd, self._reap)

    @classmethod
    async def start(cls, role: str, command: Sequence[str], path: Path) -> Child:
        """Start `command` with a socket listening at `path`, and connect to it. Raises OSError.

        It gets a process group of its own, so that a Ctrl-C reaches its parent only.
        """
        listening = listen(path)
        try:
            pid = _spawn(command, listening.fileno())
            try:
                channel = await Channel.over(connect(path))
            except OSError:
                _undo(pid)
                raise
        finally:
            listening.close()
        return cls(role, pid, channel)

    @property
    def alive(self) -> bool:
        """False once its end was noticed."""
        return not self._status.done()

    async def ended(self) -> int:
        """Wait for its end: the exit code, or minus the number of the signal that ended it."""
        return await asyncio.shield(self._status)

    async def end(self, patience_s: float = 0) -> int:
        """Wait `patience_s` for it to end by itself, then kill it. Gives what :meth:`ended` gives."""
        try:
            if patience_s > 0 and self.alive:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(patience_s):
                        await self.ended()
        finally:
            self.signal(signal.SIGKILL)
        await self.channel.aclose()
        return await self.ended()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens when it is gone."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        _, status = os.waitpid(self.pid, 0)
        self._status.set_result(os.waitstatus_to_exitcode(status))


def _spawn(command: Sequence[str], listening: int) -> int:
    # not fork(2): this process has threads, so no Python may run between fork and exec
    return os.posix_spawn(
        command[0],
        list(command),
        {**os.environ, PARENT: str(os.getpid())},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, listening, LISTEN_FD),
        ],
        setpgroup=0,
        setsigmask=[],
        setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGPIPE],
    )


def _undo(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
