"""Import of sites from a table: send it, look at what it comes to, then do it, all or nothing.

A table that was sent is kept for a day, so nothing is lost when the session ends in between.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from ..actions.controller import Controller
from ..actions.import_sites import ImportPlan, ImportRefused, NewAreas, import_sites
from ..actions.kept_tables import KeptTable, drop_table, keep_table, kept_table, kept_tables
from ..adapters.table_file import MAX_BYTES
from ..api.access import Core
from ..api.sites import planned, read_sites_table
from ..rules.actor import Actor
from ..rules.refusals import Invalid
from .access import AdministratorPage
from .form import Form, form
from .mistakes import Mistakes, mistakes
from .page import redirect, render, words_of
from .site_areas import tree_of_fleet
from .site_form import AreaUnclear, area_names_of, area_of

router = APIRouter(include_in_schema=False, prefix="/sites/import")

_WRONG_SHOWN, _RIGHT_SHOWN = 200, 100


@router.get("")
def start(request: Request, core: Core, who: AdministratorPage) -> Response:
    """Choose a file; tables that wait are offered."""
    return _start(request, core, who, {})


@router.post("")
async def send(request: Request, core: Core, who: AdministratorPage) -> Response:
    """Take the file; on to what it comes to."""
    sent, words = await form(request), words_of(request)
    file = sent.file("file")
    if file is None:
        wrong = {"file": words("sites.import_no_file")}
        return await run_in_threadpool(_start, request, core, who, wrong, 422)
    data = await file.read(MAX_BYTES + 1)
    try:
        await read_sites_table(data)
    except Invalid as error:
        wrong = {"file": next(iter(mistakes(words, error).values()))}
        return await run_in_threadpool(_start, request, core, who, wrong, 422)
    table = await run_in_threadpool(keep_table, core, who, file.filename or "", data)
    return redirect(f"/sites/import/{table}")


@router.get("/{table}")
async def look(request: Request, core: Core, who: AdministratorPage, table: str) -> Response:
    """What every line comes to, and what is wrong."""
    kept = await run_in_threadpool(kept_table, core, who, table)
    plan = await planned(core, who, await read_sites_table(kept.data), NewAreas())
    return await run_in_threadpool(_plan, request, core, who, kept, plan, {}, {})


@router.post("/{table}")
async def do(request: Request, core: Core, who: AdministratorPage, table: str) -> Response:
    """Add everything in it, or say why not."""
    sent, words = await form(request), words_of(request)
    kept = await run_in_threadpool(kept_table, core, who, table)
    rows = await read_sites_table(kept.data)
    tree = tree_of_fleet(await run_in_threadpool(core.fleet.now))
    wrong: Mistakes = {}
    new_areas = NewAreas(tiers=_tiers(sent))
    try:
        new_areas = NewAreas(area_of(tree, sent["parent"]), _tiers(sent))
        done = await import_sites(core, who, rows, new_areas)
    except AreaUnclear as error:
        wrong = {"parent": error.said(words)}
    except ImportRefused:
        wrong = {}
    else:
        await run_in_threadpool(drop_table, core, who, table)
        text = words.n("sites.imported", len(done.sites))
        if done.areas:
            text = f"{text} {words.n('sites.imported_areas', len(done.areas))}"
        return redirect("/sites", text)
    plan = await planned(core, who, rows, new_areas)
    return await run_in_threadpool(_plan, request, core, who, kept, plan, sent.values, wrong, 422)


@router.post("/{table}/drop")
async def drop(request: Request, core: Core, who: AdministratorPage, table: str) -> Response:
    """The table is not wanted."""
    await run_in_threadpool(drop_table, core, who, table)
    return redirect("/sites/import", words_of(request)("sites.import_dropped"))


def _tiers(sent: Form) -> dict[str, str]:
    """Guessed tier → the one that was typed for it."""
    pairs = zip(sent.numbered("guessed"), sent.numbered("tier"), strict=False)
    return {guessed: tier[:60] for guessed, tier in pairs if tier}


def _start(request: Request, core: Controller, who: Actor, wrong: Mistakes, status: int = 200) -> Response:
    return render(request, "sites/import.html", status, waiting=kept_tables(core, who), errors=wrong)


def _plan(
    request: Request,
    core: Controller,
    who: Actor,
    kept: KeptTable,
    plan: ImportPlan,
    typed: dict[str, str],
    wrong: Mistakes,
    status: int = 200,
) -> Response:
    # That a tier has to be told is asked beside the new areas, and is no fault of the line.
    wrongs = {one.line: [w for w in one.wrong if w.code != "areas.tier_needed"] for one in plan.sites}
    others = [one for one in plan.sites if wrongs[one.line]]
    right = [one for one in plan.sites if not wrongs[one.line]]
    by_tier: dict[str, list[str]] = {}
    for area in plan.areas:
        by_tier.setdefault(area.guessed, []).append(area.name)
    tiers = {area.guessed: area.tier for area in plan.areas}
    tree = tree_of_fleet(core.fleet.now())
    return render(
        request,
        "sites/plan.html",
        status,
        kept=kept,
        total=len(plan.sites),
        wrong=others[:_WRONG_SHOWN],
        wrong_total=len(others),
        right=right[:_RIGHT_SHOWN],
        right_total=len(right),
        by_tier=sorted(by_tier.items(), key=lambda one: (one[0] != "", one[0])),
        tiers=tiers,
        new_areas=len(plan.areas),
        typed={"parent": "", **typed},
        names=area_names_of(tree, who, ""),
        known_tiers=sorted({node.tier for node in tree.nodes.values()}),
        errors=wrong,
        words_for=lambda wrong: words_of(request)(f"refusal.{wrong.code}", **wrong.values),
    )
