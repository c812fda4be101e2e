"""/api/v1/meetings/{meeting}/hands: the halls that ask for the floor.

A hall asks through its phone page; a secretary may do so for a hall that called.
"""

from __future__ import annotations

from typing import Annotated

from diemcau_wire.messages import SiteId
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from ..actions.find_occurrence import find_occurrence
from ..actions.raise_hand import Ending, lower_hand, raise_hand
from ..actions.waiting_hands import waiting_hands
from ..rules.hands import LONGEST_QUESTION
from .access import Core, Secretary, Viewer
from .answers import answers
from .views import View, text

router = APIRouter(prefix="/meetings", tags=["floor"])


class HandRaised(BaseModel):
    """`text` is the question of the hall, if it has one."""

    model_config = ConfigDict(extra="forbid")
    site: SiteId
    text: Annotated[str, Field(max_length=LONGEST_QUESTION)] = ""


@router.get("/{meeting}/hands", responses=answers(404))
def get_hands(core: Core, who: Viewer, meeting: str) -> list[View]:
    """Who waits for the floor, in the order they asked."""
    with core.database.read() as session:
        occurrence = find_occurrence(session, who, meeting, core.now())
        return [
            {"site": hand.site_id, "text": hand.text, "raised_at": text(hand.raised_at)}
            for hand in waiting_hands(session, occurrence.id)
            if who.sees(hand.site_id)
        ]


@router.post("/{meeting}/hands", status_code=204, responses=answers(404, 409, 422))
async def post_hand(core: Core, who: Secretary, meeting: str, hand: HandRaised) -> None:
    """Raise the hand of a site, or change its question; it keeps its place."""
    await raise_hand(core, who, meeting, hand.site, hand.text)


@router.delete("/{meeting}/hands/{site}", status_code=204, responses=answers(404, 409, 422))
async def delete_hand(
    core: Core,
    who: Secretary,
    meeting: str,
    site: str,
    ending: Annotated[Ending, Query(description="by the hall, or by the chair")] = Ending.DISMISSED,
) -> None:
    """Take a hand down."""
    await lower_hand(core, who, meeting, site, ending)
