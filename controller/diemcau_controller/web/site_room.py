"""The room on a site's page: its devices, the last check with its remedies, its history, what to tell."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from ..actions.controller import Controller
from ..actions.fleet import SiteNow
from ..actions.read_checks import days_of_site, hours_of_site
from ..actions.scope import site_for
from ..api.access import Core
from ..store.tables import VERDICT
from .access import ContractorPage
from .device_words import lines, revision
from .findings import findings, open_outside
from .notice_card import notice_card
from .notice_text import zalo_text
from .plots import day_text, plots, strips
from .words import Words

router = APIRouter(include_in_schema=False, prefix="/sites/{site}")


@router.get("/notice.png")
def notice_picture(request: Request, core: Core, who: ContractorPage, site: str) -> Response:
    """How the room stands, as a picture to be sent to a group."""
    with core.database.read() as session:
        site_for(session, who, site)
    office = core.settings.coordinator
    place = core.fleet.now().by_id[site]
    picture = notice_card(place, core.settings.zone, core.now(), office.name, office.phone)
    headers = {
        "Content-Disposition": f'attachment; filename="{site}.png"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(picture, media_type="image/png", headers=headers)


def room_values(core: Controller, session: Session, site: SiteNow, words: Words) -> dict[str, Any]:
    """What the template needs."""
    now = core.now()
    today = now.astimezone(core.settings.zone).date()
    days = days_of_site(session, site.id, today)
    checked = any(day.tone != "none" for day in days[""])
    return {
        "devices": lines(site, words),
        "revision": revision(site),
        "findings": findings(site, words),
        "checked_at": site.newest.get(VERDICT, {}).get("at"),
        "strips": strips(days, words) if checked else [],
        "strip_days": (day_text(days[""][0].date), day_text(days[""][-1].date)),
        "plots": plots(hours_of_site(session, site.id, now), now, words),
        "open_now": open_outside(site),
        "zalo": zalo_text(site, core.settings.zone, now),
    }
