"""Releases: how long signatures count, when they are made anew, and which version may be offered.

Units sleep for months and fetch fresh signatures when they wake, so what is signed here by itself may be
short-lived; what a person signs with keys from a drawer is long-lived (docs/decisions/0013).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from diemcau_wire.release import order

from .refusals import Conflict

ROOT_LIFE = timedelta(days=3652)
TARGETS_LIFE = timedelta(days=731)
SNAPSHOT_LIFE = timedelta(days=30)
TIMESTAMP_LIFE = timedelta(days=14)
TIMESTAMP_EVERY = timedelta(days=1)
ROOT_WARNING, TARGETS_WARNING = timedelta(days=366), timedelta(days=60)
CLOCK_TOLERANCE = timedelta(hours=1)


class Standing(StrEnum):
    """How far a release has come, in this order; a version is signed before anybody may be given it."""

    BUILT = "built"
    SIGNED = "signed"
    OFFERED = "offered"
    WITHDRAWN = "withdrawn"


class Need(StrEnum):
    """What a person should do about the releases, most urgent first."""

    REPAIR = "repair"
    CLOCK = "clock"
    ROTATE = "rotate"
    SIGN = "sign"
    FINISH = "finish"
    NOTHING = "nothing"
    NOT_SET_UP = "not_set_up"
    NOT_YET = "not_yet"


@dataclass(frozen=True, slots=True)
class ReleasesState:
    """What is needed; `about` is what is wrong, or the day of an end."""

    need: Need = Need.NOT_YET
    about: str = ""

    def sentence(self) -> str:
        """For whoever watches the controller."""
        return {
            Need.REPAIR: self.about,
            Need.CLOCK: f"this machine's clock stands before {self.about}, when a release was last vouched "
            "for: set it, or units will refuse what is signed now",
            Need.ROTATE: f"the root of the releases ends on {self.about}: fetch its keys and run "
            "`diemcau release rotate`",
            Need.SIGN: f"what was signed ends on {self.about}: fetch the keys and run `diemcau release sign`",
            Need.FINISH: f"{self.about}: fetch the next keys, or drop it with `diemcau release sign --drop`",
            Need.NOTHING: "ok",
            Need.NOT_SET_UP: "not set up: `diemcau release keys` when units shall be updated from here",
            Need.NOT_YET: "not looked at yet",
        }[self.need]


def next_number(former: int, now: datetime) -> int:
    """The version number of metadata that is made anew: higher than the former, and than any that a
    controller signed before it was restored from a backup, which units may have seen."""
    return max(former + 1, int(now.timestamp()))


def clock_went_back(signed_at: datetime, now: datetime) -> bool:
    """True when the clock stands well before the moment something was last signed by it."""
    return now < signed_at - CLOCK_TOLERANCE


def timestamp_due(expires: datetime, now: datetime) -> bool:
    """True when the timestamp is a day old."""
    return expires - TIMESTAMP_LIFE + TIMESTAMP_EVERY <= now


def snapshot_due(expires: datetime, now: datetime) -> bool:
    """True when half of its life is over."""
    return expires - SNAPSHOT_LIFE / 2 <= now


def what_is_needed(
    root_expires: datetime, targets_expires: datetime, waits_for: str, now: datetime
) -> ReleasesState:
    """What a person should do; `waits_for` is a sentence about something half signed, or ""."""
    if root_expires - ROOT_WARNING <= now:
        return ReleasesState(Need.ROTATE, f"{root_expires:%Y-%m-%d}")
    if targets_expires - TARGETS_WARNING <= now:
        return ReleasesState(Need.SIGN, f"{targets_expires:%Y-%m-%d}")
    if waits_for:
        return ReleasesState(Need.FINISH, waits_for)
    return ReleasesState(Need.NOTHING)


def check_not_older(version: str, offered: Iterable[str]) -> None:
    """Raise :class:`.refusals.Conflict` for a version below one that was already offered.

    Units go back to what they kept; the fleet goes back by a new rollout of a version that is still offered.
    """
    newest = max(offered, key=order, default=None)
    if newest is not None and order(version) < order(newest):
        raise Conflict(
            f"{newest} was offered already, and {version} is older: build what it shall have under a higher "
            "number",
            code="releases.older",
            version=version,
            newest=newest,
        )
