"""Televisions: what they are to the unit, and which driver a configuration names.

All calls block, up to :data:`PATIENCE_S` where nobody answers: they are made in a daemon thread.
"""

from __future__ import annotations

from typing import Protocol

from .television_state import Power, TelevisionState

__all__ = ["PATIENCE_S", "Power", "Television", "TelevisionLost", "TelevisionState", "open_television"]

PATIENCE_S = 8.0
"""No call of a television takes longer, unless the kernel itself hangs."""


class TelevisionLost(OSError):
    """The television cannot be spoken to; the text says why. `why` is `missing` (no such control, nothing
    plugged into it), `refused` (no access, or it obeys nobody), `silent` (nobody answered an order), `lost`.
    """

    def __init__(self, text: str, why: str) -> None:
        super().__init__(text)
        self.why = why


class Television(Protocol):
    """A television that can be switched. Orders return when it has heard them, not when it has obeyed:
    :meth:`state` tells that. Every call raises :class:`TelevisionLost`."""

    def state(self) -> TelevisionState:
        """What it says now. One that does not answer is `unknown`, which is no error."""

    def turn_on(self) -> None:
        """Leave standby."""

    def show_us(self) -> None:
        """Change to this unit's input."""

    def stand_by(self) -> None:
        """Go to standby."""

    def close(self) -> None:
        """Let the control go; the television stays as it is."""


def open_television(control: str) -> Television | None:
    """Open the television a configuration names: `cec`, `cec:ID`, `fake:PATH`; None for `none`.

    Raises :class:`TelevisionLost`, also for a control nobody knows.
    """
    kind, colon, rest = control.partition(":")
    if control == "none":
        return None
    if kind == "cec" and (rest or not colon):
        from .cec import open_cec
        from .cec_devices import node_of

        return open_cec(node_of(rest))
    if kind == "fake" and rest:
        from .fake.television import FakeTelevision

        return FakeTelevision(rest)
    raise TelevisionLost(f"no driver for television {control!r}", "missing")
