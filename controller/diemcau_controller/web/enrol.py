"""/e: install or replace a unit, from a phone beside it. The code is typed or scanned, never picked.

What was typed travels between these pages in a cookie, so that it stands in no address and no log, and the
back button works.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from diemcau_wire.enrolment import What, in_threes, read_code
from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from ..actions.approve_unit import approve, look_up, open_orders
from ..actions.controller import Controller
from ..actions.fleet import SiteNow
from ..api.access import Core
from ..rules.actor import Actor, Role
from ..rules.arriving import Arrival, arrived, steps
from ..rules.board import TONES
from ..rules.enrolment import State
from ..rules.naming import plain
from ..rules.refusals import Invalid, NotFound, Refusal
from ..store.tables import VERDICT, Enrolment, Site, WorkOrder
from .access import KeyedTechnicianPage, TechnicianPage, address_of
from .device_words import revision
from .form import form
from .mistakes import Mistakes, mistakes
from .page import redirect, render, words_of
from .words import Words

router = APIRouter(include_in_schema=False, prefix="/e")

_COOKIE = "__Host-diemcau-code"
_KEPT_S = 15 * 60
_MOST_SITES = 12


@dataclass(frozen=True, slots=True)
class Seen:
    """The unit whose code was typed, as the pages show it; `code` is what was typed."""

    id: str
    code: str
    serial: str
    model: str
    expires_at: datetime


class NoCode(Exception):
    """No code was typed, or it is over; the answer leads to where one is."""

    def __init__(self, answer: Response) -> None:
        self.answer = answer


@router.get("")
def ask_code(request: Request, core: Core, who: TechnicianPage) -> Response:
    """A field for the nine digits; a scanned address fills it in."""
    return _code_page(request, core, who)


@router.post("")
async def post_code(request: Request, core: Core, who: TechnicianPage) -> Response:
    """Look whether a unit shows this code. A wrong one counts."""
    sent, words = await form(request), words_of(request)
    code = read_code(sent["code"])
    if code is None:
        wrong = {"code": words("enrol.nine_digits")}
        return await run_in_threadpool(_code_page, request, core, who, sent["code"], wrong)
    try:
        row = await look_up(core, who, code, address_of(request))
    except Refusal as error:
        wrong = {"code": mistakes(words, error).popitem()[1]}
        return await run_in_threadpool(_code_page, request, core, who, in_threes(code), wrong)
    answer = redirect("/e/site")
    answer.set_cookie(
        _COOKIE, f"{row.id}.{code}", max_age=_KEPT_S, httponly=True, secure=True, samesite="lax"
    )
    return answer


@router.get("/site")
def choose_site(
    request: Request,
    core: Core,
    who: TechnicianPage,
    q: Annotated[str, Query(max_length=80)] = "",
    choose: str = "",
) -> Response:
    """Where the unit is for: a technician's open work orders, for the office any site."""
    try:
        unit = _seen(request, core, who)
    except NoCode as error:
        return error.answer
    free = who.may(Role.OPERATOR)
    with core.database.read() as session:
        orders = {one.site_id: one for one in _own_orders(session, who, core.now())}
    if not free and len(orders) == 1 and not choose:
        return RedirectResponse(f"/e/site/{next(iter(orders))}", 303)
    fleet = core.fleet.now()
    looked_for = plain(q).split()
    found = [
        site
        for site in fleet.of(who)
        if (free or site.id in orders) and all(word in site.search for word in looked_for)
    ]
    found.sort(key=lambda site: (site.id not in orders, site.unit is not None and site.state != "never"))
    places = [_place(site, orders.get(site.id), core) for site in found[:_MOST_SITES]]
    more = max(0, len(found) - _MOST_SITES)
    return render(request, "enrol/site.html", unit=unit, places=places, more=more, free=free, q=q)


@router.get("/site/{site}")
def ask_confirmation(request: Request, core: Core, who: TechnicianPage, site: str) -> Response:
    """What will happen there, before it is done."""
    return _confirm_page(request, core, who, site)


@router.post("/site/{site}")
async def post_approval(request: Request, core: Core, who: KeyedTechnicianPage, site: str) -> Response:
    """Approve the unit for this site."""
    sent = await form(request)
    _, code = _typed(request)
    try:
        if sent["what"] not in set(What):
            raise Invalid("say whether to install or to replace", code="enrol.what", field="what")
        done = await approve(core, who, code, site, What(sent["what"]), address_of(request))
    except Refusal as error:
        wrong = mistakes(words_of(request), error)
        return await run_in_threadpool(_confirm_page, request, core, who, site, wrong)
    return redirect(f"/e/follow/{done.enrolment}")


@router.get("/follow/{enrolment}")
def follow(request: Request, core: Core, who: TechnicianPage, enrolment: str) -> Response:
    """How far the unit has come, live."""
    return render(request, "enrol/follow.html", **_following(request, core, who, enrolment))


@router.get("/follow/{enrolment}/part")
def follow_part(request: Request, core: Core, who: TechnicianPage, enrolment: str) -> Response:
    """The living part of it."""
    return render(request, "enrol/_follow.html", **_following(request, core, who, enrolment))


def _code_page(
    request: Request, core: Controller, who: Actor, code: str = "", wrong: Mistakes | None = None
) -> Response:
    with core.database.read() as session:
        orders = [_order(session, one) for one in _own_orders(session, who, core.now())]
    return render(
        request,
        "enrol/code.html",
        422 if wrong else 200,
        code=code,
        errors=wrong or {},
        orders=orders,
        none_open=not orders and not who.may(Role.OPERATOR),
    )


def _own_orders(session: Session, who: Actor, now: datetime) -> list[WorkOrder]:
    """What a technician may do; whoever else may approve needs no order."""
    return open_orders(session, who, now) if who.role is Role.TECHNICIAN else []


def _order(session: Session, row: WorkOrder) -> dict[str, Any]:
    site = session.get_one(Site, row.site_id)
    return {"site_name": site.name, "what": row.what, "until": row.until, "note": row.note}


def _typed(request: Request) -> tuple[str, str]:
    """Which request was meant, and with which code."""
    enrolment, _, code = request.cookies.get(_COOKIE, "")[:100].partition(".")
    return enrolment, code


def _seen(request: Request, core: Controller, who: Actor) -> Seen:
    """The unit whose code was typed; whether it is the right one is asked when it is approved."""
    enrolment, code = _typed(request)
    with core.database.read() as session:
        row = session.get(Enrolment, enrolment) if enrolment else None
        if row is not None and row.state == State.APPROVED and row.decided_by == who.name:
            raise NoCode(RedirectResponse(f"/e/follow/{row.id}", 303))
        if row is None or not code:
            raise NoCode(redirect("/e"))
        if row.state != State.WAITING or row.expires_at <= core.now():
            raise NoCode(redirect("/e", words_of(request)("enrol.code_over"), "care"))
        return Seen(row.id, in_threes(code), row.serial, row.model, row.expires_at)


def _place(site: SiteNow, order: WorkOrder | None, core: Controller) -> dict[str, Any]:
    areas = core.fleet.now().areas
    return {
        "id": site.id,
        "name": site.name,
        "path": " › ".join(areas[area].name for area in site.areas),
        "state": site.state,
        "tone": TONES[site.state],
        "what": order.what if order is not None else "",
    }


def _confirm_page(
    request: Request, core: Controller, who: Actor, site_id: str, wrong: Mistakes | None = None
) -> Response:
    site = core.fleet.now().by_id.get(site_id)
    if site is None or site.removed or not who.sees(site_id):
        raise NotFound(f"there is no site {site_id[:80]}", code="sites.unknown", site=site_id[:80])
    try:
        unit = _seen(request, core, who)
    except NoCode as error:
        return error.answer
    return render(
        request,
        "enrol/confirm.html",
        422 if wrong else 200,
        unit=unit,
        site=_place(site, None, core),
        old=_old_unit(site),
        what="install" if site.unit is None else "replace",
        closed={"replace": "enrol.closed_replace"}
        if site.unit is None
        else {"install": "enrol.closed_install"},
        errors=wrong or {},
    )


def _old_unit(site: SiteNow) -> dict[str, Any] | None:
    """The unit that will be locked out, and why one may think that it is dead."""
    if site.unit is None:
        return None
    why = {"online": "alive", "silent": "silent", "never": "never"}.get(site.unit.status, "gone")
    return {
        "state": site.state,
        "tone": TONES[site.state],
        "last_seen": site.unit.last_seen,
        "alive": why == "alive",
        "why": why,
    }


def _following(request: Request, core: Controller, who: Actor, enrolment: str) -> dict[str, Any]:
    now, words = core.now(), words_of(request)
    with core.database.read() as session:
        row = session.get(Enrolment, enrolment)
        if (
            row is None
            or row.site_id is None
            or row.decided_at is None
            or not (row.decided_by == who.name or who.sees(row.site_id))
        ):
            raise NotFound("there is no such enrolment", code="enrol.unknown")
    site = core.fleet.now().by_id[row.site_id]
    arrival = _arrival(site, row)
    return {
        "id": row.id,
        "site": site,
        "what": row.what or "install",
        "steps": {step.value: stands.value for step, stands in steps(arrival, now).items()},
        "wrong": "refused" if arrival.serves else "other",
        "config_error": site.config_error,
        "outcome": arrival.verdict if arrived(arrival, now) else "",
        "instruction": _instruction(site, words),
        "replaced": row.what == "replace",
        "contact": core.settings.coordinator.phone,
    }


def _arrival(site: SiteNow, row: Enrolment) -> Arrival:
    assert row.decided_at is not None
    unit = site.unit
    serves = unit is not None and unit.id == row.unit_id
    checked = str(site.newest.get(VERDICT, {}).get("at", ""))
    fresh = serves and checked >= row.decided_at.isoformat().replace("+00:00", "Z")
    return Arrival(
        approved_at=row.decided_at,
        fetched=serves and row.fetched_at is not None,
        connected=unit is not None and serves and unit.status in ("online", "silent"),
        revision=revision(site).state,
        verdict=site.verdict.verdict if fresh else "",
        serves=serves,
    )


def _instruction(site: SiteNow, words: Words) -> str:
    return words.known("instruction", site.instruction, "other") if site.instruction else ""
