"""Cut the lines of a unit that has lost its rights.

That it has none is said by the database: it serves no site. From there the broker's list follows
(:mod:`..services.broker_rights`, which ends its connection), HTTPS asks at each request, and the porter shuts
its line to Janus within a second. This only writes down since when, and hurries the first of them.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..store.tables import Cut, Unit
from .controller import Controller


def want_cut(session: Session, unit_id: str, now: datetime) -> None:
    """In the transaction that takes the unit's rights: its lines are to be cut."""
    cut = session.get(Cut, unit_id)
    if cut is None:
        session.add(Cut(unit_id=unit_id, wanted_at=now))
    else:
        cut.wanted_at, cut.done_at = now, None


def cut_off(controller: Controller, unit_id: str) -> None:
    """After its commit: at once. Again does no harm, and is not needed: what is not done is tried again."""
    controller.news.tell("cut", unit=unit_id)


def open_cuts(session: Session) -> list[str]:
    """Units whose lines are to be cut, and may still stand."""
    return [*session.scalars(select(Cut.unit_id).where(Cut.done_at.is_(None)).order_by(Cut.wanted_at))]


async def note_cuts(controller: Controller, units: list[str]) -> None:
    """The broker knows these units no more: they are gone, whatever they said last."""
    now = controller.now()

    def change(session: Session) -> list[str]:
        done = []
        for unit_id in units:
            cut, unit = session.get(Cut, unit_id), session.get(Unit, unit_id)
            if cut is None or cut.done_at is not None or (unit is not None and unit.site_id is not None):
                continue
            cut.done_at = now
            if unit is not None and unit.status != "never":
                unit.status = "lost"  # a connection that the broker ends leaves no will
            done.append(unit_id)
        return done

    for unit_id in await controller.write(change):
        controller.news.tell("unit", unit=unit_id, site=None, status="lost")
