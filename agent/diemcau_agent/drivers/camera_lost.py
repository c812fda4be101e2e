"""Why a camera is not there. Loads no codec: the process that looks for devices raises it, too."""

from __future__ import annotations

from typing import Literal

Why = Literal["missing", "busy", "refused", "unreachable", "unsupported", "silent", "lost"]


class CameraLost(OSError):
    """The camera cannot be opened or gives nothing any more. The text is for the log; `why` is stable.

    missing: nothing is plugged in there, or the camera knows no such stream. busy: another program has it.
    refused: user or password is wrong. unreachable: nobody answers at its address. unsupported: it sends what
    we cannot take (HEVC …). silent: open, but no picture comes. lost: it went away while it was read.
    """

    def __init__(self, text: str, why: Why = "lost") -> None:
        super().__init__(text)
        self.why: Why = why
