"""The hall's television: on and ours while a meeting needs it. Only this speaks to it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from diemcau_wire.messages import EventKind

from diemcau_agent.drivers.televisions import (
    PATIENCE_S,
    Television,
    TelevisionLost,
    TelevisionState,
    open_television,
)
from diemcau_agent.rules.television import Keeping, Order, Outcome, Want

from .daemon_thread import in_daemon_thread

log = logging.getLogger(__name__)

_HANG_S = PATIENCE_S + 4
_OBEYS_S = 20.0  # many take so long to do what they were told, and say their old state meanwhile
_IDLE_S = 1.0
_REMEDIES = {"television_off": "television_on", "television_input": "television_input"}
_R = TypeVar("_R")


class HallTelevision:
    """Speaks to the television a configuration names. `control` gives that name, `want` what the hall needs
    now; `record` keeps an event. `mark` is a file that remembers over a restart that we turned it on."""

    def __init__(
        self,
        mark: Path,
        *,
        control: Callable[[], str],
        want: Callable[[], Want],
        record: Callable[[EventKind, str | None, dict[str, object]], None],
    ) -> None:
        self._mark, self._control, self._want, self._record = mark, control, want, record
        self._keeping = Keeping(turned_on=mark.exists())
        self._opened: Television | None = None
        self._opened_control = "none"
        self._turn = asyncio.Lock()
        self._call: asyncio.Future[Any] | None = None
        self._told_at_s: float | None = None

    # ── what a check and its remedies ask ────────────────────────────────────────────────────────

    async def state(self) -> TelevisionState | None:
        """What the television says now; None where none is configured. Raises :class:`TelevisionLost`.
        Takes up to 12 s."""
        async with self._turn:
            return await self._ask(lambda television: television.state())

    @property
    def just_told(self) -> bool:
        """True while what it says may still be from before our last order."""
        return self._told_at_s is not None and time.monotonic() - self._told_at_s < _OBEYS_S

    async def turn_on(self) -> None:
        """Leave standby. It goes back to standby by itself once no meeting needs it. As :meth:`state`."""
        async with self._turn:
            before = await self._ask(lambda television: television.state())
            await self._ask(lambda television: self._tell_it(television, Order.TURN_ON))
        if before is not None:
            self._keeping.ordered_by_others(before)
            self._remember()

    async def show_us(self) -> None:
        """Change to this unit's input. As :meth:`state`."""
        async with self._turn:
            await self._ask(lambda television: self._tell_it(television, Order.SHOW_US))

    # ── what happens by itself ───────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Make the television what the hall needs, look whether it is so, and stop trying at some point."""
        next_look, before = 0.0, None
        try:
            while True:
                want, now_s = self._want(), time.monotonic()
                self._keeping.wanted(want)
                if self._control() != "none" and self._keeping.needs_look():
                    if want is not before or now_s >= next_look:
                        await self._look()
                        self._remember()
                        next_look = now_s + self._keeping.pause_s()
                    for outcome in self._keeping.take_outcomes():
                        self._tell(outcome)
                before = want
                await asyncio.sleep(_IDLE_S)
        finally:
            self._let_go()

    async def _look(self) -> None:
        async with self._turn:
            try:
                state = await self._ask(lambda television: television.state())
                if state is None:
                    return
                order = self._keeping.see(state, time.monotonic())
                if order is None:
                    return
                log.info("television", extra={"order": order.value, "power": state.power.value})
                await self._ask(lambda television: self._tell_it(television, order))
            except TelevisionLost as lost:
                log.info("television", extra={"why": lost.why, "text": str(lost)})
                self._keeping.failed(lost.why, str(lost))

    async def _ask(self, question: Callable[[Television], _R]) -> _R | None:
        """Call the driver beside the event loop. One that hangs is not called again until it is back."""
        if self._call is not None and not self._call.done():
            raise TelevisionLost("the television's control hangs", "lost")
        control = self._control()

        def work() -> _R | None:
            television = self._open(control)
            return None if television is None else question(television)

        call = asyncio.ensure_future(in_daemon_thread(work))
        self._call = call
        done, _ = await asyncio.wait({call}, timeout=_HANG_S)
        if not done:
            call.add_done_callback(lambda late: late.cancelled() or late.exception())
            raise TelevisionLost("the television's control hangs", "lost")
        try:
            return call.result()
        except TelevisionLost as lost:
            if lost.why != "silent":  # opened anew the next time
                self._let_go()
            raise

    def _tell_it(self, television: Television, order: Order) -> None:
        _obey(television, order)
        self._told_at_s = time.monotonic()

    def _open(self, control: str) -> Television | None:
        if control != self._opened_control or self._opened is None:
            self._let_go()
            self._opened, self._opened_control = open_television(control), control
        return self._opened

    def _let_go(self) -> None:
        opened, self._opened, self._opened_control = self._opened, None, "none"
        if opened is not None:
            opened.close()

    def _remember(self) -> None:
        """A power cut puts a television into standby by itself; a restart of this process does not."""
        with contextlib.suppress(OSError):
            if self._keeping.turned_on:
                self._mark.touch()
            else:
                self._mark.unlink(missing_ok=True)

    def _tell(self, outcome: Outcome) -> None:
        remedy = _REMEDIES.get(outcome.what, "television_on")
        data: dict[str, object] = {
            "remedy": remedy,
            "what": outcome.what,
            "done": outcome.done,
            "text": outcome.text,
        }
        self._record(EventKind.REMEDY, None, data)


def _obey(television: Television, order: Order) -> None:
    match order:
        case Order.TURN_ON:
            television.turn_on()
        case Order.SHOW_US:
            television.show_us()
        case Order.STAND_BY:
            television.stand_by()
