"""Units that were put in place after the backup this database comes from: a person says what holds.

The restored database binds the unit that served the site before. The spare is a stranger to it, but proves by
a certificate of our authority which site it was given, with an epoch above the known one. A certificate also
proves a binding that was revoked since, so nothing is taken over unasked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules.actor import SYSTEM, Actor
from ..rules.incidents import Kind
from ..rules.refusals import Conflict, NotFound
from ..store.tables import Certificate, Installation, LaterBinding, Site
from .audit import record
from .bind_unit import bind, bound, known_unit
from .controller import Controller, Letter
from .end_unit import end_unit, ended
from .open_incident import add_entry, insert_incident
from .scope import site_for

_TITLE = {"vi": "Thiết bị được thay thế sau bản sao lưu", "en": "A unit put in place after the backup"}
_STORY = {
    "vi": "Máy chủ được phục hồi từ bản sao lưu cũ hơn lần thay thiết bị này. "
    "Thiết bị {unit} có chứng thư của hệ thống cho điểm cầu này. "
    "Xin xác nhận hoặc khóa thiết bị này ở trang Lắp máy.",
    "en": "The server was restored from a backup older than this replacement. "
    "Unit {unit} holds a certificate of ours for this site. "
    "Confirm it or lock it out on the page of units that wait.",
}


@dataclass(frozen=True, slots=True)
class Claim:
    """What a certificate of our authority, whose key was proven, says of its unit's binding."""

    unit: str
    serial: str
    site: str
    epoch: int


def later_binding_noted(session: Session, claim: Claim) -> bool | None:
    """None when the claim proves a binding made after the backup that is not written down yet; else whether
    it waits for a decision. It does not when nothing was restored, for a certificate that is known, and for a
    binding that the database knows or has seen replaced."""
    restored = session.get_one(Installation, 1).restored_at
    if restored is None or session.get(Certificate, claim.serial) is not None:
        return False
    site = session.get(Site, claim.site)
    if claim.epoch <= (site.epoch if site is not None else 0):
        return False
    row = session.get(LaterBinding, claim.unit)
    return row.verdict is None if row is not None and row.epoch >= claim.epoch else None


def note_later_binding(session: Session, held: Claim, language: str, now: datetime) -> bool:
    """True when a certificate of ours proves a binding made after the backup; it then waits for a decision.

    The first time it is written down, with an incident at the site.
    """
    noted = later_binding_noted(session, held)
    if noted is not None:
        return noted
    site, row = session.get(Site, held.site), session.get(LaterBinding, held.unit)
    if row is None:
        row = LaterBinding(unit_id=held.unit)
        session.add(row)
    row.site_id, row.epoch, row.serial, row.seen_at = held.site, held.epoch, held.serial, now
    row.verdict = row.decided_at = row.decided_by = None
    after = {"site": held.site, "epoch": held.epoch}
    record(session, SYSTEM, now, "unit.later", f"unit:{held.unit}", after=after)
    if site is not None:
        incident = insert_incident(session, SYSTEM, now, site, Kind.OTHER, _TITLE[language])
        add_entry(incident, now, SYSTEM, "note", _STORY[language].format(unit=held.unit))
    session.flush()
    return True


def later_bindings(session: Session, who: Actor) -> list[LaterBinding]:
    """Those that wait for a decision, at sites `who` sees."""
    rows = select(LaterBinding).where(LaterBinding.verdict.is_(None)).order_by(LaterBinding.seen_at)
    return [row for row in session.scalars(rows) if who.sees(row.site_id)]


async def confirm_later_binding(controller: Controller, who: Actor, unit_id: str) -> int:
    """The unit serves its site indeed: bind it, with an epoch above both, and give that epoch.

    The unit the database knew there is ended. Raises :class:`Refusal`.
    """
    now = controller.now()

    def change(session: Session) -> tuple[int, str, str | None, list[Letter]]:
        row = _waiting(session, who, unit_id)
        site = site_for(session, who, row.site_id)
        site.epoch = max(site.epoch, row.epoch)
        unit = known_unit(session, unit_id)
        former, letters = bind(session, controller.settings, now, unit, site)
        row.verdict, row.decided_at, row.decided_by = "confirmed", now, who.name
        after = {"site": site.id, "epoch": unit.epoch, "former": former}
        record(session, who, now, "unit.later_confirm", f"unit:{unit_id}", after=after)
        return unit.epoch, site.id, former, letters

    epoch, site, former, letters = await controller.write(change)
    await bound(controller, unit_id, site, former, letters)
    return epoch


async def deny_later_binding(controller: Controller, who: Actor, unit_id: str) -> None:
    """Nobody put that unit there: its key counts no more, and it wipes itself when it asks next.

    A unit that serves another site goes on there. Raises :class:`Refusal`.
    """
    now = controller.now()

    def change(session: Session) -> tuple[bool, list[Letter]]:
        row = _waiting(session, who, unit_id)
        row.verdict, row.decided_at, row.decided_by = "refused", now, who.name
        record(session, who, now, "unit.later_deny", f"unit:{unit_id}", after={"site": row.site_id})
        unit = known_unit(session, unit_id)
        if unit.site_id is not None:
            return False, []
        return True, end_unit(session, controller.settings, now, unit, "revoked")

    over, letters = await controller.write(change)
    controller.send(letters)
    if over:
        await ended(controller, unit_id)
    controller.news.tell("unit", unit=unit_id, site=None)


def _waiting(session: Session, who: Actor, unit_id: str) -> LaterBinding:
    row = session.get(LaterBinding, unit_id)
    if row is None or not who.sees(row.site_id):
        raise NotFound(
            f"unit {unit_id[:40]} does not wait for a decision: `diemcau unit later` lists those that do",
            code="later.unknown",
        )
    if row.verdict is not None:
        raise Conflict(f"it was decided by {row.decided_by} already: {row.verdict}", code="later.decided")
    return row
