"""The unit's side of the screen process, with a child that never answers."""

import asyncio
import signal
import sys
import time
from pathlib import Path

from diemcau_agent.unit.screen_process import ScreenProcess

SILENT = (sys.executable, "-c", "import time; time.sleep(60)")


def test_a_snapshot_asked_of_a_process_that_dies_fails_at_once(tmp_path: Path) -> None:
    async def ask() -> tuple[dict[str, object], float]:
        screen = ScreenProcess(
            lambda: SILENT, tmp_path / "s.sock", restart=False, chance=lambda: 0.5, ended=lambda code: None
        )
        running = asyncio.create_task(screen.run())
        while screen.child is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        asking = asyncio.create_task(screen.snapshot(tmp_path / "x.png"))
        await asyncio.sleep(0.1)
        began = time.monotonic()
        screen.child.signal(signal.SIGKILL)
        answer = await asking
        took_s = time.monotonic() - began
        await running
        return answer, took_s

    answer, took_s = asyncio.run(ask())
    assert answer == {"ok": False, "error": "The screen process ended."}
    assert took_s < 3


def test_a_process_that_fails_tells_by_its_exit_code(tmp_path: Path) -> None:
    async def run() -> list[int]:
        codes: list[int] = []
        failing = (sys.executable, "-c", "import sys; sys.exit(3)")
        path = tmp_path / "s.sock"
        await ScreenProcess(
            lambda: failing, path, restart=False, chance=lambda: 0.5, ended=codes.append
        ).run()
        return codes

    assert asyncio.run(run()) == [3]
