"""/api/v1/meetings/{meeting}/halls/{site}: what a hall sees and says on its phone page, for programs."""

from __future__ import annotations

from fastapi import APIRouter

from ..actions.attendees import attendee_view
from ..actions.find_occurrence import find_occurrence
from ..actions.hall_page import HallPage, hall_page
from ..actions.hears_well import hears_well
from ..actions.meeting_links import hall_address
from ..rules.refusals import NotFound
from .access import Core, Secretary, Viewer
from .answers import answers
from .views import View, text

router = APIRouter(prefix="/meetings", tags=["halls"])


@router.get("/{meeting}/halls/{site}", responses=answers(404))
def get_hall(core: Core, who: Viewer, meeting: str, site: str) -> View:
    """A hall in a meeting: is it in, does it speak or wait, who sits there, what is wrong."""
    with core.database.read() as session:
        occurrence = find_occurrence(session, who, meeting, core.now())
        if not who.sees(site):
            raise NotFound(f"there is no site {site[:80]} in this meeting", code="sites.unknown", site=site)
        return _view(hall_page(core, session, core.fleet.now(), occurrence, site))


@router.get("/{meeting}/halls/{site}/link", responses=answers(404))
def get_hall_link(core: Core, who: Secretary, meeting: str, site: str) -> View:
    """The address of the hall's phone page, as in the code on its screen: for a hall that cannot scan it."""
    with core.database.read() as session:
        occurrence = find_occurrence(session, who, meeting, core.now())
        if site not in occurrence.meeting.site_ids or not who.sees(site):
            raise NotFound(f"there is no site {site[:80]} in this meeting", code="sites.unknown", site=site)
        return {"url": hall_address(session, core.settings, occurrence, site)}


@router.post("/{meeting}/halls/{site}/hears", status_code=204, responses=answers(404, 409))
async def post_hears(core: Core, who: Secretary, meeting: str, site: str) -> None:
    """Note that the hall hears well."""
    await hears_well(core, who, meeting, site)


def _view(page: HallPage) -> View:
    hand = page.hand
    return {
        "meeting": page.now.occurrence.id,
        "title": page.now.occurrence.meeting.title,
        "phase": page.now.phase.value,
        "site": page.hall.site.id,
        "standing": page.hall.standing.value,
        "mic": page.hall.mic,
        "speaking": page.speaking,
        "hand": {"text": hand.text, "raised_at": text(hand.raised_at), "place": page.place} if hand else None,
        "rings": page.rings,
        "declined": page.declined,
        "heard_at": text(page.heard_at),
        "people": [attendee_view(person) for person in page.people],
        "incidents": [
            {"id": one.id, "kind": one.kind, "opened_at": text(one.opened_at)} for one in page.incidents
        ],
    }
