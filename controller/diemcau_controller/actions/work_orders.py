"""Work orders: what a technician shall do at which site, until when."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Annotated

from diemcau_wire.enrolment import What
from diemcau_wire.messages import Nfc, SiteId
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules.actor import Actor, Role
from ..rules.refusals import Conflict, Invalid, NotFound
from ..store.tables import User, WorkOrder
from .audit import record
from .controller import Controller
from .scope import site_for


class WorkOrderSpec(BaseModel):
    """A work order to open."""

    model_config = ConfigDict(extra="forbid")
    site: SiteId
    what: What
    technician: Annotated[str, Field(max_length=40)]
    days: Annotated[float, Field(gt=0, le=60)] = 3
    note: Annotated[str, Field(max_length=500), Nfc] = ""


async def open_order(controller: Controller, who: Actor, spec: WorkOrderSpec) -> str:
    """Open one, and give its id. Raises :class:`Invalid` for somebody who is no technician."""
    now = controller.now()
    order = WorkOrder(
        id=f"w-{secrets.token_hex(6)}",
        site_id=spec.site,
        what=spec.what.value,
        technician=spec.technician,
        note=spec.note.strip(),
        opened_by=who.name,
        opened_at=now,
        until=now + timedelta(days=spec.days),
    )

    def change(session: Session) -> None:
        site_for(session, who, spec.site)
        user = session.get(User, spec.technician)
        if user is None or user.disabled_at is not None or user.role != Role.TECHNICIAN:
            raise Invalid(
                f"there is no technician {spec.technician}: give that user the role first",
                code="orders.no_technician",
                field="technician",
                user=spec.technician,
            )
        session.add(order)
        record(session, who, now, "order.add", f"site:{spec.site}", after=_said(order))

    await controller.write(change)
    controller.news.tell("enrolment", site=spec.site)
    return order.id


async def close_order(controller: Controller, who: Actor, order_id: str) -> None:
    """Close one without anything done. Raises :class:`Conflict` for one that is closed."""

    def change(session: Session) -> None:
        order = session.get(WorkOrder, order_id)
        if order is None or not who.sees(order.site_id):
            raise NotFound(f"there is no work order {order_id[:40]}", code="orders.unknown")
        if order.closed_at is not None:
            raise Conflict("this work order is closed already", code="orders.closed")
        order.closed_at, order.closed_by = controller.now(), who.name
        record(session, who, controller.now(), "order.close", f"site:{order.site_id}", after=_said(order))

    await controller.write(change)
    controller.news.tell("enrolment")


def work_orders(session: Session, who: Actor) -> list[WorkOrder]:
    """Those of sites in scope, open ones first, then the newest; a technician's own only."""
    rows = select(WorkOrder).order_by(WorkOrder.closed_at.is_not(None), WorkOrder.opened_at.desc())
    if who.role is Role.TECHNICIAN:
        rows = rows.where(WorkOrder.technician == who.name)
    return [order for order in session.scalars(rows.limit(500)) if who.sees(order.site_id)]


def _said(order: WorkOrder) -> dict[str, object]:
    return {"order": order.id, "what": order.what, "technician": order.technician}
