"""Keypads and presenters: what they are to the unit process, and which driver a source names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class ButtonsLost(OSError):
    """The keypad cannot be opened or is gone; the text says why, and `why` in one stable word: `missing`,
    `busy` (another program has it), `refused` (no right to it), `lost` (it was there)."""

    def __init__(self, text: str, why: str = "lost") -> None:
        super().__init__(text)
        self.why = why


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """A key by its code in linux/input-event-codes.h. `value`: 1 pressed, 0 let go, 2 repeated while held."""

    code: int
    value: int


class Buttons(Protocol):
    """An open keypad, read by one thread. Nobody else gets its keys while it is open."""

    def read(self, timeout_s: float) -> list[KeyEvent]:
        """What happened, as soon as something did; nothing after `timeout_s`. Raises :class:`ButtonsLost`."""

    def close(self) -> None:
        """Let the device go. Once is enough, twice does no harm."""


def open_buttons(source: str) -> Buttons | None:
    """Open what a source names (`auto`: of those that are no keyboard the one with the most keys we know);
    None for `none`.

    Raises :class:`ButtonsLost`, also for a source nobody knows.
    """
    kind, _, rest = source.partition(":")
    if source == "none":
        return None
    if source == "auto" or (kind == "evdev" and rest):
        from .evdev import EvdevButtons

        return EvdevButtons(source)
    if kind == "fake" and rest:
        from .fake.buttons import FakeButtons

        return FakeButtons(rest)
    raise ButtonsLost(f"no driver for buttons {source!r}", why="missing")
