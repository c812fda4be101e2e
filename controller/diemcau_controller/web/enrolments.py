"""Units that wait to be admitted: how many, from where, since when, but never their codes; and alarms."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ..actions.clones import open_clones
from ..actions.controller import Controller
from ..actions.later_binding import confirm_later_binding, deny_later_binding, later_bindings
from ..actions.read_enrolments import decided_units
from ..actions.refuse_enrolment import pending, refuse
from ..actions.wrong_tries import lift_alarm, standing_alarms
from ..api.access import Core
from ..rules.actor import Actor
from ..rules.enrolment import LIMITS, Scope
from ..rules.refusals import Invalid
from ..store.tables import Clone, Enrolment, LaterBinding, TryAlarm
from .access import KeyedAdministratorPage, KeyedOperatorPage, OperatorPage
from .form import form
from .incident_parts import people
from .page import redirect, render, words_of
from .words import Words

router = APIRouter(include_in_schema=False, prefix="/enrolments")

_DECIDED = 30


@router.get("")
def enrolments(request: Request, core: Core, who: OperatorPage) -> Response:
    """What waits, what stands, what was decided."""
    return render(request, "enrolments/page.html", **_values(core, who, words_of(request)))


@router.get("/part")
def enrolments_part(request: Request, core: Core, who: OperatorPage) -> Response:
    """The living part of it."""
    return render(request, "enrolments/_now.html", **_values(core, who, words_of(request)))


@router.post("/{enrolment}/refuse")
async def post_refusal(request: Request, core: Core, who: OperatorPage, enrolment: str) -> Response:
    """Refuse a unit nobody expects; it may ask anew."""
    await refuse(core, who, enrolment)
    return redirect("/enrolments", words_of(request)("enrolments.refused"))


@router.post("/alarms/{number}/lift")
async def post_lift(request: Request, core: Core, who: KeyedAdministratorPage, number: int) -> Response:
    """Take codes again: somebody has looked into it."""
    await lift_alarm(core, who, number)
    return redirect("/enrolments", words_of(request)("enrolments.lifted"))


@router.post("/later/{unit}")
async def post_later(request: Request, core: Core, who: KeyedOperatorPage, unit: str) -> Response:
    """Say what a unit is that was put in place after the backup: the field `verdict`."""
    verdict = (await form(request))["verdict"]
    if verdict == "confirm":
        await confirm_later_binding(core, who, unit)
    elif verdict == "deny":
        await deny_later_binding(core, who, unit)
    else:
        raise Invalid("say what it is: confirm or deny", code="later.verdict")
    return redirect("/enrolments", words_of(request)(f"enrolments.later_{verdict}_done"))


def _values(core: Controller, who: Actor, words: Words) -> dict[str, Any]:
    now, fleet = core.now(), core.fleet.now()
    with core.database.read() as session:
        known = people(session)
        return {
            "waiting": [_waiting(row) for row in pending(session, now)],
            "alarms": [_alarm(one, known, words) for one in standing_alarms(session)],
            "later": [_later(row, fleet.by_id) for row in later_bindings(session, who)],
            "clones": [_clone(one, fleet.by_id) for one in open_clones(session, who)],
            "decided": [
                _decided(row, fleet.by_id, known, words) for row in decided_units(session, who, _DECIDED)
            ],
        }


def _waiting(row: Enrolment) -> dict[str, Any]:
    return {
        "id": row.id,
        "serial": row.serial or row.unit_id,
        "model": row.model,
        "source": row.source,
        "since": row.created_at,
        "expires_at": row.expires_at,
        "paper": row.reason.removeprefix("enrol.").removeprefix("voucher_") if row.voucher else "",
    }


def _alarm(alarm: TryAlarm, known: dict[str, str], words: Words) -> dict[str, Any]:
    limit = LIMITS[Scope(alarm.scope)]
    whose = known.get(alarm.subject, alarm.subject) if alarm.scope == Scope.ACCOUNT else alarm.subject
    return {
        "number": alarm.number,
        "since": alarm.since,
        "said": words(
            f"enrolments.alarm_{alarm.scope}",
            whose=whose,
            most=words.number(limit.most),
            minutes=words.number(limit.within.total_seconds() // 60),
        ),
    }


def _clone(clone: Clone, sites: Any) -> dict[str, Any]:
    site = sites.get(clone.site_id)
    return {
        "unit": clone.unit_id,
        "site": site.name if site is not None else clone.unit_id,
        "at": clone.found_at,
    }


def _later(row: LaterBinding, sites: Any) -> dict[str, Any]:
    site = sites.get(row.site_id)
    return {
        "unit": row.unit_id,
        "site": site.name if site is not None else row.site_id,
        "at": row.seen_at,
    }


def _decided(row: Enrolment, sites: Any, known: dict[str, str], words: Words) -> dict[str, Any]:
    site = sites.get(row.site_id)
    by = str(row.decided_by)
    return {
        "id": row.id,
        "unit": row.unit_id,
        "serial": row.serial or row.unit_id,
        "site": site,
        "state": row.state,
        "what": row.what,
        "at": row.decided_at,
        "by": words("enrolments.by_paper") if by.startswith("voucher:") else known.get(by, by),
    }
