"""What another system's claims come to here: a name, a role. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .actor import Role

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


def name_of(claims: Mapping[str, Any], claim: str) -> str | None:
    """What somebody is called here; None when the claim says nothing that can be a user's name.

    Of an address (`lan@example.vn`) the part before the @ counts.
    """
    said = _at(claims, claim)
    name = said.partition("@")[0].strip().lower() if isinstance(said, str) else ""
    return name if _NAME.fullmatch(name) else None


def role_of(claims: Mapping[str, Any], claim: str, roles: Mapping[Role, Sequence[str]]) -> Role | None:
    """The highest of our roles that one of the claim's values stands for; None for none."""
    said = _at(claims, claim)
    values = (
        {said}
        if isinstance(said, str)
        else {one for one in said if isinstance(one, str)}
        if isinstance(said, list)
        else set()
    )
    fitting = [role for role, theirs in roles.items() if values & set(theirs)]
    return max(fitting, key=list(Role).index, default=None)


def _at(claims: Mapping[str, Any], claim: str) -> object:
    """A claim by its name, or by the way to it: `realm_access.roles`."""
    if claim in claims:
        return claims[claim]
    found: object = claims
    for step in claim.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found
