"""Hay hỏng nhất: what failed most in the rooms, by area and period; and what was told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from ..actions.controller import Controller
from ..actions.find_faults import PERIODS, Faults, find_faults, find_notices
from ..actions.fleet import Fleet
from ..api.access import Core
from ..rules.actor import Actor
from ..rules.csv_table import csv_table
from ..rules.naming import plain
from .access import ViewerPage
from .page import render, words_of
from .plots import day_text, fault_name
from .words import Words

router = APIRouter(include_in_schema=False, prefix="/faults")

_AREAS = 300


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address says."""

    area: str = ""
    days: int = 30

    def address(self, path: str = "/faults", **changes: object) -> str:
        """The address of the same page, changed in this."""
        values = {"area": self.area, "days": self.days} | changes
        query = {name: value for name, value in values.items() if value and (name, value) != ("days", 30)}
        return f"{path}?{urlencode(query)}" if query else path


def _asked(area: str = "", days: str = "30") -> Asked:
    """Whatever stands in the address: a number of days we do not offer counts as not said."""
    number = int(days) if days.isascii() and days.isdecimal() and len(days) < 5 else 30
    return Asked(area[:40], number if number in PERIODS else 30)


AskedFor = Annotated[Asked, Depends(_asked)]


@router.get("")
def faults(request: Request, core: Core, who: ViewerPage, asked: AskedFor) -> Response:
    """The page."""
    fleet, words = core.fleet.now(), words_of(request)
    with core.database.read() as session:
        notices = find_notices(session, who)
    found = _found(core, fleet, who, asked)
    return render(
        request,
        "sites/faults.html",
        asked=asked,
        periods=PERIODS,
        found=found,
        first=day_text(found.first),
        last=day_text(found.last),
        most=max((one.days for one in found.failing), default=1),
        rows=[(one, fault_name(words, one.what), _worst(one.worst, fleet)) for one in found.failing],
        areas=_areas(fleet, who),
        notices=[(one, ", ".join(_names(one.sites, fleet, who))) for one in notices],
        telling=core.settings.notify.addresses,
    )


@router.get("/table.csv")
def table(request: Request, core: Core, who: ViewerPage, asked: AskedFor) -> Response:
    """The same for a spreadsheet program."""
    words, fleet = words_of(request), core.fleet.now()
    found = _found(core, fleet, who, asked)
    name = f"hay-hong-{found.last:%Y%m%d}.csv"
    return Response(
        _csv(found, fleet, words),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def _found(core: Controller, fleet: Fleet, who: Actor, asked: Asked) -> Faults:
    with core.database.read() as session:
        return find_faults(core, session, fleet, who, asked.area or None, asked.days)


def _worst(worst: Any, fleet: Fleet) -> list[tuple[str, str, int]]:
    return [(site, fleet.by_id[site].name, days) for site, days in worst if site in fleet.by_id]


def _names(sites: list[str], fleet: Fleet, who: Actor) -> list[str]:
    seen = [fleet.by_id[site].name for site in sites if who.sees(site) and site in fleet.by_id]
    return [*seen[:5], f"+{len(seen) - 5}"] if len(seen) > 5 else seen


def _areas(fleet: Fleet, who: Actor) -> list[tuple[str, str]]:
    """The areas that hold a site in scope, by name."""
    held = {area for site in fleet.of(who) for area in site.areas}
    named = sorted((fleet.areas[area].name, area) for area in held)
    named.sort(key=lambda one: plain(one[0]))
    return [(area, name) for name, area in named[:_AREAS]]


def _csv(found: Faults, fleet: Fleet, words: Words) -> str:
    heading = [
        words(f"faults.column_{name}")
        for name in ("fault", "device", "sites", "days", "not_ready", "remark", "mended", "worst")
    ]
    rows = [
        [
            fault_name(words, one.what),
            words(f"faults.device_{one.device}"),
            one.sites,
            one.days,
            one.not_ready,
            one.remark,
            one.mended,
            "; ".join(f"{name} ({days})" for _, name, days in _worst(one.worst, fleet)),
        ]
        for one in found.failing
    ]
    return csv_table(heading, rows)
