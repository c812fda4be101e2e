"""Lock a unit out: it is stolen, lost, or its identity was copied."""

from __future__ import annotations

from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.refusals import Invalid
from .audit import record
from .controller import Controller, Letter
from .end_unit import end_unit, ended
from .scope import unit_for


async def revoke(controller: Controller, who: Actor, unit_id: str, reason: str) -> None:
    """Take everything from a unit and give its site none. Again is no change. A reason is needed."""
    why = reason.strip()
    if not why:
        raise Invalid("say why: it stands in the list of changes", code="units.reason", field="reason")
    now = controller.now()

    def change(session: Session) -> tuple[str | None, list[Letter]]:
        unit = unit_for(session, who, unit_id)
        if unit.ended == "revoked":
            return None, []
        site = unit.site_id
        before = {"site": site, "ended": unit.ended}
        letters = end_unit(session, controller.settings, now, unit, "revoked")
        after = {"site": None, "ended": "revoked", "reason": why[:500]}
        record(session, who, now, "unit.revoke", f"unit:{unit_id}", before=before, after=after)
        return site, letters

    site, letters = await controller.write(change)
    controller.send(letters)
    await ended(controller, unit_id)
    controller.news.tell("site", site=site, unit=unit_id)
