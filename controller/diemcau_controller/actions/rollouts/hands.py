"""What the rollout asks of whoever works on units: one run over some of them, told of as it goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from ...rules.update_words import Word

MOST_LINES, LONGEST_LINE = 12, 300


@dataclass(frozen=True, slots=True)
class Target:
    """A unit of a run, with Ansible's variables of it: where it is reached, and how its host key is known."""

    unit: str
    variables: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """`kind`: `stage`, `apply`, `back`, `settle`. `folder` is its own and empty but for what the ways to
    units need and for `playbooks`, the folder with those of the version; it is removed afterwards. `extra`
    are variables for the playbook beside those every run has."""

    id: str
    kind: str
    version: str
    targets: tuple[Target, ...]
    folder: Path
    playbooks: Path
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HostEvent:
    """That a task ended on a unit: `outcome` is `ok`, `changed`, `skipped`, `failed` or `unreachable`. `word`
    is what the unit said in it, `tail` the last lines of what went wrong (at most :data:`MOST_LINES`).
    `there`: the unit itself did it; not what Ansible does here in a unit's name, as it takes the guard's task
    for the first unit of a run."""

    unit: str
    task: str
    outcome: str
    at: datetime
    millis: int = 0
    word: Word | None = None
    tail: tuple[str, ...] = ()
    there: bool = True


class Hands(Protocol):
    """Carries out runs. What it says comes on the event loop, in the order in which it happened."""

    async def carry_out(self, run: Run, hear: Callable[[HostEvent], None]) -> str:
        """Until the run is over: `ran` or `failed` (of some unit, or altogether). Cancelled, it ends the run
        first; nothing of it goes on afterwards. Whatever it raises, OSError for instance when it cannot be
        started at all, fails the run on each unit that has not said how it stands."""
        ...


def last_lines(text: str) -> tuple[str, ...]:
    """The end of what a program said, without what a terminal or a page could not show."""
    lines = ["".join(letter for letter in line if letter.isprintable()) for line in text.splitlines()]
    return tuple(line[:LONGEST_LINE] for line in lines if line.strip())[-MOST_LINES:]
