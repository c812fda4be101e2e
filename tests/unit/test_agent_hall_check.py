"""Who asks the hall for a check gets what that check came to."""

from __future__ import annotations

import asyncio
from pathlib import Path
from unittest.mock import MagicMock

from diemcau_agent.checks import Finding
from diemcau_agent.rules.actions import AskedBy
from diemcau_agent.rules.session import Session
from diemcau_agent.unit.hall import Hall
from diemcau_agent.unit.state_folder import StateFolder
from diemcau_wire.messages import EventKind


def test_the_next_check_may_begin_in_the_moment_this_one_ends(tmp_path: Path) -> None:
    """As when a device was plugged in meanwhile: the first one's result is the answer all the same."""

    async def ask() -> tuple[list[str], bool]:
        ends = asyncio.Event()

        async def check(*_: object) -> list[Finding]:
            if room.run.call_count > 1:
                await asyncio.sleep(60)
            await ends.wait()
            return [Finding("camera_black", "")]

        def record(kind: EventKind, *_: object) -> None:
            if kind is EventKind.VERDICT:
                hall.ask_check(AskedBy.PLUGGED)

        room = MagicMock()
        room.run.side_effect = check
        desired = MagicMock(config=None, meetings=[])
        hall = Hall(
            *(
                StateFolder(tmp_path),
                "u1",
                desired,
                Session(chance=lambda: 0.5),
                MagicMock(),
                MagicMock(),
                room,
            ),
            record=record,
            linked=lambda: True,
            changed=lambda: None,
        )
        assert hall.ask_check(AskedBy.HALL) is None
        answer = asyncio.create_task(hall.check_done())
        await asyncio.sleep(0)
        ends.set()
        readiness = await asyncio.wait_for(answer, 5)
        return [finding.what for finding in readiness.findings], hall.checking

    assert asyncio.run(ask()) == (["camera_black"], True)
