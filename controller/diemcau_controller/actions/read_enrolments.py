"""What an office should look at of its units' admission, and the life of one unit, for pages and API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..rules.actor import Actor, Role
from ..rules.enrolment import State
from ..store.tables import AuditRow, Binding, Certificate, Clone, Enrolment, Join, Unit, User
from .clones import open_clones
from .wrong_tries import standing_alarms


@dataclass(frozen=True, slots=True)
class Waits:
    """What waits for somebody: units that show a code, alarms of wrong codes, identities that were copied."""

    units: int
    alarms: int
    clones: int

    def __bool__(self) -> bool:
        return bool(self.units or self.alarms or self.clones)


@dataclass(frozen=True, slots=True)
class UnitMove:
    """Its card or disk was seen in another machine (`of_box`), or this machine with another card or disk."""

    at: datetime
    of_box: bool


@dataclass(frozen=True, slots=True)
class UnitLife:
    """Everything known of one unit, each list newest first."""

    certificates: Sequence[Certificate]
    bindings: Sequence[Binding]
    starts: Sequence[Join]
    clones: Sequence[Clone]
    enrolments: Sequence[Enrolment]
    moves: Sequence[UnitMove]


def waits(session: Session, who: Actor, now: datetime) -> Waits:
    """How much waits for somebody. A unit that waits has no site yet: it is everybody's."""
    units = select(func.count()).select_from(Enrolment)
    units = units.where(Enrolment.state == State.WAITING.value, Enrolment.expires_at > now)
    return Waits(session.scalar(units) or 0, len(standing_alarms(session)), len(open_clones(session, who)))


def decided_units(session: Session, who: Actor, most: int) -> list[Enrolment]:
    """Enrolments that were decided, the newest first."""
    rows = select(Enrolment).where(Enrolment.decided_at.is_not(None), Enrolment.decided_by.is_not(None))
    found = session.scalars(rows.order_by(Enrolment.decided_at.desc()).limit(10 * most))
    return [row for row in found if row.site_id is None or who.sees(row.site_id)][:most]


def technicians(session: Session) -> list[User]:
    """Who can be given a work order, by name."""
    rows = select(User).where(User.role == Role.TECHNICIAN.value, User.disabled_at.is_(None))
    return list(session.scalars(rows.order_by(User.name)))


def unit_life(session: Session, unit: Unit) -> UnitLife:
    """The life of a unit."""
    certificates = select(Certificate).where(Certificate.unit_id == unit.id)
    bindings = select(Binding).where(Binding.unit_id == unit.id)
    starts = select(Join).where(Join.unit_id == unit.id)
    clones = select(Clone).where(Clone.unit_id == unit.id)
    enrolments = select(Enrolment).where(Enrolment.unit_id == unit.id)
    moves = select(AuditRow).where(AuditRow.subject == f"unit:{unit.id}", AuditRow.action == "unit.moved")
    return UnitLife(
        certificates=session.scalars(certificates.order_by(Certificate.issued_at.desc())).all(),
        bindings=session.scalars(bindings.order_by(Binding.bound_at.desc())).all(),
        starts=session.scalars(starts.order_by(Join.last_at.desc()).limit(20)).all(),
        clones=session.scalars(clones.order_by(Clone.found_at.desc())).all(),
        enrolments=session.scalars(enrolments.order_by(Enrolment.created_at.desc()).limit(10)).all(),
        moves=[_move(row) for row in session.scalars(moves.order_by(AuditRow.number.desc()).limit(10))],
    )


def _move(row: AuditRow) -> UnitMove:
    return UnitMove(row.at, (row.before or {}).get("box") != (row.after or {}).get("box"))


def site_epochs(session: Session, site_id: str) -> list[Binding]:
    """The units a site has had, the newest first."""
    rows = select(Binding).where(Binding.site_id == site_id).order_by(Binding.epoch.desc())
    return list(session.scalars(rows))
