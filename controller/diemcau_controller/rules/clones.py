"""Two boxes with one identity: how they show. Pure.

Each connection of a unit counts a number up on its own disk and says it, with the id of its present start. A
copy starts with the number of its original, so sooner or later one of them says a number that was said
already; and when both are on, they take the broker's connection from each other by turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Start:
    """One start of something with a unit's identity: the highest number it said, the fingerprints of its
    disk and its machine ("": not known), and when it last connected."""

    boot: str
    count: int
    media: str
    box: str
    last_at: datetime


class Found(StrEnum):
    """What a connection says of the identity. `moved` is recorded and nothing else: a card was put into
    another box, or a disk copied to a new one, and only one of them is on."""

    TURNS = "turns"
    COUNT_BACK = "count_back"
    MOVED = "moved"


def judge(known: Sequence[Start], now: Start) -> Found | None:
    """What a connection means beside the starts that were seen before, in whatever order."""
    if not known:
        return None
    same = next((one for one in known if one.boot == now.boot), None)
    latest = max(known, key=lambda one: (one.last_at, one.count))
    if same is not None:
        if now.count <= same.count:
            return None  # told again by the broker
        return Found.TURNS if latest.boot != now.boot else None
    same_box = now.media == latest.media and now.box == latest.box
    highest = max(one.count for one in known)
    if now.count <= highest:
        # A power cut may take the last number with it. The same disk in the same machine is one box, unless
        # the other comes back, and then they take turns.
        return None if same_box and now.media and now.box else Found.COUNT_BACK
    return None if same_box else Found.MOVED
