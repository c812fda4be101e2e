"""What a unit answers the command line (`control.py` says how)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from diemcau_agent.ipc import Garbage, Line
from diemcau_agent.rules import controls
from diemcau_agent.rules.actions import AskedBy

from .commands import TEXTS
from .control import Answer, snapshots_of
from .devices import Devices
from .hall import Hall
from .hall_controls import HallControls
from .lines import flag, text
from .screen_process import ScreenProcess

PREFLIGHT_LIMIT_S = 95


class HallAnswers:
    """Answers about one hall; `by_request` has them by the request they answer."""

    def __init__(
        self,
        status: Callable[[], Line],
        hall: Hall,
        screen: ScreenProcess,
        controls: HallControls,
        devices: Devices,
    ) -> None:
        self._status, self._hall = status, hall
        self._controls, self._devices = controls, devices
        self.by_request: Mapping[str, Answer] = {
            "status": self._answer_status,
            "preflight": self._answer_preflight,
            "snapshot": snapshots_of(screen),
            "decline": self._answer_decline,
            "control": self._answer_control,
            "devices": self._answer_devices,
        }

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
