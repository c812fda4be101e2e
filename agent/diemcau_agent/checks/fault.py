"""What a check is made of: faults with their weight and remedies, and findings of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from diemcau_wire.messages import DesiredConfig

Part = Mapping[str, Any]
Measured = Mapping[str, Part]
"""What was measured, by part (`camera`, `line`, …): plain values that went through JSON, so anything may be
missing or of another kind (`values.py`). A part that is not there was not measured and says nothing."""


class Weight(StrEnum):
    """not_ready: the hall cannot attend like this. remark: it can, but somebody should look. unknown: the
    check itself did not get far enough to say."""

    NOT_READY = "not_ready"
    REMARK = "remark"
    UNKNOWN = "unknown"


class Call(StrEnum):
    """Who can help when the remedies did not: somebody in the hall alone, the coordinator, the company that
    maintains line or mains."""

    HALL = "hall"
    COORDINATOR = "coordinator"
    LINE = "line"
    ELECTRICIAN = "electrician"


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault. `what` is its stable word, `seen` how the check sees it (for the documents),
    `remedies` are names in `diemcau_agent.remedies`, tried in this order."""

    what: str
    weight: Weight
    seen: str
    remedies: tuple[str, ...] = ()
    call: Call = Call.COORDINATOR


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault that a check found. `what` is a stable word, `text` is for the technician. `remedy` is the
    last one tried, or ""; `mended` says whether measuring again found the fault gone, None when nothing was
    tried."""

    what: str
    text: str = ""
    remedy: str = ""
    mended: bool | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `judge` is pure: what was measured and how the hall is set up, to findings, and it takes
    anything for measured values; `parts` are those it looks at."""

    name: str
    parts: tuple[str, ...]
    faults: tuple[Fault, ...]
    judge: Callable[[Measured, DesiredConfig], list[Finding]]
