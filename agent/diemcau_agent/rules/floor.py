"""Who is seen and heard at this site: which floor message counts, and what it means here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from diemcau_wire.messages import Floor, Occurrence

SILENCE = timedelta(seconds=30)
"""Without a floor message for this long the default floor holds."""


@dataclass(frozen=True, slots=True)
class Slots:
    """What the floor means for a site: two pictures, at most three voices, and whether it speaks itself."""

    video: tuple[str | None, str | None] = (None, None)
    audio: tuple[str, ...] = ()
    speaking: bool = False


@dataclass(frozen=True, slots=True)
class HeldFloor:
    """The newest floor message of the meeting the unit is in, and when it (or its repeat) came."""

    seq: int = -1
    speakers: tuple[str, ...] = ()
    names: dict[str, str] = field(default_factory=dict)
    heard_at: datetime | None = None
    generation: int = 1


def refusal(held: HeldFloor, message: Floor, meeting: str | None) -> str | None:
    """Why `message` does not count for a unit in `meeting`; None when it does."""
    if message.meeting != meeting:
        return f"it is for meeting {message.meeting}, this unit is in {meeting or 'none'}"
    if message.generation == held.generation and message.seq < held.seq:
        return f"sequence {message.seq} is older than {held.seq}"
    return None


def hold(held: HeldFloor, message: Floor, now: datetime) -> HeldFloor:
    """The floor after `message`, which must not be refused."""
    names = {**held.names, **message.names}
    return HeldFloor(message.seq, tuple(message.speakers), names, now, message.generation)


def speakers(held: HeldFloor, meeting: Occurrence, now: datetime) -> tuple[str, ...]:
    """Who has the floor: what was last said, or the main site when nothing was said for 30 s."""
    if held.heard_at is None or now - held.heard_at >= SILENCE:
        return (meeting.main_site,)
    return held.speakers


def slots(me: str, main_site: str, speaking: tuple[str, ...]) -> Slots:
    """The slots of site `me`.

    First picture: the speaker, of several the one granted last; the main site when nobody (else)
    speaks. Second picture: the main site if it is not the first. Never the site itself.
    """
    others = [site for site in speaking if site != me]
    main = main_site if main_site != me else None
    first = others[-1] if others else main
    second = main if main != first else None
    return Slots((first, second), tuple(others[-3:]), me in speaking)
