"""The board: every site, worst first, and how the next meeting stands. It renews itself as things change."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Annotated, Any
from urllib.parse import urlencode

from diemcau_wire.messages import Verb
from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup
from sqlalchemy import select

from ..actions.controller import Controller
from ..actions.fleet import Fleet, SiteNow
from ..actions.read_board import Board, Tone, Wanted, read_board
from ..actions.read_enrolments import Waits, waits
from ..actions.send_command import send_command
from ..actions.web_session import is_old, renew
from ..api.access import COOKIE, Core, known_to, session_key
from ..rules.actor import Actor, Role
from ..rules.refusals import Conflict, NotFound
from ..store.tables import Group
from .access import ContractorPage, OperatorPage, set_session
from .board_tiles import Tile, density, strips, tiles
from .environment import templates
from .form import form
from .happenings import Happening, just_happened
from .page import came_from, for_htmx, redirect, render, words_of
from .words import Words

router = APIRouter(include_in_schema=False)

TONES: tuple[Tone, ...] = ("bad", "care", "none", "live", "good")
_ALL_AT_ONCE = 200  # up to so many sites are shown without asking, and no areas before them
_STEP, _MOST = 120, 2000  # of more than that: so many at first and more at a time, and at most
_AREAS_AS_LIST = 300  # up to so many areas are offered in one list
_WORDS = {"unit": ("with", "without"), "by": ("area",), "tone": TONES}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address of the board says. `by`: `area` makes headings; `wall`: on a screen nobody touches."""

    q: str = ""
    tone: str = ""
    area: str = ""
    group: str = ""
    unit: str = ""
    by: str = ""
    shown: int = 0
    wall: str = ""

    def address(self, path: str = "/", **changes: object) -> str:
        """The address of the same board, changed in this."""
        values = {one.name: getattr(self, one.name) for one in fields(self)} | changes
        query = {name: value for name, value in values.items() if value}
        return f"{path}?{urlencode(query)}" if query else path

    @property
    def filters(self) -> bool:
        """True when not every site is asked for."""
        return bool(self.q or self.tone or self.area or self.group or self.unit)

    @property
    def wanted(self) -> Wanted:
        tone = next((one for one in TONES if one == self.tone), None)
        unit = {"with": True, "without": False}.get(self.unit)
        return Wanted(self.q, tone, self.area or None, self.group or None, unit)


def _asked(
    q: Annotated[str, Query(max_length=200)] = "",
    tone: str = "",
    area: str = "",
    group: str = "",
    unit: str = "",
    by: str = "",
    shown: str = "",
    wall: str = "",
) -> Asked:
    """Whatever stands in the address: a word we do not know counts as not said."""
    said = {"tone": tone, "unit": unit, "by": by}
    known = {name: word if word in _WORDS[name] else "" for name, word in said.items()}
    number = int(shown) if shown.isascii() and shown.isdecimal() and len(shown) < 6 else 0
    return Asked(q.strip(), area=area, group=group, shown=min(number, _MOST), wall=wall and "1", **known)


Address = Annotated[Asked, Depends(_asked)]


@router.get("/")
def board(request: Request, core: Core, who: ContractorPage, asked: Address) -> Response:
    """The whole page. Contractors have their incidents instead, technicians the page to install units."""
    if not who.may(Role.VIEWER):
        return RedirectResponse("/e" if who.role is Role.TECHNICIAN else "/incidents", 303)
    return _kept(
        request, core, who, asked, render(request, "board/page.html", **_page(request, core, who, asked))
    )


@router.get("/fragments/board")
def board_part(request: Request, core: Core, who: ContractorPage, asked: Address, have: str = "") -> Response:
    """The living part; nothing (204) when the page that asks shows it already."""
    if not who.may(Role.VIEWER):
        raise NotFound("contractors have no board")
    values = _page(request, core, who, asked)
    if have == values["have"]:
        return Response(status_code=204, headers={"Cache-Control": "no-store"})
    answer = render(request, "board/_board.html", **values)
    answer.headers["HX-Replace-Url"] = asked.address()
    return _kept(request, core, who, asked, answer)


@router.post("/board/check")
async def check(request: Request, core: Core, who: OperatorPage) -> Response:
    """Have the unit of a site check itself now; what it finds comes as an event."""
    words, sent = words_of(request), await form(request)
    site = (await run_in_threadpool(core.fleet.now)).by_id.get(sent["site"])
    if site is None or site.unit is None:
        raise NotFound("there is no such site, or it has no unit", code="board.no_unit")
    ack = await send_command(core, who, site.unit.id, Verb.PREFLIGHT, {})
    if not ack.ok:
        raise Conflict(
            f"the unit did not check itself: {ack.text}", code="board.check_refused", site=site.name
        )
    text = words("board.check_sent", site=site.name)
    if for_htmx(request):
        return render(request, "board/_said.html", text=text)
    return redirect(came_from(request), text)


def _kept(request: Request, core: Controller, who: Actor, asked: Asked, answer: Response) -> Response:
    """On a wall nobody logs in: a viewer's session goes on as long as its board is shown there."""
    key = session_key(request)
    if not (asked.wall and key and who.role is Role.VIEWER):
        return answer
    now = core.now()
    with core.database.read() as session:
        old = is_old(session, key, now)
    if old:
        core.writer.submit(partial(renew, key=key, now=now))
        set_session(answer, request.cookies[COOKIE])
    return answer


def _page(request: Request, core: Controller, who: Actor, asked: Asked) -> dict[str, Any]:
    """What both templates need: the filters, and the living part with its fingerprint."""
    words, known = words_of(request), known_to(request)
    found = read_board(core, who, asked.wanted)
    fleet = core.fleet.now()
    total = sum(found.tones.values())
    many = total > _ALL_AT_ONCE
    shown = max(asked.shown, _STEP) if many else total
    part = templates.get_template("board/_content.html").render(
        words=words,
        actor=who,
        csrf=known.csrf if known else "",
        asked=asked,
        board=found,
        tones=TONES,
        total=total,
        groups=_groups(found, found.sites[:shown], asked, who, words),
        density=density(min(len(found.sites), shown)),
        areas=found.areas if many or (asked.by and asked.area) else (),
        more=min(shown + _STEP, _MOST) if shown < min(len(found.sites), _MOST) else 0,
        left=len(found.sites) - shown,
        strips=strips(found, fleet.by_id, who, words, core.now()),
        none_at_all=not fleet.of(who),
        events=_happened(core, who, fleet, words) if asked.wall else None,
        waits=_waits(core, who) if not asked.wall else None,
    )
    return {
        "asked": asked,
        "part": Markup(part),  # rendered just above, with escaping
        "have": hashlib.blake2b(part.encode(), digest_size=8).hexdigest(),
        "area_options": _area_options(fleet, who, asked),
        "group_options": _group_options(core),
    }


def _waits(core: Controller, who: Actor) -> Waits | None:
    """What the office should look at of units that are to be admitted; None for who cannot."""
    if not who.may(Role.OPERATOR):
        return None
    with core.database.read() as session:
        return waits(session, who, core.now())


def _groups(
    found: Board, sites: Sequence[SiteNow], asked: Asked, who: Actor, words: Words
) -> list[tuple[str, list[Tile]]]:
    """The tiles under headings, worst area first; one group without a heading unless these are wanted."""
    made = tiles(sites, found, who, words)
    if asked.by != "area":
        return [("", made)]
    under: dict[str, list[Tile]] = {one.area.id: [] for one in found.areas}
    rest: list[Tile] = []
    for site, tile in zip(sites, made, strict=True):
        area = next((area for area in site.areas if area in under), None)
        (rest if area is None else under[area]).append(tile)
    return [(one.area.name, under[one.area.id]) for one in found.areas] + [("", rest)]


def _happened(core: Controller, who: Actor, fleet: Fleet, words: Words) -> list[Happening]:
    with core.database.read() as session:
        return just_happened(session, who, fleet.by_id, words)


def _area_options(fleet: Fleet, who: Actor, asked: Asked) -> list[tuple[str, str]]:
    """Areas to choose from, indented as they lie in each other; of very many only those at the top, and the
    way to the present one."""
    path = [asked.area] if asked.area in fleet.areas else []
    while path and (parent := fleet.areas[path[0]].parent_id) in fleet.areas and parent not in path:
        path.insert(0, str(parent))
    everything = len(fleet.areas) <= _AREAS_AS_LIST
    options: list[tuple[str, str]] = []

    def add(parent: str | None, depth: int) -> None:
        for area in fleet.below.get(parent, ()) if depth < 10 else ():
            options.append((area.id, "\u2003" * depth + area.name))
            if everything or area.id in path:
                add(area.id, depth + 1)

    add(None, 0)
    return options


def _group_options(core: Controller) -> list[tuple[str, str]]:
    with core.database.read() as session:
        return [(one.id, one.name) for one in session.scalars(select(Group).order_by(Group.name))]
