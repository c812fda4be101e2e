"""Who acts, in which role, and on which sites. Everything is done by somebody."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """From least to most; each includes those before it, but for technician, which only operator and
    administrator include.

    contractor: incidents and sites it is bound to, nothing of the schedule. technician: that, and installs or
    replaces units where a work order says so. viewer: reads. secretary: also meetings, floor, attendance,
    reports. operator: also sites, units, incidents. administrator: also users, areas, imports and the gate's
    confirmation.
    """

    CONTRACTOR = "contractor"
    TECHNICIAN = "technician"
    VIEWER = "viewer"
    SECRETARY = "secretary"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"

    def may(self, needed: Role) -> bool:
        """True if this role includes `needed`."""
        if needed == Role.TECHNICIAN:
            return self in _ENROL
        return _ORDER[self] >= _ORDER[needed]


_ORDER = {role: place for place, role in enumerate(Role)}
_ENROL = frozenset({Role.TECHNICIAN, Role.OPERATOR, Role.ADMINISTRATOR})
OUTSIDE = frozenset({Role.CONTRACTOR, Role.TECHNICIAN})  # not of the office: bound to sites, always


@dataclass(frozen=True, slots=True)
class Actor:
    """`sites` is what the actor is bound to (None: every site), `areas` the areas these sites come from.

    `name` is what one logs in with and what is written down; `display_name` is for people, or "".
    """

    name: str
    role: Role
    sites: frozenset[str] | None = None
    areas: frozenset[str] = frozenset()
    display_name: str = ""

    def may(self, needed: Role) -> bool:
        """True if the role includes `needed`."""
        return self.role.may(needed)

    def sees(self, site_id: str) -> bool:
        """True for a site in scope."""
        return self.sites is None or site_id in self.sites

    def sees_any(self, site_ids: Iterable[str]) -> bool:
        """True when one of these is in scope: what makes a meeting visible."""
        return self.sites is None or any(site in self.sites for site in site_ids)

    def sees_all(self, site_ids: Iterable[str]) -> bool:
        """True when all of these are in scope: what makes a meeting one's own to change."""
        return self.sites is None or all(site in self.sites for site in site_ids)

    def holds(self, area_id: str | None) -> bool:
        """True when a site may be put into that area (None: into none)."""
        return self.sites is None or area_id in self.areas


SYSTEM = Actor("system", Role.ADMINISTRATOR)  # the controller itself: background services
