"""What ends a media process: told to the unit, which starts a fresh one."""

from __future__ import annotations

from typing import Literal

from .janus import JanusLost, JanusRefused

What = Literal["janus_lost", "join_refused", "no_media", "internal"]


class Fault(Exception):
    """The process cannot go on. `what` is for the unit, the text for the log."""

    def __init__(self, what: What, text: str) -> None:
        super().__init__(text)
        self.what: What = what
        self.text = text

    def __str__(self) -> str:
        return f"{self.what}: {self.text}"


def fault_in(error: BaseException) -> Fault:
    """The fault behind an exception or a task group's exceptions; what is none is an internal one."""
    if isinstance(error, BaseExceptionGroup):
        faults = [fault_in(one) for one in error.exceptions]
        return next((fault for fault in faults if fault.what != "internal"), faults[0])
    match error:
        case Fault():
            return error
        case JanusLost():
            return Fault("janus_lost", str(error))
        case JanusRefused():
            return Fault("join_refused", str(error))
    return Fault("internal", f"{type(error).__name__}: {error}")
