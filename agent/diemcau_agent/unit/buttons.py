"""The hall's keypad at work: opened when it is there, opened again whenever it comes back."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable

from diemcau_agent.drivers.buttons import Buttons, ButtonsLost, KeyEvent, open_buttons
from diemcau_agent.rules.keys import Keys, Press

from .daemon_thread import in_daemon_thread

log = logging.getLogger(__name__)

AGAIN_S = 5.0
_READ_S = 0.5  # how soon a reading thread notices that nobody wants it any more
_TICK_S = 0.1


class HallButtons:
    """Reads the keypad that `source` names now and gives each press to `press`. `why` is why there is none,
    in one word, or "" while there is one."""

    def __init__(self, source: Callable[[], str], press: Callable[[Press], None]) -> None:
        self._source, self._press = source, press
        self._again = asyncio.Event()
        self.why = "missing"

    def changed(self) -> None:
        """Configuration or devices are others now."""
        self._again.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            source = self._source()
            try:
                buttons = await in_daemon_thread(lambda source=source: open_buttons(source))  # type: ignore[misc]
                if buttons is not None:
                    await self._serve(source, buttons)
                    continue
                self.why = "none"
            except ButtonsLost as lost:
                if lost.why != self.why:
                    log.info("no keypad", extra={"source": source, "why": lost.why, "text": str(lost)})
                self.why = lost.why
            await self._pause()

    async def _pause(self) -> None:
        self._again.clear()
        try:
            async with asyncio.timeout(AGAIN_S):
                await self._again.wait()
        except TimeoutError:
            return

    async def _serve(self, source: str, buttons: Buttons) -> None:
        """Pass on presses until the keypad is gone (raises :class:`ButtonsLost`) or another is configured."""
        log.info("the keypad is open", extra={"source": source})
        self.why = ""
        reading = _Reading(buttons)
        keys = Keys()
        try:
            while self._source() == source:
                for event in await reading.next(_TICK_S if keys.holding else _READ_S):
                    self._take(keys.event(event.code, event.value, time.monotonic()))
                self._take(keys.tick(time.monotonic()))
        finally:
            reading.end()

    def _take(self, press: Press | None) -> None:
        if press is not None:
            log.info("pressed", extra={"press": press.value})
            self._press(press)


class _Reading:
    """A daemon thread that reads one keypad and closes it in the end."""

    def __init__(self, buttons: Buttons) -> None:
        self._buttons = buttons
        self._loop = asyncio.get_running_loop()
        self._arrived: asyncio.Queue[list[KeyEvent] | ButtonsLost] = asyncio.Queue()
        self._ended = False
        threading.Thread(target=self._run, name="buttons", daemon=True).start()

    async def next(self, timeout_s: float) -> list[KeyEvent]:
        """What happened next; nothing when nothing did. Raises :class:`ButtonsLost`."""
        try:
            async with asyncio.timeout(timeout_s):
                arrived = await self._arrived.get()
        except TimeoutError:
            return []
        if isinstance(arrived, ButtonsLost):
            raise arrived
        return arrived

    def end(self) -> None:
        """Have the thread close the keypad and end."""
        self._ended = True

    def _run(self) -> None:
        try:
            while not self._ended:
                if events := self._buttons.read(_READ_S):
                    self._tell(events)
        except ButtonsLost as lost:
            self._tell(lost)
        except Exception as error:
            log.exception("the keypad's driver failed")
            self._tell(ButtonsLost(f"{type(error).__name__}: {error}"))
        finally:
            self._buttons.close()

    def _tell(self, what: list[KeyEvent] | ButtonsLost) -> None:
        try:
            self._loop.call_soon_threadsafe(self._arrived.put_nowait, what)
        except RuntimeError:  # the event loop has ended, nobody listens
            self._ended = True
