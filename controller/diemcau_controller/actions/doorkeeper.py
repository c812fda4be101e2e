"""What is remembered of attempts to log in, and where passwords are hashed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import cache
from ipaddress import IPv6Address, ip_address
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from ..rules.attempts import Attempts
from ..rules.refusals import Refusal

T = TypeVar("T")

_AT_ONCE = 2  # each takes 64 MiB for a fifth of a second


class TooMany(Refusal):
    """Too many wrong attempts; `values["seconds"]` is how long to wait."""

    code = "login.wait"


class Doorkeeper:
    """One for all who log in to this process."""

    def __init__(self) -> None:
        self._names, self._addresses = Attempts(free=5), Attempts(free=30)
        self._hashing = ThreadPoolExecutor(_AT_ONCE, "password")

    def attempt(self, name: str, address: str | None, now: datetime) -> None:
        """Count an attempt, which is a wrong one until :meth:`welcome` says otherwise.

        Raises :class:`TooMany` when name or address have to wait; nothing is counted then.
        """
        network = None if address is None else _network(address)
        wait = self._names.wait(name, now)
        if network is not None:
            wait = max(wait, self._addresses.wait(network, now))
        if wait > timedelta(0):
            seconds = int(wait.total_seconds()) + 1
            raise TooMany(f"too many wrong passwords: wait {seconds} s, then try again", seconds=seconds)
        self._names.count(name, now)
        if network is not None:
            self._addresses.count(network, now)

    def welcome(self, name: str, address: str | None) -> None:
        """The password was right."""
        self._names.forgive(name)
        if address is not None:
            self._addresses.forgive(_network(address))

    async def fits(self, known: str | None, password: str) -> bool:
        """True if a password in normal form has that hash; None has none, which takes as long to say."""
        return await self._run(_fits, known or _nobody(), password) and known is not None

    async def hashed(self, password: str) -> str:
        """The hash to keep of a password in normal form."""
        return await self._run(_hasher().hash, password)

    def outdated(self, known: str) -> bool:
        """True for a hash made with other parameters than today's."""
        return _hasher().check_needs_rehash(known)

    async def _run(self, work: Callable[..., T], *given: str) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._hashing, work, *given)


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
    """A hash of nobody's, to spend the same time on."""
    return _hasher().hash("nobody has this password")


def _network(address: str) -> str:
    """The address, or of IPv6 the network that one household or office has."""
    try:
        known = ip_address(address)
    except ValueError:
        return address[:60]
    return str(IPv6Address(int(known) >> 64 << 64)) if isinstance(known, IPv6Address) else address
