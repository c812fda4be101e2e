"""What a unit says of a check of its room: read whatever it may hold, and told apart by device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

VERDICTS = ("ready", "remark", "not_ready")
DEVICES = ("camera", "microphone", "sound", "television", "line", "machine")
_OF_DEVICE: Mapping[str, str] = {
    "camera": "camera",
    "microphone": "microphone",
    "sound": "sound",
    "television": "television",
    "screen": "television",
    "edid": "television",
    "line": "line",
    "link": "line",
    "janus": "line",
}
_MOST, _LONGEST = 40, 300
_LATE = timedelta(
    days=60
)  # a unit that was away tells of its checks then; one that is later has a wrong clock
_EARLY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a check found. `what` is a stable word, `text` the cause for whoever knows, `remedy` what the
    unit tried (""), `mended` whether that helped (None: not tried), `weight` `remark` or `not_ready`."""

    what: str
    text: str
    remedy: str
    mended: bool | None
    weight: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`verdict` is one of :data:`VERDICTS`, or "" when nothing sensible was said; `instruction` the word of
    the one thing to do, or "". `asked_by` says why it was checked."""

    verdict: str
    instruction: str
    findings: tuple[Finding, ...]
    asked_by: str
    took_s: float | None

    @property
    def open(self) -> tuple[Finding, ...]:
        """What is still wrong."""
        return tuple(one for one in self.findings if one.mended is not True)

    @property
    def fault(self) -> str:
        """The word that names why the site is not ready: once somebody was told of it, it is told again only
        when it changes."""
        return self.instruction or next((one.what for one in self.open), "other")


def read_verdict(data: Mapping[str, Any]) -> Verdict:
    """The `data` of a verdict event; what makes no sense in it counts as not said."""
    verdict = data.get("verdict")
    found = data.get("findings")
    took = data.get("took_s")
    usual = "not_ready" if verdict == "not_ready" else "remark"
    findings = [_finding(one, usual) for one in found[:_MOST]] if isinstance(found, list) else []
    return Verdict(
        verdict=verdict if verdict in VERDICTS else "",
        instruction=_word(data.get("instruction")),
        findings=tuple(one for one in findings if one is not None),
        asked_by=_word(data.get("asked_by")),
        took_s=float(took) if isinstance(took, int | float) and 0 <= took < 3600 else None,
    )


def device_of(what: str) -> str:
    """Which of :data:`DEVICES` a fault is of: `machine` for all that is none of the others."""
    return _OF_DEVICE.get(what.partition("_")[0], "machine")


def moment_of(at: datetime, now: datetime) -> datetime:
    """When a check was: as the unit says, or, where its clock was wrong, when it was told here."""
    return at if now - _LATE <= at <= now + _EARLY else now


def day_of(at: datetime, now: datetime, zone: tzinfo) -> str:
    """The day a check counts for, `2026-03-12`."""
    return moment_of(at, now).astimezone(zone).date().isoformat()


def _finding(said: Any, usual: str) -> Finding | None:
    if not isinstance(said, Mapping) or not _word(said.get("what")):
        return None
    weight, mended = said.get("weight"), said.get("mended")
    return Finding(
        what=_word(said.get("what")),
        text=str(said.get("text") or "")[:_LONGEST],
        remedy=_word(said.get("remedy")),
        mended=mended if isinstance(mended, bool) else None,
        weight=weight if weight in ("remark", "not_ready") else usual,
    )


def _word(said: Any) -> str:
    """A stable word, or "": letters, digits and underscores, at most 60."""
    return (
        said if isinstance(said, str) and said.isascii() and said.isidentifier() and len(said) <= 60 else ""
    )
