"""What can go wrong on the way, as the hall is told it."""

from __future__ import annotations


class Trouble(Exception):
    """A step cannot be done now and is tried again. `step` and `why` are words of `rules/enrolling.py` and of
    the screen's texts; `where` and `line` are what the sentence names; `detail` is for the log."""

    def __init__(self, step: str, why: str, *, where: str = "", line: str = "", detail: str = "") -> None:
        super().__init__(f"{step}: {why} {where} {line} {detail}".strip())
        self.step, self.why, self.where, self.line = step, why, where, line
