"""What ends a media process: told to the unit, which starts a fresh one."""

from __future__ import annotations

from typing import Literal

What = Literal["janus_lost", "join_refused", "no_media", "internal"]


class Fault(Exception):
    """The process cannot go on. `what` is for the unit, the text for the log."""

    def __init__(self, what: What, text: str) -> None:
        super().__init__(text)
        self.what: What = what
        self.text = text

    def __str__(self) -> str:
        return f"{self.what}: {self.text}"


def fault_in(group: BaseExceptionGroup[BaseException]) -> Fault:
    """The first fault of a task group's exceptions; anything else is an internal one."""
    faults = group.subgroup(Fault)
    error: BaseException = faults or group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, Fault) else Fault("internal", f"{type(error).__name__}: {error}")
