"""Vouchers: papers that prepare a site ahead. The unit's camera reads the code on it; nobody approves."""

from __future__ import annotations

from typing import Any

from diemcau_wire.enrolment import What
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import ValidationError

from ..actions.controller import Controller
from ..actions.vouchers import Paper, VoucherSpec, make_voucher, vouchers, withdraw_voucher
from ..api.access import Core
from ..rules.actor import Actor
from ..rules.refusals import Refusal
from ..rules.vouchers import LONGEST, USUAL
from ..store.tables import Voucher
from .access import KeyedOperatorPage, OperatorPage
from .form import form
from .incident_parts import people
from .meeting import qr_code
from .mistakes import Mistakes, mistakes
from .page import redirect, render, words_of

router = APIRouter(include_in_schema=False, prefix="/vouchers")

_SHOWN = 100
_FIELDS = ("site", "what", "days", "ssid", "password", "apn")


@router.get("")
def papers(request: Request, core: Core, who: OperatorPage, site: str = "") -> Response:
    """Every paper that was made, and a form for another."""
    place = core.fleet.now().by_id.get(site)
    what = What.REPLACE if place is not None and place.unit is not None else What.INSTALL
    return _page(request, core, who, {"site": site, "what": what.value})


@router.post("")
async def post_voucher(request: Request, core: Core, who: KeyedOperatorPage) -> Response:
    """Make a paper; shown this once, so there is no other page to go to."""
    sent, words = await form(request), words_of(request)
    try:
        spec = VoucherSpec.model_validate({name: sent[name] for name in _FIELDS})
        paper = await make_voucher(core, who, spec)
    except (Refusal, ValidationError) as error:
        return await run_in_threadpool(_page, request, core, who, sent.values, mistakes(words, error))
    return await run_in_threadpool(_paper, request, core, paper, spec)


@router.post("/{voucher}/withdraw")
async def post_withdrawal(request: Request, core: Core, who: OperatorPage, voucher: str) -> Response:
    """Make a paper worthless."""
    await withdraw_voucher(core, who, voucher)
    return redirect("/vouchers", words_of(request)("vouchers.was_withdrawn"))


def _paper(request: Request, core: Controller, paper: Paper, spec: VoucherSpec) -> Response:
    return render(
        request,
        "vouchers/paper.html",
        paper=paper,
        site=core.fleet.now().by_id[paper.site],
        code=qr_code(paper.text),
        network=spec.ssid or spec.apn,
        phone=core.settings.coordinator.phone,
    )


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
                "by": known.get(row.made_by, row.made_by),
                "state": _state(row, row.expires_at <= now),
            }
            for row in vouchers(session, who)[:_SHOWN]
        ]
    return render(
        request,
        "vouchers/page.html",
        422 if wrong else 200,
        vouchers=rows,
        places=[(site.id, site.name) for site in fleet.of(who)],
        values={"days": str(USUAL.days), "ssid": "", "apn": "", **values},
        longest=LONGEST.days,
        errors=wrong or {},
    )


def _state(row: Voucher, over: bool) -> str:
    if row.used_at is not None:
        return "used"
    return "withdrawn" if row.withdrawn_at is not None else "over" if over else "good"
