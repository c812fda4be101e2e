"""Whom a box that knows nobody may believe: a coordinator whose roots are pinned before anything is told."""

from __future__ import annotations

from datetime import datetime

from diemcau_wire.enrolment import Roots, fingerprint_of

from .https import Coordinator
from .trouble import Trouble


def meet(address: str, fingerprints: frozenset[str]) -> tuple[list[str], datetime]:
    """The roots (PEM) of the coordinator at `address`, and what time it is there.

    With `fingerprints`, one of the roots must be among them, and those that are must vouch for the server:
    then nobody can stand between. Without, the stranger is taken at his word, and what proves him are the
    nine digits. Raises :class:`Trouble` and `Refusal`.
    """
    with Coordinator(address, None) as stranger:
        said = stranger.get("/roots", Roots)
    roots = list(said.roots)
    vouching = [pem for pem in roots if _fingerprint(pem, address) in fingerprints] if fingerprints else roots
    if not vouching:
        raise Trouble("address", "foreign_authority", where=address, detail="none of the roots is expected")
    with Coordinator(address, vouching) as known:
        verified = known.get("/roots", Roots)
    if list(verified.roots) != roots:
        raise Trouble("address", "foreign_authority", where=address, detail="it names other roots each time")
    return roots, verified.now


def _fingerprint(pem: str, address: str) -> str:
    try:
        return fingerprint_of(pem)
    except ValueError:
        raise Trouble("address", "no_coordinator", where=address, detail="a root is no certificate") from None
