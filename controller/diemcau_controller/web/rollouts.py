"""Cập nhật: versions on their way to the fleet, who waits for what, what went wrong and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import ValidationError
from sqlalchemy import select

from ..actions.controller import Controller
from ..actions.fleet import Fleet
from ..actions.releases import offered
from ..actions.rollouts.read import (
    RolloutStanding,
    UnitStanding,
    counts_of,
    freezes_ahead,
    rollouts,
    standing_of,
    tasks_of,
)
from ..actions.rollouts.start import RolloutSpec, start_rollout
from ..actions.rollouts.steer import FreezeSpec, Verb, freeze, put_in_ring, steer, thaw, try_again
from ..api.access import Core
from ..rules.actor import Actor
from ..rules.refusals import Invalid, NotFound, Refusal
from ..rules.rings import RINGS
from ..rules.rollout import LIVE, TRANSITIONS, At, State
from ..store.tables import SiteRing
from .access import AdministratorPage, KeyedAdministratorPage, OperatorPage
from .form import form
from .mistakes import Mistakes, mistakes
from .page import redirect, render, words_of
from .plots import day_text
from .words import Words

router = APIRouter(include_in_schema=False, prefix="/rollouts")

HEAPS = ("done", "waiting", "failed", "back", "skipped")
_TONES: Mapping[str, str] = {
    State.RUNNING: "live",
    State.PAUSED: "care",
    State.ROLLING_BACK: "live",
    State.STOPPED: "none",
    State.DONE: "good",
}
_LEADS = {
    Verb.PAUSE: State.PAUSED,
    Verb.RESUME: State.RUNNING,
    Verb.ABORT: State.STOPPED,
    Verb.BACK: State.ROLLING_BACK,
}
_SHOWN = 100
_NAMED = 30  # sites named in a text for a group


@router.get("")
def rollouts_page(request: Request, core: Core, who: OperatorPage) -> Response:
    """Every rollout, frozen days, rings; and a form to start one."""
    return _page(request, core, who, {})


@router.post("")
async def post_rollout(request: Request, core: Core, who: KeyedAdministratorPage) -> Response:
    """Start one."""
    sent = await form(request)
    try:
        made = await start_rollout(
            core,
            who,
            RolloutSpec.model_validate(
                {
                    "version": sent["version"],
                    "areas": sent.all("area"),
                    "wave": sent["wave"],
                    "tolerated_percent": sent["tolerated_percent"],
                    "meeting_wait_h": sent["meeting_wait_h"],
                    "instead": "instead" in sent,
                }
            ),
        )
    except (Refusal, ValidationError) as error:
        wrong = mistakes(words_of(request), error)
        return await run_in_threadpool(_page, request, core, who, sent.values, wrong)
    return redirect(f"/rollouts/{made}", words_of(request)("rollouts.started"))


@router.post("/freezes")
async def post_freeze(request: Request, core: Core, who: AdministratorPage) -> Response:
    """Let nothing be flipped on some days."""
    sent = await form(request)
    try:
        spec = FreezeSpec.model_validate({name: sent[name] for name in ("first", "last", "reason")})
        await freeze(core, who, spec)
    except (Refusal, ValidationError) as error:
        wrong = mistakes(words_of(request), error)
        return await run_in_threadpool(_page, request, core, who, sent.values, wrong)
    return redirect("/rollouts", words_of(request)("rollouts.freeze_added"))


@router.post("/freezes/{number}/remove")
async def post_thaw(request: Request, core: Core, who: AdministratorPage, number: int) -> Response:
    """Take a freeze away."""
    await thaw(core, who, number)
    return redirect("/rollouts", words_of(request)("rollouts.freeze_removed"))


@router.post("/rings")
async def post_ring(request: Request, core: Core, who: AdministratorPage) -> Response:
    """Say in which ring a site is from now on."""
    sent = await form(request)
    try:
        await put_in_ring(core, who, sent["site"], sent["ring"] or None)
    except Refusal as error:
        wrong = mistakes(words_of(request), error)
        return await run_in_threadpool(_page, request, core, who, sent.values, wrong)
    return redirect("/rollouts", words_of(request)("rollouts.ring_set"))


@router.get("/{rollout}")
def rollout_page(request: Request, core: Core, who: OperatorPage, rollout: str) -> Response:
    """One rollout."""
    return render(request, "rollouts/rollout.html", **_values(core, who, rollout, words_of(request)))


@router.get("/{rollout}/part")
def rollout_part(request: Request, core: Core, who: OperatorPage, rollout: str) -> Response:
    """The living part of it."""
    return render(request, "rollouts/_now.html", **_values(core, who, rollout, words_of(request)))


@router.post("/{rollout}/steer")
async def post_steer(request: Request, core: Core, who: AdministratorPage, rollout: str) -> Response:
    """Pause it, go on, end it, take it back: the field `verb`."""
    said = (await form(request))["verb"]
    if said not in list(Verb):
        raise Invalid("say what to do: pause, resume, abort or back", code="rollouts.verb")
    await steer(core, who, rollout, Verb(said))
    return redirect(f"/rollouts/{rollout}", words_of(request)(f"rollouts.did_{said}"))


@router.get("/{rollout}/units/{unit}")
def unit_page(request: Request, core: Core, who: OperatorPage, rollout: str, unit: str) -> Response:
    """What the newest run did on a unit, task by task."""
    fleet = core.fleet.now()
    with core.database.read() as session:
        tasks = tasks_of(session, who, rollout, unit)
        found = standing_of(core, session, who, rollout)
    one = next((one for one in found.units if one.row.unit_id == unit), None)
    if one is None:
        raise NotFound("this unit serves no site of the rollout any more", code="rollouts.unit_unknown")
    return render(
        request,
        "rollouts/unit.html",
        rollout=found.rollout,
        one=_unit(one, fleet, words_of(request)),
        tasks=tasks,
    )


@router.post("/{rollout}/units/{unit}/retry")
async def post_retry(
    request: Request, core: Core, who: AdministratorPage, rollout: str, unit: str
) -> Response:
    """Try a unit once more."""
    await try_again(core, who, rollout, unit)
    return redirect(f"/rollouts/{rollout}", words_of(request)("rollouts.retried"))


def _page(
    request: Request, core: Controller, who: Actor, values: Mapping[str, str], wrong: Mistakes | None = None
) -> Response:
    fleet, today = core.fleet.now(), core.now().astimezone(core.settings.zone).date().isoformat()
    with core.database.read() as session:
        rows = rollouts(session)
        counts = counts_of(session, [row.id for row in rows])
        chosen = {site: ring for site, ring in session.execute(select(SiteRing.site_id, SiteRing.ring))}
        freezes = freezes_ahead(session, today)
        versions = offered(session)
    return render(
        request,
        "rollouts/list.html",
        422 if wrong else 200,
        rollouts=[(row, counts[row.id], _TONES[row.state]) for row in rows],
        heaps=HEAPS,
        versions=versions,
        live_one=next((row for row in rows if row.state in LIVE), None),
        freezes=[
            (row, day_text(date.fromisoformat(row.first)), day_text(date.fromisoformat(row.last)))
            for row in freezes
        ],
        areas=[(area.id, area.name) for area in sorted(fleet.areas.values(), key=lambda area: area.name)],
        places=[(site.id, site.name) for site in fleet.of(who)],
        rings=RINGS,
        ringed=[
            (ring, ", ".join(site.name for site in fleet.of(who) if chosen.get(site.id) == ring))
            for ring in RINGS
        ],
        values={"wave": "50", "tolerated_percent": "5", "meeting_wait_h": "72", **values},
        errors=wrong or {},
    )


def _values(core: Controller, who: Actor, rollout_id: str, words: Words) -> dict[str, Any]:
    fleet = core.fleet.now()
    with core.database.read() as session:
        found = standing_of(core, session, who, rollout_id)
    row = found.rollout
    bad = [_unit(one, fleet, words) for one in found.units if one.heap in ("failed", "back")]
    return {
        "rollout": row,
        "tone": _TONES[row.state],
        "why": _why(row.state, row.why, words),
        "counts": [(heap, found.counts[heap]) for heap in HEAPS],
        "total": len(found.units),
        "rings": _rings(found),
        "verbs": [verb.value for verb, to in _LEADS.items() if _may(State(row.state), to, verb)],
        "bad": bad[:_SHOWN],
        "bad_more": max(0, len(bad) - _SHOWN),
        "waiting": _waiting(found, fleet, words),
        "overdue": [_unit(one, fleet, words) for one in found.overdue][:_SHOWN],
        "zalo": _zalo(found.overdue, fleet, core),
        "frozen": found.frozen,
        "urgent": found.urgent,
    }


def _may(now: State, to: State, verb: Verb) -> bool:
    return to in TRANSITIONS[now] and not (verb is Verb.RESUME and now is State.DONE)


def _why(state: str, why: str, words: Words) -> str:
    if state == State.PAUSED:
        key = "rollouts.paused_by_person" if why == "person" else "rollouts.paused_by_threshold"
        return (
            words(key) if why == "person" else words(key, ring=words.known("rollouts", f"ring_{why}", "ring"))
        )
    return ""


def _rings(found: RolloutStanding) -> list[dict[str, Any]]:
    """Of each ring how many units stand how, and whether its turn has come."""
    reached = RINGS.index(found.rollout.ring)
    return [
        {
            "ring": ring,
            "open": place <= reached,
            "total": sum(found.rings[ring].values()),
            "counts": [(at.value, found.rings[ring][at]) for at in At if found.rings[ring].get(at)],
        }
        for place, ring in enumerate(RINGS)
    ]


def _waiting(found: RolloutStanding, fleet: Fleet, words: Words) -> list[dict[str, Any]]:
    """Why units wait, the commonest reason first, with the sites it is about."""
    groups: dict[str, list[str]] = {}
    for one in found.on("waiting"):
        groups.setdefault(one.reason or "busy", []).append(_name(one, fleet))
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return [
        {
            "reason": words.known("rollouts", f"reason_{reason}", "reason_other"),
            "total": len(names),
            "names": ", ".join(sorted(names)[:_SHOWN]),
            "more": max(0, len(names) - _SHOWN),
        }
        for reason, names in ordered
    ]


def _unit(one: UnitStanding, fleet: Fleet, words: Words) -> dict[str, Any]:
    row = one.row
    word = row.why if row.state == At.FAILED else ""
    return {
        "row": row,
        "site": fleet.by_id.get(row.site_id),
        "name": _name(one, fleet),
        "why": words.known("rollouts", f"failed_{word}", f"failed_{row.state}"),
        "next": words.known("rollouts", f"next_{word}", f"next_{row.state}"),
        "reason": words.known("rollouts", f"reason_{one.reason or 'busy'}", "reason_other"),
        "tail": "\n".join(row.tail),
    }


def _name(one: UnitStanding, fleet: Fleet) -> str:
    site = fleet.by_id.get(one.row.site_id)
    return site.name if site is not None else one.row.site_id


def _zalo(overdue: Sequence[UnitStanding], fleet: Fleet, core: Controller) -> str:
    """A text for the group in which the officers help each other: Vietnamese, whatever the page is in."""
    words = Words("vi", core.settings.zone, core.now())
    away = [_name(one, fleet) for one in overdue if one.reason == "away"]
    if not away:
        return ""
    names = sorted(away)[:_NAMED]
    more = words("rollouts.zalo_more", n=words.number(len(away) - _NAMED)) if len(away) > _NAMED else ""
    return words("rollouts.zalo_text", sites=", ".join(names) + more)
