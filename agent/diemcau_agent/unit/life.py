"""The life of one box: without identity, as a unit, as one that was replaced. The screen is the same
throughout, so that it never goes black in between."""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
import os
import random
import signal
from collections.abc import Awaitable, Callable

from diemcau_wire.messages import Screen

from diemcau_agent.ipc import Line
from diemcau_agent.rules.enrolling import show_farewell

from .admission import Admission
from .control import Control, snapshots_of
from .fingerprints import SERIAL, look, sysfs
from .run import Programs, Unit
from .scanning import Scanner
from .screen_process import ScreenProcess
from .state_folder import NoIdentity, StateFolder, read_identity
from .supervise import supervise
from .wipe import farewell, wipe

log = logging.getLogger(__name__)

LOOK_S = 2.0  # whether somebody made a replaced unit a blank one again


def run(folder: StateFolder, *, restart: bool = True, programs: Programs | None = None) -> None:
    """Run until SIGTERM or SIGINT. Raises :class:`StateFolderError`."""
    lock = folder.lock()
    try:
        asyncio.run(_run(folder, restart, programs or Programs()))
    finally:
        os.close(lock)


async def _run(folder: StateFolder, restart: bool, programs: Programs) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await Life(folder, programs, restart=restart).run(stop)


class Life:
    """One box. Make it inside a running event loop."""

    def __init__(
        self,
        folder: StateFolder,
        programs: Programs,
        *,
        restart: bool = True,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._folder, self._programs, self._restart, self._chance = folder, programs, restart, chance
        self._version = importlib.metadata.version("diemcau-agent")
        size = Screen()
        self._blank = [*programs.screen, "--width", str(size.width), "--height", str(size.height)]
        self._screen = ScreenProcess(
            self._blank_screen,
            folder.screen_socket,
            restart=restart,
            chance=chance,
            ended=self._screen_ended,
            begin=programs.begin,
            pictures=folder.pictures,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Be whatever this box is, until `stop` is set."""
        screen = asyncio.create_task(supervise("screen", self._screen.run, self._chance), name="screen")
        try:
            while not stop.is_set():
                await self._be(stop)
        finally:
            screen.cancel()
            await asyncio.wait({screen})

    async def _be(self, stop: asyncio.Event) -> None:
        """What this box is now, for as long as it is that."""
        folder = self._folder
        said = farewell(folder)
        if said is not None:
            wiped = wipe(folder)
            log.warning("this unit was sent away", extra={"verdict": said.get("verdict"), "wiped": wiped})
            self._screen.serve(self._blank_screen, self._screen_ended)
            self._screen.show(show_farewell(said, look(folder.root, sysfs(), SERIAL).serial))
            await self._beside(self._until_forgotten(wiped=wiped), stop, lambda: {"farewell": said})
            return
        try:
            identity = read_identity(folder)
        except NoIdentity as error:
            log.info("no unit yet: asking to be one", extra={"why": str(error)})
            self._screen.serve(self._blank_screen, self._screen_ended)
            admission = Admission(folder, self._screen, self._scanner, chance=self._chance)
            await self._beside(admission.run(), stop, admission.status)
            return
        log.info("this box is a unit", extra={"unit": identity.unit})
        unit = Unit(
            folder,
            identity,
            self._screen,
            restart=self._restart,
            programs=self._programs,
            chance=self._chance,
        )
        await unit.run(stop)

    async def _beside(self, work: Awaitable[None], stop: asyncio.Event, status: Callable[[], Line]) -> None:
        """Do `work` until it is done or `stop` is set, answering the command line meanwhile."""

        async def told() -> Line:
            return {"unit": None, "version": self._version, **status()}

        control = Control(
            self._folder.unit_socket,
            {"status": lambda _: told(), "snapshot": snapshots_of(self._screen)},
        )
        tasks = {
            asyncio.ensure_future(work),
            asyncio.create_task(stop.wait(), name="stop"),
        }
        answering = asyncio.create_task(supervise("control", control.run, self._chance), name="control")
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (*tasks, answering):
                task.cancel()
            await asyncio.wait({*tasks, answering})

    async def _until_forgotten(self, *, wiped: bool) -> None:
        while self._folder.farewell.exists():
            if not wiped:
                wiped = wipe(self._folder)
            await asyncio.sleep(LOOK_S)

    def _blank_screen(self) -> list[str]:
        return list(self._programs.screen) if self._folder.services else self._blank

    def _screen_ended(self, code: int) -> None:
        log.warning("the screen process ended", extra={"code": code})

    def _scanner(self, shown: Callable[..., None], read: Callable[[str], None]) -> Scanner:
        programs, path = self._programs, self._folder.media_socket
        return Scanner(programs.media, path, programs.begin, shown=shown, read=read)
