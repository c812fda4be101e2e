"""The unit's own socket, `run/unit.sock`: how the command line asks the running unit.

JSON lines, one answer per request: `status` → `status`; `preflight` → `preflight` (`ok`, `verdict`,
`instruction`, `findings`, `error`); `snapshot` {`path`} → `snapshot` (`ok`, `width`, `height`, `error`);
`decline` → `decline` (`ok`, `error`); `control` {`control`: `mute` `stop` `hand`, `on`} → `control` (`ok`,
`error`); `devices` → `devices` {`devices`}.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from diemcau_agent.ipc import MAX_LINE, Channel, Garbage, Line, listen
from diemcau_agent.rules import controls
from diemcau_agent.rules.actions import AskedBy

from .commands import TEXTS
from .devices import Devices
from .hall import Hall
from .hall_controls import HallControls
from .lines import flag, text
from .screen_process import ScreenProcess

log = logging.getLogger(__name__)

PREFLIGHT_LIMIT_S = 95


class Control:
    """Answers at `path`. Only the owner of the state folder can connect (mode 0600)."""

    def __init__(
        self,
        path: Path,
        status: Callable[[], Line],
        hall: Hall,
        screen: ScreenProcess,
        controls: HallControls,
        devices: Devices,
    ) -> None:
        self._path, self._status, self._hall, self._screen = path, status, hall, screen
        self._controls, self._devices = controls, devices
        self._answers: dict[str, Callable[[Line], Awaitable[Line]]] = {
            "status": self._answer_status,
            "preflight": self._answer_preflight,
            "snapshot": self._answer_snapshot,
            "decline": self._answer_decline,
            "control": self._answer_control,
            "devices": self._answer_devices,
        }

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

    async def _answer_status(self, line: Line) -> Line:
        return self._status()

    async def _answer_preflight(self, line: Line) -> Line:
        refused = self._hall.ask_check(AskedBy.HALL)
        if refused is not None:
            return {"ok": False, "error": TEXTS[refused]}
        try:
            async with asyncio.timeout(PREFLIGHT_LIMIT_S):
                readiness = await self._hall.check_done()
        except TimeoutError:
            return {"ok": False, "error": "The check did not end."}
        return {
            "ok": True,
            "verdict": readiness.verdict.value,
            "instruction": readiness.instruction,
            "findings": [
                {"what": f.what, "text": f.text, "remedy": f.remedy, "mended": f.mended}
                for f in readiness.findings
            ],
        }

    async def _answer_decline(self, line: Line) -> Line:
        refused = self._hall.decline(None)
        return {"ok": refused is None, "error": "" if refused is None else TEXTS[refused]}

    async def _answer_control(self, line: Line) -> Line:
        try:
            control = controls.Control(text(line, "control", 20))
        except ValueError as error:
            raise Garbage(str(error)) from None
        refused = self._controls.control(control, flag(line, "on"))
        return {"ok": refused is None, "error": "" if refused is None else TEXTS[refused]}

    async def _answer_devices(self, line: Line) -> Line:
        found = await self._devices.look()
        return {
            "devices": [
                {"device": one.device.value, "source": one.source, "name": one.name, "node": one.node}
                for one in found
            ]
        }

    async def _answer_snapshot(self, line: Line) -> Line:
        path = text(line, "path", 4096)
        if not path:
            raise Garbage("path is missing")
        answer = await self._screen.snapshot(Path(path))
        return {key: answer.get(key) for key in ("ok", "width", "height", "error")}
