"""The living part of a meeting's page and of the chair's: what it shows, and whether it changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from ..actions.change_floor import FloorVerb, change_floor
from ..actions.controller import Controller
from ..actions.meeting_now import HallNow, MeetingNow
from ..actions.raise_hand import Ending, lower_hand
from ..rules.actor import Actor
from ..rules.floor import MOST_SPEAKERS
from ..rules.naming import plain
from ..rules.refusals import Invalid
from ..rules.standing import Standing
from .form import Form
from .page import render

SHOWS = ("all", "missing", "present")
LONGEST_SEARCH = 80
_DISMISS = "dismiss"
_SEEN = '<input type="hidden" name="seen" id="{id}" value="{digest}">'


def floor_values(now: MeetingNow, base: str, *, may_floor: bool) -> dict[str, Any]:
    """What the templates of the floor need. `base` is the address that changes go to."""
    full = len(now.floor.speakers) >= MOST_SPEAKERS
    gives_way = next((hall.site.name for hall in now.speakers if not hall.main), "")
    here = now.occurrence.meeting.mode == "here"
    begun = now.phase.begun and here
    return {
        "m": now,
        "base": base,
        "here": here,
        "may_floor": may_floor and here and now.phase.live,
        "full": full,
        "gives_way": gives_way if full and now.floor.open else "",
        "tones": {one.value: _tone(one, begun=begun) for one in Standing},
        "present": now.present,
        "total": len(now.halls),
        "late": len(now.missing) if begun else 0,
    }


def found(halls: Sequence[HallNow], text: str, show: str = "all") -> list[HallNow]:
    """The halls somebody looks for: every word of `text` is in name, area or contact, without diacritics."""
    words = plain(text[:LONGEST_SEARCH]).split()
    return [
        hall
        for hall in halls
        if all(word in hall.site.search for word in words)
        and (show != "missing" or hall.standing.missing)
        and (show != "present" or hall.connected)
    ]


def answer_part(
    request: Request, template: str, values: Mapping[str, Any], seen_id: str, query: Mapping[str, str]
) -> Response:
    """A part of a page that says what it has (`seen`) and whether its meeting was open (`live`).

    204 when it has just this, so that nothing moves under a thumb and little travels. When the meeting has
    opened or ended since, the page is loaded anew: it offers other things now.
    """
    now, part = values["m"], render(request, template, **values)
    if query.get("live") not in (None, "1" if now.phase.live else "0"):
        return Response(headers={"HX-Refresh": "true"})
    digest = hashlib.blake2b(part.body, digest_size=9).hexdigest()
    if query.get("seen") == digest:
        return Response(status_code=204)
    part.body = bytes(part.body) + _SEEN.format(id=seen_id, digest=digest).encode()
    part.headers["content-length"] = str(len(part.body))
    return part


async def change(core: Controller, who: Actor, meeting: str, sent: Form) -> None:
    """Do what a button of the floor asks: `verb` (of the floor, or `dismiss` a hand), `site`, `add`."""
    verb, site = sent["verb"], sent["site"] or None
    if verb == _DISMISS and site is not None:
        await lower_hand(core, who, meeting, site, Ending.DISMISSED)
        return
    if verb not in set(FloorVerb):
        raise Invalid("this button is not known: load the page anew", code="floor.unknown_button")
    await change_floor(core, who, meeting, FloorVerb(verb), site, add=sent["add"] == "yes")


def _tone(standing: Standing, *, begun: bool) -> str:
    if standing is Standing.IN_MEETING:
        return "good"
    if standing in (Standing.RECONNECTING, Standing.JOINING):
        return "care"
    return "bad" if standing.missing and (begun or standing is Standing.DROPPED) else "none"
