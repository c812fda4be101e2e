"""A unit on a page: its certificates, the sites it served, copies of it; and its end."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from ..actions.clones import CloneVerdict, decide_clone
from ..actions.controller import Controller
from ..actions.read_enrolments import site_epochs, unit_life
from ..actions.revoke_unit import revoke
from ..actions.scope import unit_for
from ..api.access import Core
from ..rules.actor import Actor
from ..rules.board import TONES
from ..rules.refusals import Invalid, Refusal
from .access import ContractorPage, KeyedOperatorPage
from .form import form
from .incident_parts import people
from .mistakes import Mistakes, mistakes
from .page import redirect, render, words_of

router = APIRouter(include_in_schema=False, prefix="/units/{unit}")


@router.get("")
def one(request: Request, core: Core, who: ContractorPage, unit: str) -> Response:
    """Everything of one unit."""
    return render(request, "units/page.html", **_values(core, who, unit))


@router.post("/revoke")
async def post_revocation(request: Request, core: Core, who: KeyedOperatorPage, unit: str) -> Response:
    """Take every right from it, with a reason."""
    sent = await form(request)
    try:
        await revoke(core, who, unit, sent["reason"])
    except Refusal as error:
        wrong = mistakes(words_of(request), error)
        values = await run_in_threadpool(_values, core, who, unit, sent.values, wrong)
        return render(request, "units/page.html", 422, **values)
    return redirect("/enrolments", words_of(request)("units.revoked", unit=unit))


@router.post("/clones/{number}")
async def post_decision(
    request: Request, core: Core, who: KeyedOperatorPage, unit: str, number: int
) -> Response:
    """Say what two boxes with one identity mean: the field `verdict`."""
    verdict = (await form(request))["verdict"]
    if verdict not in set(CloneVerdict):
        raise Invalid("say what it is: mistaken or enrol_anew", code="clones.verdict")
    await decide_clone(core, who, number, CloneVerdict(verdict))
    return redirect(f"/units/{unit}", words_of(request)(f"units.decided_{verdict}"))


def _values(
    core: Controller,
    who: Actor,
    unit_id: str,
    values: dict[str, str] | None = None,
    wrong: Mistakes | None = None,
) -> dict[str, Any]:
    fleet = core.fleet.now()
    with core.database.read() as session:
        unit = unit_for(session, who, unit_id)
        life = unit_life(session, unit)
        known = people(session)
        of_site = site_epochs(session, unit.site_id) if unit.site_id is not None else []
    site = fleet.by_unit.get(unit.id)
    return {
        "unit": unit,
        "site": site,
        "tone": TONES[site.state] if site is not None else "none",
        "life": life,
        "serves": [(one, fleet.by_id.get(one.site_id)) for one in life.bindings],
        "of_site": of_site,
        "known": known,
        "now": core.now(),
        "values": values or {},
        "errors": wrong or {},
    }
