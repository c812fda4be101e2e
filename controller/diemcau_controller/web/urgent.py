"""Họp khẩn: one tap starts it, then the page tells who comes and whom to call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import ValidationError

from ..actions.answer_urgent import decline_urgent, ring_again
from ..actions.controller import Controller
from ..actions.fleet import Fleet, SiteNow
from ..actions.start_urgent import Outlook, UrgentSpec, outlook, start_urgent
from ..actions.urgent_now import Called, UrgentNow
from ..api.access import Core
from ..api.urgent import read_urgent
from ..rules.actor import Actor, Role
from ..rules.refusals import Refusal
from ..rules.urgent import Answer
from .access import SecretaryPage, ViewerPage
from .form import Form, form
from .mistakes import Mistakes, mistakes, sentence
from .page import for_htmx, redirect, render, words_of
from .words import Words

router = APIRouter(include_in_schema=False, prefix="/urgent")

MOST_BOXES = 400  # so many sites can be chosen one by one; more are chosen by area
MOST_SHOWN = 100  # of each kind of hall; the first to call come first
PATIENCE = timedelta(minutes=2)  # within it a hall that rings comes in by itself
TONES = {
    Answer.UNREACHABLE: "bad",
    Answer.DECLINED: "care",
    Answer.LEFT: "care",
    Answer.CALLED: "none",
    Answer.RINGING: "live",
    Answer.JOINING: "live",
    Answer.PRESENT: "good",
}


@dataclass(frozen=True, slots=True)
class Part:
    """Sites that are chosen together: of one area, or of none (`name` None)."""

    key: str
    name: str | None
    sites: Sequence[SiteNow]


@router.get("")
def start_page(request: Request, core: Core, who: SecretaryPage) -> Response:
    """Everything is filled in: one tap starts it."""
    return _start_page(request, core, who, None, {})


@router.post("")
async def post_start(request: Request, core: Core, who: SecretaryPage) -> Response:
    """Start it, and go where one sees who comes."""
    sent, words = await form(request), words_of(request)
    try:
        spec = await run_in_threadpool(_spec, core, who, sent)
        occurrence = await start_urgent(core, who, spec)
    except (Refusal, ValidationError) as error:
        wrong = mistakes(words, error)
        return await run_in_threadpool(_start_page, request, core, who, sent, wrong)
    return redirect(f"/urgent/{occurrence}")


@router.get("/{meeting}")
def urgent_page(request: Request, core: Core, who: ViewerPage, meeting: str) -> Response:
    """Who is in, who comes, whom to call."""
    return render(request, "urgent/page.html", **_values(core, who, meeting))


@router.get("/{meeting}/now")
def urgent_part(request: Request, core: Core, who: ViewerPage, meeting: str) -> Response:
    """Its living part."""
    return render(request, "urgent/_now.html", **_values(core, who, meeting))


@router.post("/{meeting}/answers")
async def post_answer(request: Request, core: Core, who: SecretaryPage, meeting: str) -> Response:
    """Call a hall once more, or decline for one that telephoned."""
    sent, words = await form(request), words_of(request)
    act = ring_again if sent["verb"] == "ring" else decline_urgent
    try:
        await act(core, who, meeting, sent["site"])
    except Refusal as error:
        if for_htmx(request):
            raise
        return redirect(f"/urgent/{meeting}", sentence(words, error), "bad")
    if for_htmx(request):
        return await run_in_threadpool(urgent_part, request, core, who, meeting)
    return redirect(f"/urgent/{meeting}")


def _values(core: Controller, who: Actor, meeting: str) -> dict[str, Any]:
    with core.database.read() as session:
        now = read_urgent(core, session, who, meeting)
    return {
        "u": now,
        "base": f"/urgent/{now.now.occurrence.id}",
        "tones": {answer.value: tone for answer, tone in TONES.items()},
        "counts": [(answer.value, now.count(answer)) for answer in reversed(Answer)],
        "to_call": [one for one in now.halls if _needs_a_call(one, now)],
        "coming": [one for one in now.halls if one.answer.awaited and not _needs_a_call(one, now)],
        "inside": [one for one in now.halls if one.answer is Answer.PRESENT],
        "reachable": sum(one.answer.awaited or one.answer is Answer.PRESENT for one in now.halls),
        "most": MOST_SHOWN,
        "may_call": who.may(Role.SECRETARY) and now.now.phase.live,
    }


def _needs_a_call(one: Called, now: UrgentNow) -> bool:
    """Nothing brings this hall in but a telephone call, or it has been awaited for longer than usual."""
    if one.answer is Answer.PRESENT:
        return False
    return not one.answer.awaited or now.elapsed > PATIENCE


def _start_page(
    request: Request, core: Controller, who: Actor, sent: Form | None, wrong: Mistakes
) -> Response:
    words, fleet = words_of(request), core.fleet.now()
    with core.database.read() as session:
        found = outlook(session, core.settings, who, core.now())
    parts = parts_of(fleet, fleet.of(who))
    one_by_one = len(fleet.of(who)) <= MOST_BOXES
    chosen = None if sent is None else set(_chosen(parts, sent, one_by_one=one_by_one))
    return render(
        request,
        "urgent/start.html",
        422 if wrong else 200,
        parts=parts,
        one_by_one=one_by_one,
        chosen=_preselected(parts, found) if chosen is None else chosen,
        apart=found.apart,
        clashes=[(clash, _names(words, fleet, clash.sites)) for clash in found.clashes],
        mains=[(site.id, site.name) for site in _mains(fleet.of(who))],
        main_site=sent["main_site"] if sent else found.main_site,
        title=sent["title"] if sent else words("urgent.default_title"),
        secret=bool(sent and "secret" in sent),
        wrong=wrong,
        asks="subject_checked" in wrong,
    )


def _spec(core: Controller, who: Actor, sent: Form) -> UrgentSpec:
    fleet = core.fleet.now()
    seen = fleet.of(who)
    sites = _chosen(parts_of(fleet, seen), sent, one_by_one=len(seen) <= MOST_BOXES)
    return UrgentSpec.model_validate(
        {
            "title": sent["title"],
            "main_site": sent["main_site"],
            "sites": sites,
            "security_subject": "secret" in sent,
            "subject_checked": "subject_checked" in sent,
        }
    )


def parts_of(fleet: Fleet, sites: Sequence[SiteNow]) -> list[Part]:
    """The sites by area, at the level at which they first differ: below a lone province by commune."""
    depth = 0
    while len({site.areas[: depth + 1] for site in sites}) == 1 and any(
        len(site.areas) > depth + 1 for site in sites
    ):
        depth += 1
    found: dict[str | None, list[SiteNow]] = {}
    for site in sites:
        area = site.areas[: depth + 1][-1:]
        found.setdefault(area[0] if area else None, []).append(site)
    parts = [Part(area or "-", fleet.areas[area].name if area else None, of) for area, of in found.items()]
    return sorted(parts, key=lambda part: (part.name is not None, part.name or ""))


def _chosen(parts: Sequence[Part], sent: Form, *, one_by_one: bool) -> list[str]:
    if one_by_one:
        ticked = {site for part in parts for site in sent.all(f"sites.{part.key}")}
        return [site.id for part in parts for site in part.sites if site.id in ticked]
    areas = set(sent.all("part"))
    return [site.id for part in parts if part.key in areas for site in part.sites]


def _preselected(parts: Sequence[Part], found: Outlook) -> set[str]:
    return {site.id for part in parts for site in part.sites if site.id not in found.apart}


def _mains(sites: Sequence[SiteNow]) -> list[SiteNow]:
    return sorted(sites, key=lambda site: (not site.row.is_centre, site.search))


def _names(words: Words, fleet: Fleet, sites: Sequence[str]) -> str:
    """Up to five names, and how many more there are."""
    names = [fleet.by_id[site].name for site in sites if site in fleet.by_id]
    more = [words.n("urgent.more", len(names) - 5)] if len(names) > 5 else []
    return words.list([*names[:5], *more]) if names else ""
