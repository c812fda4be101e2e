"""/api/v1/faults: what failed most; the history of a site's checks; what was told of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from ..actions.find_faults import find_faults, find_notices
from ..actions.read_checks import days_of_site, hours_of_site
from ..actions.scope import site_for
from .access import Contractor, Core, Viewer
from .answers import answers
from .views import View, text

router = APIRouter(tags=["checks"])

AreaText = Annotated[str | None, Query(max_length=40, description="the area, with all below it")]
DaysNumber = Annotated[int, Query(ge=1, le=400, description="how many days back, today included")]


@router.get("/faults", responses=answers(404))
def get_faults(core: Core, who: Viewer, area: AreaText = None, days: DaysNumber = 30) -> View:
    """Faults by the number of days sites had them, with the sites that had most; and how checks ended."""
    fleet = core.fleet.now()
    with core.database.read() as session:
        found = find_faults(core, session, fleet, who, area, days)
    return {
        "first": found.first.isoformat(),
        "last": found.last.isoformat(),
        "sites": found.sites,
        "checks": dict(found.checks),
        "faults": [
            {
                "what": one.what,
                "device": one.device,
                "sites": one.sites,
                "days": one.days,
                "not_ready": one.not_ready,
                "remark": one.remark,
                "mended": one.mended,
                "worst": [{"site": site, "days": count} for site, count in one.worst],
            }
            for one in found.failing
        ],
    }


@router.get("/sites/{site}/checks", responses=answers(404))
def get_checks(core: Core, who: Contractor, site: str) -> View:
    """A month of a site: each day of its room and of each device, and each hour of its line and heat."""
    now = core.now()
    with core.database.read() as session:
        site_for(session, who, site)
        days = days_of_site(session, site, now.astimezone(core.settings.zone).date())
        hours = hours_of_site(session, site, now)
    return {
        "days": {
            device or "room": [
                {
                    "day": day.date.isoformat(),
                    "tone": day.tone,
                    "faults": list(day.faults),
                    "checks": day.checks,
                }
                for day in row
            ]
            for device, row in days.items()
        },
        "hours": [
            {
                "hour": text(hour.at),
                "rtt_ms": hour.rtt_ms,
                "rtt_most_ms": hour.rtt_most_ms,
                "hottest_c": hour.hottest_c,
            }
            for hour in hours
        ],
    }


@router.get("/notices")
def get_notices(core: Core, who: Viewer) -> list[View]:
    """What was told of rooms that are not ready, the newest first; `error` says why one was not sent."""
    with core.database.read() as session:
        return [
            {
                "at": text(one.at),
                "fault": one.fault,
                "sites": [site for site in one.sites if who.sees(site)],
                "to": one.shown_as,
                "title": one.title,
                "tries": one.tries,
                "sent_at": text(one.sent_at),
                "next_try_at": text(one.next_try_at),
                "error": one.error,
            }
            for one in find_notices(session, who)
        ]
