"""From the fleet to what the board shows of it: tiles, and the strip of a meeting, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..actions.fleet import SiteNow
from ..actions.read_board import Board, MeetingNow
from ..rules.actor import Actor, Role
from ..rules.board import TONES
from ..store.tables import VERDICT
from .findings import Found, findings, open_outside
from .notice_text import zalo_text
from .words import Words

FEW, SOME = 8, 30  # up to so many tiles are large, or of middle size
_JUST_CHECKED = timedelta(minutes=2)
_CALL_BEFORE = timedelta(hours=3)  # so long before a meeting it makes sense to call
_CALLS_SHOWN = 3
_ABSENT = ("lost", "silent", "offline", "never", "no_unit")


@dataclass(frozen=True, slots=True)
class Tile:
    """A site on the board. `slim`: nothing to do there. `picture`: address of the small one, or nothing.

    `seen` is when it was last heard of, where that matters; `checked` when its last check was, if just now.
    `room` is what somebody shut in the hall, or what is open there outside a meeting: `stopped`, `muted`,
    `open_camera` …; `findings` is what the last check (`check`: its name in the page) found, and `zalo` the
    text about it to be sent on.
    """

    id: str
    name: str
    tone: str
    state: str
    todo: str
    slim: bool
    main: bool
    speaking: bool
    line: str
    rtt_ms: float | None
    picture: str
    picture_at: datetime | None
    seen: datetime | None
    checked: str
    contact: str
    phone: str
    config_error: str
    may_check: bool
    room: str
    findings: Sequence[Found]
    check: str
    zalo: str


@dataclass(frozen=True, slots=True)
class Strip:
    """A meeting above the tiles. `phase`: `soon`, `open` (the room is) or `now`; `call`: whom first."""

    meeting: MeetingNow
    phase: str
    call: tuple[Tile, ...]
    more_calls: int
    speakers: tuple[str, ...]
    late: int


def density(count: int) -> str:
    """How large tiles are, by how many there are."""
    return "few" if count <= FEW else "some" if count <= SOME else "many"


def tiles(sites: Sequence[SiteNow], board: Board, who: Actor, words: Words) -> list[Tile]:
    """Sites as tiles, in the same order."""
    dense = density(len(sites))
    return [_tile(site, board, who, words, dense) for site in sites]


def strips(
    board: Board, sites: Mapping[str, SiteNow], who: Actor, words: Words, now: datetime
) -> list[Strip]:
    """The meetings that run, or the next one. `sites` holds those of the fleet by id."""
    return [_strip(one, board, sites, who, words, now) for one in board.meetings]


def todo(site: SiteNow, who: Actor, words: Words) -> str:
    """The one thing to do at a site, or nothing. A command is told only to who may give it."""
    if site.state in ("not_ready", "remark"):
        return words.known("instruction", site.instruction, "other") if site.instruction else ""
    if site.state == "no_unit" and not who.may(Role.OPERATOR):
        return words("instruction_by_state.no_unit_ask")
    if site.state in _ABSENT:
        return words(f"instruction_by_state.{site.state}", site=site.id)
    return ""


def _tile(site: SiteNow, board: Board, who: Actor, words: Words, dense: str) -> Tile:
    tone, unit = TONES[site.state], site.unit
    contact = next((one for one in site.row.contacts if one.get("phone")), {})
    room = _room(site)
    fine = tone in ("good", "live") and not (site.config_error or room)
    wrong = findings(site, words) if site.state in ("not_ready", "remark") else []
    return Tile(
        id=site.id,
        name=site.name,
        tone=tone,
        state=site.state,
        todo=todo(site, who, words),
        slim=dense != "few" and (fine or (dense == "many" and tone == "none")),
        main=site.id in board.main_sites,
        speaking=site.state == "in_meeting" and site.id in board.speaking,
        line=site.line,
        rtt_ms=site.rtt_ms,
        picture=_picture(site),
        picture_at=unit.picture_at if unit is not None else None,
        seen=unit.last_seen if unit is not None and site.state in _ABSENT else None,
        checked=_just_checked(site, words),
        contact=str(contact.get("name", "")),
        phone=str(contact.get("phone", "")),
        config_error=site.config_error,
        may_check=(
            who.may(Role.OPERATOR)
            and unit is not None
            and unit.status == "online"
            and site.state != "in_meeting"
        ),
        room=room,
        findings=wrong,
        check=f"{site.id}-{site.newest[VERDICT]['at']}" if wrong else "",
        zalo=zalo_text(site, words.zone, words.now) if wrong else "",
    )


def _room(site: SiteNow) -> str:
    """The word for what people should know of a hall's camera and microphone."""
    if site.room.stopped:
        return "stopped"
    if site.room.muted:
        return "muted"
    opened = open_outside(site)
    return f"open_{'_'.join(opened)}" if opened else ""


def _picture(site: SiteNow) -> str:
    if site.unit is None or site.unit.picture_at is None:
        return ""
    return f"/api/v1/units/{site.unit.id}/thumbnail?at={site.unit.picture_at.timestamp():.0f}"


def _just_checked(site: SiteNow, words: Words) -> str:
    at = str(site.newest.get(VERDICT, {}).get("at", ""))
    return at if at and words.now - words.local(at) < _JUST_CHECKED else ""


def _strip(
    one: MeetingNow, board: Board, sites: Mapping[str, SiteNow], who: Actor, words: Words, now: datetime
) -> Strip:
    near = one.hall and one.opens_at - now < _CALL_BEFORE
    call = [sites[site] for site in one.risk.call[:_CALLS_SHOWN]] if near else []
    return Strip(
        meeting=one,
        phase="soon" if now < one.opens_at else "open" if now < one.starts_at else "now",
        call=tuple(_tile(site, board, who, words, "few") for site in call),
        more_calls=len(one.risk.call) - len(call) if near else 0,
        speakers=tuple(sites[site].name if site in sites else site for site in one.speakers),
        late=len(one.risk.call),
    )
