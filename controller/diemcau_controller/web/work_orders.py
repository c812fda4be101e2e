"""Work orders: what a technician shall do at which site, until when."""

from __future__ import annotations

from typing import Any

from diemcau_wire.enrolment import What
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import ValidationError

from ..actions.controller import Controller
from ..actions.read_enrolments import technicians
from ..actions.work_orders import WorkOrderSpec, close_order, open_order, work_orders
from ..api.access import Core
from ..rules.actor import Actor
from ..rules.refusals import Refusal
from .access import OperatorPage
from .form import form
from .incident_parts import people
from .mistakes import Mistakes, mistakes
from .page import redirect, render, words_of

router = APIRouter(include_in_schema=False, prefix="/work-orders")

_SHOWN = 100
_DAYS = 3


@router.get("")
def orders(request: Request, core: Core, who: OperatorPage, site: str = "") -> Response:
    """Every order, open ones first, and a form for another."""
    place = core.fleet.now().by_id.get(site)
    what = What.INSTALL if place is not None and place.unit is None else What.REPLACE
    return _page(request, core, who, {"site": site, "what": what.value})


@router.post("")
async def post_order(request: Request, core: Core, who: OperatorPage) -> Response:
    """Open one."""
    sent, words = await form(request), words_of(request)
    try:
        spec = WorkOrderSpec.model_validate(
            {name: sent[name] for name in ("site", "what", "technician", "days", "note")}
        )
        await open_order(core, who, spec)
    except (Refusal, ValidationError) as error:
        return await run_in_threadpool(_page, request, core, who, sent.values, mistakes(words, error))
    return redirect("/work-orders", words("work_orders.opened"))


@router.post("/{order}/close")
async def post_close(request: Request, core: Core, who: OperatorPage, order: str) -> Response:
    """Close one without anything done."""
    await close_order(core, who, order)
    return redirect("/work-orders", words_of(request)("work_orders.closed"))


def _page(
    request: Request, core: Controller, who: Actor, values: dict[str, str], wrong: Mistakes | None = None
) -> Response:
    fleet, now = core.fleet.now(), core.now()
    with core.database.read() as session:
        known = people(session)
        rows: list[dict[str, Any]] = [
            {
                "row": row,
                "site": fleet.by_id.get(row.site_id),
                "technician": known.get(row.technician, row.technician),
                "state": "closed" if row.closed_at else "over" if row.until <= now else "open",
            }
            for row in work_orders(session, who)[:_SHOWN]
        ]
        able = [(user.name, known[user.name]) for user in technicians(session)]
    return render(
        request,
        "work_orders/page.html",
        422 if wrong else 200,
        orders=rows,
        able=able,
        places=[(site.id, site.name) for site in fleet.of(who)],
        values={"days": str(_DAYS), **values},
        errors=wrong or {},
    )
