"""Log in with name and password."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from ipaddress import IPv6Address, ip_address

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy.orm import Session

from ..rules.attempts import Attempts
from ..rules.passwords import LONGEST, normal
from ..rules.refusals import Refusal
from ..store.tables import User
from .audit import record
from .controller import Controller
from .scope import actor_of
from .web_session import open_session

_AT_ONCE = 2  # each takes 64 MiB for a fifth of a second

log = logging.getLogger(__name__)


class WrongPassword(Refusal):
    """Name and password do not belong together; which of the two is wrong is not said."""

    code = "login.wrong"


class TooMany(Refusal):
    """Too many wrong attempts; `values["seconds"]` is how long to wait."""

    code = "login.wait"


@dataclass
class Doorkeeper:
    """What is remembered of attempts to log in, and how many are looked at together."""

    names: Attempts = field(default_factory=lambda: Attempts(free=5))
    addresses: Attempts = field(default_factory=lambda: Attempts(free=30))
    hashing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))


async def log_in(controller: Controller, door: Doorkeeper, name: str, password: str, address: str) -> str:
    """Check a password and open a session; gives the secret for the cookie.

    Raises :class:`WrongPassword`, the same and after the same time for a name nobody has, and
    :class:`TooMany` without looking at the password.
    """
    name, password, now = name.strip().lower()[:80], normal(password[: 2 * LONGEST]), controller.now()
    network = _network(address)
    wait = max(door.names.wait(name, now), door.addresses.wait(network, now))
    if wait:
        raise TooMany(
            f"too many wrong passwords: wait {_seconds(wait)} s, then try again", seconds=_seconds(wait)
        )
    door.names.count(name, now)
    door.addresses.count(network, now)
    with controller.database.read() as session:
        user = session.get(User, name)
        known = user.password_hash if user is not None and user.disabled_at is None else None
    async with door.hashing:
        fits = await asyncio.to_thread(_fits, known or _nobody(), password) and known is not None
        fresh = await hashed(password) if fits and _hasher().check_needs_rehash(known or "") else known
    if not fits:
        log.warning("log-in refused", extra={"user": name, "address": address})
        raise WrongPassword("name or password is wrong: try again, or ask an administrator for a link")
    door.names.forgive(name)
    door.addresses.forgive(network)

    def change(session: Session) -> str:
        user = session.get(User, name)
        if user is None or user.disabled_at is not None or user.password_hash != known:
            raise WrongPassword("name or password has just been changed: try again")
        user.password_hash = fresh
        return enter(session, user, now, address)

    return await controller.write(change)


def enter(session: Session, user: User, now: datetime, address: str) -> str:
    """Open a session for a user and write that down; gives the secret for the cookie."""
    who = actor_of(session, user)
    record(session, who, now, "user.log_in", f"user:{user.name}", after={"address": address})
    return open_session(session, user, now, address)


async def hashed(password: str) -> str:
    """The hash to keep of a password in normal form. Takes a fifth of a second of another thread."""
    return await asyncio.to_thread(_hasher().hash, password)


async def fits(known: str | None, password: str) -> bool:
    """True if a password is the one of that hash."""
    return known is not None and await asyncio.to_thread(_fits, known, normal(password[: 2 * LONGEST]))


def _fits(known: str, password: str) -> bool:
    try:
        return _hasher().verify(known, password)
    except (Argon2Error, InvalidHashError):
        return False


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _nobody() -> str:
    """A hash that takes as long to check as any other."""
    return _hasher().hash("nobody's password")


def _network(address: str) -> str:
    """The address, or of IPv6 the network one household or office has."""
    try:
        known = ip_address(address)
    except ValueError:
        return address[:60]
    return str(IPv6Address(int(known) >> 64 << 64)) if isinstance(known, IPv6Address) else address


def _seconds(wait: timedelta) -> int:
    return max(1, round(wait.total_seconds() + 0.5))
