"""Pieces from a server in the site's own network: not waited for, and believed no more than any other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from diemcau_agent.rules.updating import Why

from .download import Download, Manner, Piece, Store
from .line import Line
from .trouble import Trouble

START_S = 20.0
LEAST_BPS = 64_000  # a server that is slower is no neighbour


class Nearby(Download):
    """As :class:`Download`; `seconds` is a clock that nobody sets. Whatever it cannot do raises
    :class:`Trouble`: the coordinator's server can."""

    def __init__(self, line: Line, store: Store, manner: Manner, *, seconds: Callable[[], float]) -> None:
        super().__init__(line, store, replace(manner, pause=self._rest, came=self._in_time), tries=1)
        self._sleep, self._tell, self._seconds = manner.pause, manner.came, seconds
        self._until = 0.0

    def fetch(self, piece: Piece) -> None:
        self._until = self._seconds() + START_S + 8 * piece.size / LEAST_BPS
        super().fetch(piece)

    def _rest(self, seconds: float) -> None:
        self._until += seconds  # that we are slow, beside a meeting for instance, is not its fault
        self._sleep(seconds)

    def _in_time(self, count: int) -> None:
        self._tell(count)
        if self._seconds() > self._until:
            raise Trouble(Why.UNREACHABLE, f"slower than {LEAST_BPS // 1000} kbit/s")
