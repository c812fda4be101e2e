"""The unit's own socket, `run/unit.sock`: how the command line asks the running unit.

JSON lines, one answer per request: `status` → `status`; `preflight` → `preflight` (`ok`, `verdict`,
`instruction`, `findings`, `error`); `snapshot` {`path`} → `snapshot` (`ok`, `width`, `height`, `error`);
`decline` → `decline` (`ok`, `error`); `control` {`control`: `mute` `stop` `hand`, `on`} → `control` (`ok`,
`error`); `devices` → `devices` {`devices`}. A box that is no unit answers `status` and `snapshot` only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from diemcau_wire.unix_socket import listen

from diemcau_agent.ipc import MAX_LINE, Channel, Garbage, Line

from .lines import text
from .screen_process import ScreenProcess

Answer = Callable[[Line], Awaitable[Line]]


class Control:
    """Answers at `path`, each kind of request by its own function. Only the owner of the state folder can
    connect (mode 0600)."""

    def __init__(self, path: Path, answers: Mapping[str, Answer]) -> None:
        self._path, self._answers = path, answers

    async def run(self) -> None:
        """Serve until cancelled."""
        server = await asyncio.start_unix_server(self._serve, sock=listen(self._path), limit=MAX_LINE)
        async with server:
            await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel = Channel(reader, writer)
        try:
            async for line in channel.lines():
                answer = self._answers.get(line["type"])
                if answer is None:
                    channel.send({"type": "error", "error": f"unknown request {line['type'][:40]!r}"})
                    continue
                try:
                    channel.send({"type": line["type"], **await answer(line)})
                except Garbage as error:
                    channel.send({"type": "error", "error": str(error)})
        finally:
            await channel.aclose()


def snapshots_of(screen: ScreenProcess) -> Answer:
    """Answers `snapshot`."""

    async def answer(line: Line) -> Line:
        path = text(line, "path", 4096)
        if not path:
            raise Garbage("path is missing")
        taken = await screen.snapshot(Path(path))
        return {key: taken.get(key) for key in ("ok", "width", "height", "error")}

    return answer
