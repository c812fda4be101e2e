"""Decide about two boxes with one identity."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.refusals import Conflict, NotFound
from ..store.tables import Clone, Join, Unit
from .audit import record
from .controller import Controller, Letter
from .end_unit import end_unit, ended


class CloneVerdict(StrEnum):
    """mistaken: there is only one box, nothing changes. enrol_anew: the identity is copied, so it ends, for
    both boxes; the one that is to serve the site makes a new key and is admitted like a new unit."""

    MISTAKEN = "mistaken"
    ENROL_ANEW = "enrol_anew"


def open_clones(session: Session, who: Actor) -> list[Clone]:
    """Those that wait for a decision and are about a site in scope, the oldest first."""
    rows = session.scalars(select(Clone).where(Clone.decided_at.is_(None)).order_by(Clone.number))
    return [one for one in rows if who.sites is None or (one.site_id is not None and who.sees(one.site_id))]


async def decide_clone(controller: Controller, who: Actor, number: int, verdict: CloneVerdict) -> None:
    """Decide. Raises :class:`NotFound`, and :class:`Conflict` where it was decided otherwise."""
    now = controller.now()

    def change(session: Session) -> tuple[str, str | None, list[Letter], bool]:
        clone = session.get(Clone, number)
        if clone is None or not (who.sites is None or (clone.site_id and who.sees(clone.site_id))):
            raise NotFound(f"there is no case {number} to decide", code="clones.unknown")
        if clone.decided_at is not None:
            if clone.verdict == verdict:
                return clone.unit_id, clone.site_id, [], False
            raise Conflict("this case was decided already", code="clones.decided")
        unit = session.get_one(Unit, clone.unit_id)
        letters: list[Letter] = []
        ends = verdict is CloneVerdict.ENROL_ANEW and unit.ended is None
        if ends:
            letters = end_unit(session, controller.settings, now, unit, "revoked")
        else:  # what was seen so far is that one box; only what comes now counts
            session.execute(delete(Join).where(Join.unit_id == unit.id, Join.boot_id != (unit.boot_id or "")))
        clone.decided_at, clone.decided_by, clone.verdict = now, who.name, verdict.value
        record(session, who, now, "clone.decide", f"unit:{unit.id}", after={"verdict": verdict.value})
        return clone.unit_id, clone.site_id, letters, ends

    unit, site, letters, ends = await controller.write(change)
    controller.send(letters)
    if ends:
        await ended(controller, unit)
    controller.news.tell("clone", unit=unit, site=site)
    controller.news.tell("site", site=site, unit=unit)
