"""A hall whose check runs in the test's own process: all that a unit measures with, nothing it is started by.

`RoomCheck` with its remedies, `unit/measure`, `media/measure` and the drivers are the product's; what crosses
the border to a media process crosses it here, too. In place of the broker's link and of the screen process
stand two that say what they are told to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from diemcau_agent.checks import Finding
from diemcau_agent.ipc import decode_line, encode_line
from diemcau_agent.media.check import check
from diemcau_agent.media.orders import parse_order
from diemcau_agent.rules.actions import AskedBy
from diemcau_agent.rules.checking import LIMIT
from diemcau_agent.rules.television import Want
from diemcau_agent.unit.checking import RoomCheck
from diemcau_agent.unit.lines import measured as values_measured
from diemcau_agent.unit.room import Room
from diemcau_agent.unit.state_folder import StateFolder
from diemcau_agent.unit.television import HallTelevision
from diemcau_wire.messages import DesiredConfig, EventKind

Json = dict[str, Any]
SLOW_MACHINE_S = 60.0  # a busy machine is no fault of the hall


@dataclass
class HallInProcess:
    """A hall in `folder`: its state in `state/`, what the kernel says in `sys/`. The broker is reached after
    `linked_after_s` (None: not at all), the screen says that it is ready after `screen_after_s`;
    `television_told`: the unit has just turned it on. After its check `found` is what was found, `measured`
    what it was found in, `tried` each remedy with its fault and whether it helped."""

    folder: Path
    kind: str
    config: DesiredConfig
    linked_after_s: float | None = 0.0
    screen_after_s: float = 0.0
    rtt_ms: float = 40.0
    television_told: bool = False
    found: list[Finding] = field(default_factory=list)
    measured: dict[str, Json] = field(default_factory=dict)
    tried: list[tuple[str, str, bool]] = field(default_factory=list)

    async def check(self) -> None:
        """Check it, as a unit does."""
        folder = StateFolder(self.folder / "state")
        television = HallTelevision(
            folder.run / "television_on",
            control=lambda: self.config.television.control,
            want=lambda: Want.OURS,
            record=lambda *_: None,
        )
        link: Any = SimpleNamespace(nonce=None, rtt_ms=self.rtt_ms)
        screen: Any = _Screen(self.screen_after_s)
        media: Any = _Media()
        room = Room(folder, lambda: self.config, link, screen, television, self.folder / "sys")
        if self.television_told:
            await television.turn_on()
            await television.show_us()
        if self.linked_after_s is not None:
            asyncio.get_running_loop().call_later(self.linked_after_s, setattr, link, "nonce", "n")
        look = RoomCheck(
            room,
            media,
            heard=lambda _: None,
            record=self._record,
            says=lambda _: None,
            media_over=lambda: None,
        )
        self.found = await look.run(None, LIMIT.total_seconds() + SLOW_MACHINE_S, AskedBy.PAGE)
        self.measured = look._measured

    @property
    def named(self) -> dict[str, bool | None]:
        """Each fault that was found, and whether it was mended (None: nothing was tried)."""
        return {finding.what: finding.mended for finding in self.found}

    def _record(self, kind: EventKind, data: dict[str, object]) -> None:
        if kind is EventKind.REMEDY:
            self.tried.append((str(data["remedy"]), str(data["what"]), bool(data["done"])))


def empty(folder: Path) -> Path:
    """Make the folder of a hall, with what its state has at least."""
    for below in ("state/identity", "state/run", "state/desired", "sys"):
        (folder / below).mkdir(parents=True)
    return folder


def kernel(folder: Path, says: Mapping[str, str | bytes]) -> None:
    """Have the kernel of a hall's machine say something, by path below /sys."""
    for path, said in says.items():
        file = folder / "sys" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(said.encode() if isinstance(said, str) else said)


async def check_all(
    halls: Sequence[HallInProcess], at_a_time: int, told: Callable[[int], None] = lambda _: None
) -> None:
    """Check all of them, so many beside each other; `told` gets how many are over."""
    places, over = asyncio.Semaphore(at_a_time), 0

    async def one(hall: HallInProcess) -> None:
        nonlocal over
        async with places:
            await hall.check()
        over += 1
        told(over)

    async with asyncio.TaskGroup() as group:
        for hall in halls:
            group.create_task(one(hall))


async def check_again(halls: Sequence[HallInProcess]) -> list[HallInProcess]:
    """Check those in which something was found once more, each by itself: what only a busy machine brought
    about is gone then. Gives them."""
    doubtful = [hall for hall in halls if hall.found]
    await check_all(doubtful, 1)
    return doubtful


class _Screen:
    """A screen process that draws, and says so when it has begun."""

    child = None

    def __init__(self, late_s: float) -> None:
        self._late_s = late_s

    async def ready(self, timeout_s: float) -> bool:
        await asyncio.sleep(min(self._late_s, timeout_s))
        return self._late_s <= timeout_s

    async def snapshot(self, path: Path) -> Json:
        await asyncio.sleep(self._late_s / 4)
        return {"ok": True, "width": 1280, "height": 720}


class _Media:
    """A media process in this one."""

    async def check(
        self,
        order: Json,
        limit_s: float,
        measured: Callable[[str, Json], None],
        hear: Callable[[Json], None],
    ) -> str | None:
        def tell(line: Json) -> None:
            line = decode_line(encode_line(line))
            if line["type"] == "measured":
                measured(*values_measured(line))
            else:
                hear(line)

        async with asyncio.timeout(limit_s):
            await check(parse_order(decode_line(encode_line(order))), tell)
        return None
