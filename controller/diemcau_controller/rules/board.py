"""What the board says of a site in one word, what comes first, and how a meeting stands before it begins.

States: `not_ready`, `lost`, `silent`, `offline`, `remark`, `unknown`, `never`, `no_unit`, `in_meeting`,
`ready`. Tones: `bad`, `care`, `none`, `live`, `good`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

WORST_FIRST = (
    "not_ready",
    "lost",
    "silent",
    "offline",
    "remark",
    "unknown",
    "never",
    "no_unit",
    "in_meeting",
    "ready",
)
TONES: Mapping[str, str] = {
    "not_ready": "bad",
    "lost": "bad",
    "silent": "bad",
    "offline": "bad",
    "remark": "care",
    "unknown": "none",
    "never": "none",
    "no_unit": "none",
    "in_meeting": "live",
    "ready": "good",
}
STANDINGS: Mapping[str, str] = {
    "in_meeting": "ready",
    "ready": "ready",
    "remark": "look",
    "unknown": "look",
    "not_ready": "look",
    "lost": "lost",
    "silent": "lost",
    "offline": "lost",
    "never": "lost",
    "no_unit": "no_unit",
}
_RANK = {state: place for place, state in enumerate(WORST_FIRST)}
_CONNECTED = ("online", "silent")
_INSIDE = ("in_meeting", "reconnecting")
_GOOD_MS, _SLOW_MS = 150.0, 400.0


def rank(state: str) -> int:
    """Its place on the board: 0 is the worst."""
    return _RANK[state]


def state_of(status: str | None, session_state: str | None, verdict: str | None) -> str:
    """The state of a site. `status` is its unit's (None: no unit), `verdict` its newest self-check's."""
    if status is None:
        return "no_unit"
    if status != "online":
        return status if status in _RANK else "unknown"
    if session_state in _INSIDE:
        return "in_meeting"
    return verdict if verdict in ("ready", "remark", "not_ready") else "unknown"


def line_of(status: str | None, rtt_ms: float | None) -> str:
    """The line in a word: `good`, `slow`, `poor`; `unknown` where nothing was measured or nobody is there."""
    if status != "online" or rtt_ms is None:
        return "unknown"
    return "good" if rtt_ms < _GOOD_MS else "slow" if rtt_ms < _SLOW_MS else "poor"


@dataclass(frozen=True, slots=True)
class Invited:
    """A site of a meeting, as it stands now. `inside`: in the room of that meeting."""

    site: str
    name: str
    state: str
    inside: bool = False
    reachable: bool = True  # there is a telephone number


@dataclass(frozen=True, slots=True)
class Risk:
    """How a meeting stands: its sites by standing, and whom to call first, in that order.

    Before it opens the standings are `ready`, `look` (a look is needed), `lost` and `no_unit`; from then on
    `inside` is what counts, and whom to call is whoever is not there.
    """

    total: int
    inside: int
    standings: Mapping[str, int] = field(default_factory=dict)
    call: tuple[str, ...] = ()


def risk(sites: Iterable[Invited], main_site: str, *, opened: bool) -> Risk:
    """The risk of a meeting. First the main site, without which there is no meeting, then by how bad it is;
    of equals those one can call, then by name. A site without a unit cannot come in by a call."""
    found = list(sites)
    if opened:
        wanting = [one for one in found if not one.inside and one.state != "no_unit"]
    else:
        wanting = [one for one in found if one.state not in ("ready", "in_meeting", "no_unit")]
    wanting.sort(key=lambda one: (one.site != main_site, rank(one.state), not one.reachable, one.name))
    return Risk(
        total=len(found),
        inside=sum(one.inside for one in found),
        standings=dict(Counter(STANDINGS[one.state] for one in found)),
        call=tuple(one.site for one in wanting),
    )


def connected(status: str | None) -> bool:
    """True when a unit's last word of its session still counts."""
    return status in _CONNECTED
