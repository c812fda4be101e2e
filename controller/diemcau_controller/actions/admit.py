"""Admit a unit to a site: the one transaction, whoever decided it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from diemcau_wire.enrolment import What
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..adapters.authority import Authority
from ..rules.actor import Actor
from ..rules.enrolment import Step
from ..rules.refusals import Conflict
from ..store.tables import Enrolment, Site, WorkOrder
from .audit import record
from .bind_unit import bind, bound, known_unit
from .certificates import record_certificate
from .controller import Controller, Letter
from .enrolment_now import step


@dataclass(frozen=True, slots=True)
class Admitted:
    """What was decided: `unit` serves `site` with `epoch`, in the place of `former`."""

    enrolment: str
    unit: str
    site: str
    epoch: int
    former: str | None
    letters: tuple[Letter, ...] = ()

    async def follow(self, controller: Controller) -> None:
        """After the commit: tell the halls, and cut the former unit off. May be done again."""
        await bound(controller, self.unit, self.site, self.former, list(self.letters))
        controller.news.tell("enrolment", unit=self.unit, site=self.site)


def need_fitting(site: Site, unit_id: str, what: What) -> None:
    """Refuse to install where there is another unit, and to replace where there is none."""
    there = site.unit.id if site.unit is not None else None
    if what is What.INSTALL and there is not None and there != unit_id:
        raise Conflict(
            f"{site.name} has a unit already: if this one is to take its place, choose to replace it",
            code="enrol.site_has_unit",
            site=site.name,
            unit=there,
        )
    if what is What.REPLACE and there is None:
        raise Conflict(
            f"{site.name} has no unit that could be replaced: choose a first installation",
            code="enrol.nothing_to_replace",
            site=site.name,
        )


def admit(
    session: Session,
    controller: Controller,
    who: Actor,
    row: Enrolment,
    site: Site,
    what: What,
    now: datetime,
) -> Admitted:
    """The part inside the transaction: binding, certificate, the former unit's end. Work orders for it stay
    open until their day: who put a unit there may follow it, and replace one that turns out to be broken.

    Raises :class:`Conflict` where :func:`need_fitting` or the unit's own state stands against it.
    """
    need_fitting(site, row.unit_id, what)
    unit = known_unit(session, row.unit_id)
    unit.ssh_host_key = row.ssh_host_key or unit.ssh_host_key
    former: str | None = None
    letters: list[Letter] = []
    if unit.site_id != site.id:
        former, letters = bind(session, controller.settings, now, unit, site)
    authority = Authority(controller.state.authority, controller.now)
    issued = authority.sign_unit(row.public_key, site=site.id, epoch=unit.epoch)
    record_certificate(session, unit.id, issued.serial, now, issued.not_after, issued.pem_chain)
    step(row, Step.APPROVE)
    row.site_id, row.what, row.epoch = site.id, what.value, unit.epoch
    row.decided_at, row.decided_by = now, who.name
    orders = select(WorkOrder).where(
        WorkOrder.site_id == site.id, WorkOrder.what == what.value, WorkOrder.closed_at.is_(None)
    )
    for order in session.scalars(orders):
        order.unit_id = unit.id
    after = {"unit": unit.id, "epoch": unit.epoch, "serial": row.serial}
    if what is What.REPLACE:
        before = {"unit": former, "epoch": unit.epoch - 1 if former is not None else unit.epoch}
        record(session, who, now, "unit.replace", f"site:{site.id}", before=before, after=after)
    else:
        record(session, who, now, "unit.install", f"site:{site.id}", after=after)
    return Admitted(row.id, unit.id, site.id, unit.epoch, former, tuple(letters))
