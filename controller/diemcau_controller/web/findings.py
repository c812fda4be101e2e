"""What a check found, in words: what it is, what is to be done, what the unit tried; and what is open."""

from __future__ import annotations

from dataclasses import dataclass

from diemcau_wire.topics import Channel

from ..actions.fleet import SiteNow
from ..rules.verdicts import Finding
from .plots import fault_name
from .words import Words


@dataclass(frozen=True, slots=True)
class Found:
    """A finding in words: what it is, what is to be done, what the unit tried and whether it helped."""

    tone: str
    name: str
    todo: str
    tried: str
    cause: str


def findings(site: SiteNow, words: Words) -> list[Found]:
    """What the last check found, what is still wrong first."""
    found = sorted(site.verdict.findings, key=lambda one: (one.mended is True, one.weight != "not_ready"))
    return [_found(one, words) for one in found]


def open_outside(site: SiteNow) -> tuple[str, ...]:
    """Which of camera and microphone are open although the hall is in no meeting, nor on its way into one."""
    session = site.newest.get(Channel.REPORTED_SESSION, {})
    inside = bool(session.get("meeting")) and session.get("state") not in ("idle", "countdown")
    return () if inside else site.room.open


def _found(finding: Finding, words: Words) -> Found:
    tried = ""
    if finding.remedy:
        remedy = words.known("remedy", finding.remedy, "other")
        tried = words(f"notice.tried_{'helped' if finding.mended else 'in_vain'}", remedy=remedy)
    return Found(
        tone="good" if finding.mended else "bad" if finding.weight == "not_ready" else "care",
        name=fault_name(words, finding.what),
        todo="" if finding.mended else words.known("instruction", finding.what, "other"),
        tried=tried,
        cause=finding.text,
    )
