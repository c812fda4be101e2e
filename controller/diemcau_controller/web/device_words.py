"""A site's devices in words: what its room has, whether it is plugged in, and what one may choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from diemcau_wire.topics import Channel

from ..actions.controller import Controller
from ..actions.fleet import Document, SiteNow
from ..actions.room_picture import room_picture
from ..rules.sources import masked
from .words import Words

KINDS = ("camera", "microphone", "sound", "television", "buttons")
_FOUND_AS = {"sound": "speaker"}  # as units call it
# What is found by the unit itself: when such a source is configured and not found, it is not plugged in.
_PLUGGED = ("v4l2:", "pulse:", "cec:", "evdev:")
_WITHOUT_LOOKING = {"television": ("cec",), "buttons": ("auto",)}
_LONGEST = 90
_NETWORK = "onvif:"  # found in the hall's network: of use once somebody adds user and password


@dataclass(frozen=True, slots=True)
class Choice:
    """A device that can be chosen. `state`: `found`, `missing` (configured, but not plugged in) or "" where
    nobody can say. `picture` is the address of the newest picture a camera took, `picture_at` when."""

    value: str
    name: str
    note: str
    state: str
    picture: str = ""
    picture_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A device of the room, as the site's page tells it."""

    kind: str
    name: str
    state: str


@dataclass(frozen=True, slots=True)
class Revision:
    """Whether the unit runs what is wanted. `state`: `running`, `waiting`, `away` or `refused` (`error`)."""

    state: str
    error: str = ""


def lines(site: SiteNow, words: Words) -> list[Line]:
    """The devices of a room, one each."""
    return [_line(site, kind, words) for kind in KINDS]


def choices(core: Controller, site: SiteNow, kind: str, configured: str, words: Words) -> list[Choice]:
    """What was found for a kind, with what is configured and was not; names of two equal ones are told apart
    by what follows them."""
    found = [one for one in _found(site, kind) if not str(one["source"]).startswith(_NETWORK)]
    made = [_choice(core, site, kind, str(one["source"]), str(one["name"]), "found") for one in found]
    if plugged(configured) and configured not in {one.value for one in made}:
        made.append(_choice(core, site, kind, configured, _short_name(configured), _missing(site)))
    if kind in _WITHOUT_LOOKING:
        usual = [Choice(one, words(f"devices.{kind}_{one}"), "", "") for one in _WITHOUT_LOOKING[kind]]
        made = usual + made
    return made


def in_network(site: SiteNow) -> list[tuple[str, str]]:
    """The network cameras a unit found when it was asked to look: name and address."""
    found = _found(site, "camera")
    return [
        (str(one["name"]), str(one["source"])) for one in found if str(one["source"]).startswith(_NETWORK)
    ]


def revision(site: SiteNow) -> Revision:
    """How the unit stands to its newest configuration."""
    if site.unit is None:
        return Revision("away")
    said = site.newest.get(Channel.REPORTED_CONFIG, {})
    if said.get("rev") == site.revisions.get(Channel.DESIRED_CONFIG) and said.get("epoch") == site.unit.epoch:
        return Revision("running")
    if site.config_error:
        return Revision("refused", site.config_error)
    return Revision("waiting" if site.unit.status == "online" else "away")


def plugged(source: str) -> bool:
    """True for what the unit finds by itself; else it is an address somebody wrote."""
    return source.startswith(_PLUGGED)


def _line(site: SiteNow, kind: str, words: Words) -> Line:
    source = str(getattr(site.row, kind))
    if source == "none":
        return Line(kind, words("devices.none"), "")
    if source in _WITHOUT_LOOKING.get(kind, ()):
        return Line(kind, words(f"devices.{kind}_{source}"), "")
    for one in _found(site, kind):
        if one["source"] == source:
            return Line(kind, str(one["name"]), "found")
    if plugged(source):
        return Line(kind, _short_name(source), _missing(site))
    return Line(kind, _short(masked(source)), "")


def _missing(site: SiteNow) -> str:
    """`missing`, once its unit has told what it found."""
    return "missing" if Channel.REPORTED_DEVICES in site.newest else ""


def _found(site: SiteNow, kind: str) -> Sequence[Document]:
    device = _FOUND_AS.get(kind, kind)
    return [
        one for one in site.devices if one.get("device") == device and one.get("source") and one.get("name")
    ]


def _choice(core: Controller, site: SiteNow, kind: str, source: str, name: str, state: str) -> Choice:
    note = _short_name(source)
    if kind != "camera" or site.unit is None:
        return Choice(source, name, note if note != name else "", state)
    taken = room_picture(core, site.unit.id, source)
    at = taken.at if taken is not None else None
    address = picture_address(site.unit.id, source, at) if at is not None else ""
    return Choice(source, name, note if note != name else "", state, address, at)


def picture_address(unit: str, source: str, at: datetime) -> str:
    """Where the newest picture of a camera is."""
    return f"/api/v1/units/{unit}/room-picture?camera={quote(source, safe='')}&at={at.timestamp():.0f}"


def _short_name(source: str) -> str:
    return _short(source.partition(":")[2] or source)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
