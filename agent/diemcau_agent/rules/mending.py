"""Which remedy is tried next: pure. Within a check each at most so often; over checks with growing pauses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from diemcau_agent.checks import FAULTS, Finding

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=4), timedelta(hours=6)


class Patience:
    """What helped and what did not, over the checks of one run. One that did not help is let be for four
    minutes, then for twice as long each time, until it helps; a person who asks for a check need not wait."""

    def __init__(self) -> None:
        self._failures: Counter[tuple[str, str]] = Counter()
        self._last: dict[tuple[str, str], datetime] = {}

    def allows(self, remedy: str, what: str, now: datetime) -> bool:
        """Whether `remedy` may be tried against the fault `what` now."""
        failures = self._failures[remedy, what]
        last = self._last.get((remedy, what))
        if not failures or last is None or now < last:
            return True
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * float(2 ** min(failures - 1, 10)))
        return now - last >= pause

    def tried(self, remedy: str, what: str, now: datetime, *, helped: bool) -> None:
        """It was tried."""
        self._last[remedy, what] = now
        self._failures[remedy, what] = 0 if helped else self._failures[remedy, what] + 1


@dataclass(slots=True)
class Mending:
    """The remedies of one check. `asked`: a person waits for it. `at_most`: tries of each within it."""

    patience: Patience
    at_most: Mapping[str, int]
    asked: bool = False
    _tries: Counter[tuple[str, str]] = field(default_factory=Counter)
    _impossible: set[str] = field(default_factory=set)
    _first: dict[str, Finding] = field(default_factory=dict)
    _last: dict[str, str] = field(default_factory=dict)
    _helped: set[str] = field(default_factory=set)

    def plan(self, findings: Iterable[Finding], now: datetime) -> dict[str, list[str]]:
        """What to try now: remedy to the faults it is for. Of each fault the next remedy, nothing once all
        were tried. One remedy against several faults is tried once."""
        steps: dict[str, list[str]] = {}
        for finding in findings:
            remedy = self._next(finding.what, now)
            if remedy is not None:
                self._first.setdefault(finding.what, finding)
                steps.setdefault(remedy, []).append(finding.what)
        return steps

    def impossible(self, remedy: str) -> None:
        """It cannot be tried here: that was no try."""
        self._impossible.add(remedy)

    def tried(self, remedy: str, what: str, now: datetime, *, helped: bool) -> None:
        """It was tried, and the room measured again."""
        self._tries[remedy, what] += 1
        self._last[what] = remedy
        if helped:
            self._helped.add(what)
        self.patience.tried(remedy, what, now, helped=helped)

    def outcome(self, findings: Iterable[Finding]) -> list[Finding]:
        """What is still found at the end, each with what was tried in vain, and what was mended."""
        left = {
            f.what: Finding(
                f.what, f.text, self._last.get(f.what, ""), False if f.what in self._last else None
            )
            for f in findings
        }
        mended = [
            Finding(f.what, f.text, self._last[f.what], f.what in self._helped)
            for f in self._first.values()
            if f.what not in left and f.what in self._last
        ]
        return [*left.values(), *mended]

    def _next(self, what: str, now: datetime) -> str | None:
        fault = FAULTS.get(what)
        for remedy in fault.remedies if fault is not None else ():
            used_up = self._tries[remedy, what] >= self.at_most.get(remedy, 1)
            if used_up or remedy in self._impossible:
                continue
            if self.asked or self._tries[remedy, what] or self.patience.allows(remedy, what, now):
                return remedy
        return None
