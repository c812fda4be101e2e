"""When somebody must show a security key, and for how long having shown it counts. Pure: time comes in."""

from __future__ import annotations

from datetime import datetime, timedelta

from .refusals import Forbidden, Invalid

VALID = timedelta(minutes=5)
CHALLENGE_VALID = timedelta(minutes=3)


class KeyNeeded(Forbidden):
    """The office wants a security key for this, and none was shown in the last minutes."""

    code = "second_factor.needed"


class NoKey(Forbidden):
    """The office wants a security key for this, and the user has none."""

    code = "second_factor.no_key"


class WrongKey(Invalid):
    """What the browser sent is not the answer of a key of this user to this question."""

    code = "second_factor.wrong"


def need_key(*, required: bool, keys: int, shown_at: datetime | None, now: datetime) -> None:
    """Let pass who showed a key within the last five minutes, or everybody where none is required.

    `keys` is how many the user has. A time that lies ahead (the clock was set back) counts as not shown.
    Raises :class:`NoKey` and :class:`KeyNeeded`.
    """
    if not required:
        return
    if not keys:
        raise NoKey("this needs a security key and you have none: register one on the page of your account")
    if shown_at is None or not timedelta(0) <= now - shown_at <= VALID:
        raise KeyNeeded("this needs your security key: show it on the page, then do this again")
