"""From the findings of a check to one verdict and one instruction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from diemcau_agent.checks import FAULTS, Finding, Weight


class Verdict(StrEnum):
    """ready: nothing found, or all of it mended. remark: it will work, but …; not_ready: it will not;
    unknown: not checked, or not to the end; checking: a check runs."""

    READY = "ready"
    REMARK = "remark"
    NOT_READY = "not_ready"
    UNKNOWN = "unknown"
    CHECKING = "checking"


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the screen and the board show: the verdict and the key of the one instruction, or "". `findings`:
    the worst first, what was mended last."""

    verdict: Verdict = Verdict.UNKNOWN
    instruction: str = ""
    findings: tuple[Finding, ...] = field(default=())


CHECKING = Readiness(Verdict.CHECKING)

_VERDICTS = {
    Weight.NOT_READY: Verdict.NOT_READY,
    Weight.REMARK: Verdict.REMARK,
    Weight.UNKNOWN: Verdict.UNKNOWN,
}
_ORDER = list(Weight)
_WORDS = list(FAULTS)


def judge(findings: Iterable[Finding]) -> Readiness:
    """The readiness that follows from `findings`; a word not known here is a remark."""
    found = tuple(sorted(findings, key=_worst_first))
    open_ones = [finding for finding in found if not finding.mended]
    if not open_ones:
        return Readiness(Verdict.READY, "", found)
    instruction = next((f.what for f in open_ones if _weight(f) is not Weight.UNKNOWN), "")
    return Readiness(_VERDICTS[_weight(open_ones[0])], instruction, found)


def _weight(finding: Finding) -> Weight:
    fault = FAULTS.get(finding.what)
    return fault.weight if fault is not None else Weight.REMARK


def _worst_first(finding: Finding) -> tuple[bool, int, int]:
    place = _WORDS.index(finding.what) if finding.what in FAULTS else len(_WORDS)
    return finding.mended is True, _ORDER.index(_weight(finding)), place
