"""The judge: from what halls showed and played, who was seen and heard, and whose fault it is if not.

It knows nothing of connections: a picture counts when the site's own code with a running clock is read from
another hall's screen, a sound when it is recognised in what another hall played.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Literal

import zxingcpp
from PIL import Image

from .voices import Verdict

RECENT_MS = 4_000
_CODE = re.compile(r"DC1 ([a-z0-9][a-z0-9-]{0,39}) (\d{13})")

Sense = Literal["seen", "heard"]


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a screen: when (Unix ms), and which site codes were on it, with their clocks (Unix ms)."""

    at_ms: int
    codes: dict[str, int]


def look(png: Path, at_ms: int) -> Look:
    """Read the codes in a picture of a screen."""
    with Image.open(png) as image:
        found = zxingcpp.read_barcodes(image.convert("L"), formats=zxingcpp.BarcodeFormat.QRCode)
    matches = [_CODE.fullmatch(code.text) for code in found]
    return Look(at_ms, {match[1]: int(match[2]) for match in matches if match})


def seen(site: str, looks: Sequence[Look]) -> Verdict:
    """Was `site` seen live: its code in two looks at least, its clock recent and running in all of them?"""
    clocks = [(one.at_ms, one.codes[site]) for one in looks if site in one.codes]
    if not looks:
        return Verdict(False, "the screen gave no picture")
    if len(clocks) < 2:
        return Verdict(False, f"its code was in {len(clocks)} of {len(looks)} pictures of the screen")
    late = max(at - clock for at, clock in clocks)
    if len({clock for _, clock in clocks}) < len(clocks):
        return Verdict(False, "its picture stood still")
    if late > RECENT_MS:
        return Verdict(False, f"its picture was {late / 1000:.1f} s late")
    return Verdict(True)


@dataclass(frozen=True, slots=True)
class Finding:
    """One sense of one turn: whether `speaker` was seen or heard at `viewer`."""

    sense: Sense
    speaker: str
    viewer: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Judgement:
    """What it came to: `seen` and `heard` by site, who is at fault, and the sentences to print."""

    seen: dict[str, list[str]]
    heard: dict[str, list[str]]
    blame: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def judge(sites: dict[str, str], absent: dict[str, str], findings: Sequence[Finding]) -> Judgement:
    """`sites` is id to name; `absent` says of sites that were not there (never joined, died …) why.

    `seen` of a site is whom it saw, `heard` whom it heard. A site that was not there explains whatever
    failed to and from it; of the rest the fewest senders and receivers that explain all are at fault.
    """
    problems = [f"{sites[site]}: {why}" for site, why in absent.items()]
    blamed = set(absent)
    senses: tuple[Sense, ...] = ("seen", "heard")
    for sense in senses:
        failed = [
            finding
            for finding in findings
            if finding.sense == sense
            and not finding.verdict.ok
            and not {finding.speaker, finding.viewer} & {*absent}
        ]
        blamed |= at_fault((finding.speaker, finding.viewer) for finding in failed)
        problems += [
            f"{sites[finding.speaker]} was not {sense} at {sites[finding.viewer]}: {finding.verdict.why}"
            for finding in failed
        ]

    def perceived(sense: Sense, viewer: str) -> list[str]:
        good = {f.speaker for f in findings if f.sense == sense and f.viewer == viewer and f.verdict.ok}
        bad = {f.speaker for f in findings if f.sense == sense and f.viewer == viewer and not f.verdict.ok}
        return [site for site in sites if site in good - bad]

    return Judgement(
        {site: perceived("seen", site) for site in sites},
        {site: perceived("heard", site) for site in sites},
        [site for site in sites if site in blamed],
        problems,
    )


def at_fault(failed: Iterable[tuple[str, str]]) -> set[str]:
    """Sites at fault, given who (speaker) failed to reach whom (viewer).

    Each failure is the speaker's, who reaches nobody, or the viewer's, whom nobody reaches. The smallest
    set of such faults that explains all failures is taken; where several are as small, each of their
    sites is named, because nobody can tell.
    """
    edges = set(failed)
    faults = sorted({("sends", speaker) for speaker, _ in edges} | {("takes", viewer) for _, viewer in edges})
    for size in range(len(faults) + 1):
        explaining = [
            chosen
            for chosen in combinations(faults, size)
            if all(("sends", speaker) in chosen or ("takes", viewer) in chosen for speaker, viewer in edges)
        ]
        if explaining:
            return {site for chosen in explaining for _, site in chosen}
    return set()
