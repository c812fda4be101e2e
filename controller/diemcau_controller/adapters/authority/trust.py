"""Which roots are trusted: the file `ca.crt` says it, by its content and its order.

First the active root, then the one asleep, then those that were active before and still vouch for somebody
(`former`), until they are forgotten. Units and servers get all of them; a root's name carries its number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from .certificates import common_name, pem_of, read_chain
from .errors import AuthorityError

_NAME = re.compile(r"Điểm Cầu root-([1-9][0-9]{0,5})")


@dataclass(frozen=True, slots=True)
class Trust:
    """The trusted roots."""

    active: x509.Certificate
    asleep: x509.Certificate
    former: tuple[x509.Certificate, ...] = ()

    @property
    def all(self) -> tuple[x509.Certificate, ...]:
        return (self.active, self.asleep, *self.former)

    @property
    def name_of_active(self) -> str:
        return root_name(self.active)

    def bundle(self) -> bytes:
        """The file, as PEM."""
        return pem_of(*self.all)

    def next_number(self) -> int:
        """The number of the next root that is made."""
        return 1 + max(root_number(root) or 0 for root in self.all)


@dataclass(frozen=True, slots=True)
class RootNow:
    """A root as people are told of it; `former` may be the only root of the time before there were two."""

    name: str
    state: str  # active, asleep, former
    not_after: datetime
    fingerprint: str  # SHA-256 of the DER, hex


def read_trust(path: Path) -> Trust | list[x509.Certificate]:
    """What `ca.crt` says; a list when it is from before there were two roots, or not there.

    Raises :class:`AuthorityError` for a file that is damaged: nothing is ever made in its place.
    """
    try:
        roots = read_chain(path.read_bytes())
    except FileNotFoundError:
        return []
    except ValueError:
        raise AuthorityError(
            f"{path} is damaged: put it back from a backup; made anew it would lock out every unit"
        ) from None
    if len(roots) >= 2 and root_number(roots[0]) and root_number(roots[1]):
        return Trust(roots[0], roots[1], tuple(roots[2:]))
    return roots


def common_name_of_root(number: int) -> str:
    return f"Điểm Cầu root-{number}"


def root_number(root: x509.Certificate) -> int | None:
    """N of `root-N`; None for the root of the time before they had numbers."""
    found = _NAME.fullmatch(common_name(root))
    return int(found[1]) if found else None


def root_name(root: x509.Certificate) -> str:
    """What its files and people call it: `root-1`, or `old`."""
    number = root_number(root)
    return f"root-{number}" if number else "old"


def root_now(root: x509.Certificate, state: str) -> RootNow:
    return RootNow(root_name(root), state, root.not_valid_after_utc, root.fingerprint(hashes.SHA256()).hex())
