"""The devices of a site: chosen from what its unit found or by address, tried out; and how it is checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from diemcau_wire.messages import Verb
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import ValidationError

from ..actions.add_site import change_site
from ..actions.ask_room import PATIENCE_S, ask_room
from ..actions.controller import Controller
from ..actions.fleet import SiteNow
from ..actions.room_picture import room_picture
from ..actions.scope import site_for
from ..actions.site_spec import SiteChange, device_settings
from ..actions.site_versions import SiteChangedMeanwhile, changes_since, settings_before, version_of
from ..api.access import Core
from ..rules.actor import Actor
from ..rules.refusals import NotFound, Refusal
from ..rules.sources import masked, unmasked
from .access import OperatorPage
from .device_words import KINDS, choices, in_network, picture_address, plugged, revision
from .form import Form, form
from .mistakes import Mistakes, mistakes, sentence
from .page import came_from, for_htmx, redirect, render, words_of
from .site_form import wrong_fields
from .site_meanwhile import merged, told, version_in

router = APIRouter(include_in_schema=False, prefix="/sites/{site}")

_OTHER = "other"  # the choice beside which an address is written
_ADDRESSES = ("camera_small", "camera_onvif")
_BOXES = ("echo_cancellation", "check_tone", "room_pictures")


@dataclass(frozen=True, slots=True)
class Shown:
    """What stands in the form: by kind what is chosen and the address written, then the other fields."""

    chosen: dict[str, str]
    written: dict[str, str]
    texts: dict[str, str]
    boxes: dict[str, bool] = field(default_factory=dict)


@router.get("/devices")
def devices(request: Request, core: Core, who: OperatorPage, site: str) -> Response:
    """The form with what is set."""
    with core.database.read() as session:
        known, version = device_settings(site_for(session, who, site)), version_of(session, site)
    return _page(request, core, site, known, _stored(known, version), {})


@router.get("/devices/part")
def devices_part(request: Request, core: Core, who: OperatorPage, site: str) -> Response:
    """Its living part: whether the unit runs what is wanted, the picture that was taken."""
    known = _settings(core, who, site)
    return render(request, "sites/_devices_now.html", **_now(core, site, known))


@router.post("/devices")
async def post_devices(request: Request, core: Core, who: OperatorPage, site: str) -> Response:
    """Change them; the unit takes them over without a restart."""
    sent, words = await form(request), words_of(request)
    known = await run_in_threadpool(_settings, core, who, site)
    fields, wrong = _fields(sent, known, words("refusal.sites.password_covered"))
    try:
        change = SiteChange.model_validate(fields)
        if not wrong:
            await change_site(core, who, site, change, version_in(sent))
            return redirect(f"/sites/{site}/devices", words("devices.saved"))
    except SiteChangedMeanwhile as error:
        return await run_in_threadpool(_meanwhile, request, core, who, site, sent, mistakes(words, error))
    except ValidationError as error:
        wrong = wrong_fields(words, error) | wrong
    except Refusal as error:
        wrong |= mistakes(words, error)
    return await run_in_threadpool(_page, request, core, site, known, _typed(sent), wrong, 422)


@router.post("/ask")
async def post_ask(request: Request, core: Core, who: OperatorPage, site: str) -> Response:
    """Have the room do something at once: `verb`, and with a tone or a picture the device it is of."""
    sent, words = await form(request), words_of(request)
    verb = next((one for one in PATIENCE_S if one.value == sent["verb"]), None)
    if verb is None:
        raise NotFound("that cannot be asked of a room", code="devices.no_verb")
    device = sent["output"] or sent["camera"]
    known = await run_in_threadpool(_settings, core, who, site)
    meant = unmasked(device, str(known["camera"]))
    tone, text = "good", words(f"devices.asked_{verb.value}")
    try:
        await ask_room(core, who, site, verb, meant or "")
    except NotFound:
        raise
    except Refusal as error:
        tone, text = "bad", sentence(words, error)
    if for_htmx(request):
        return render(request, "sites/_said.html", tone=tone, text=text)
    back = came_from(request)
    return redirect(back if back.startswith("/sites/") else f"/sites/{site}", text, tone)


def _settings(core: Controller, who: Actor, site: str) -> dict[str, Any]:
    with core.database.read() as session:
        return device_settings(site_for(session, who, site))


def _stored(known: dict[str, Any], version: int) -> Shown:
    """The form as the settings have it; passwords are covered."""
    chosen, written = {}, {}
    for kind in KINDS:
        source = str(known[kind])
        listed = source in ("none", "auto", "cec") or plugged(source)
        chosen[kind], written[kind] = (source, "") if listed else (_OTHER, masked(source))
    texts = {name: masked(known[name] or "") for name in (*_ADDRESSES, "camera_preset", "morning_at")}
    texts["version"] = str(version)
    texts["volume_percent"] = "" if known["volume_percent"] is None else str(known["volume_percent"])
    return Shown(chosen, written, texts, {name: bool(known[name]) for name in _BOXES})


def _typed(sent: Form) -> Shown:
    """What was sent, to be shown once more."""
    return Shown(
        {kind: sent[kind] for kind in KINDS},
        {kind: sent[f"{kind}_address"] for kind in KINDS},
        {
            name: sent[name]
            for name in (*_ADDRESSES, "camera_preset", "morning_at", "volume_percent", "version")
        },
        {name: name in sent for name in _BOXES},
    )


def _meanwhile(
    request: Request, core: Controller, who: Actor, site: str, sent: Form, wrong: Mistakes
) -> Response:
    """The form with what was chosen, and where nothing was chosen what somebody else did; from there on."""
    typed, version = _typed(sent), version_in(sent) or 0
    with core.database.read() as session:
        known = device_settings(site_for(session, who, site))
        changes = changes_since(session, site, version)
        present = _stored(known, version_of(session, site))
        before = _stored(settings_before(known, changes), version)
        both = Shown(
            merged(typed.chosen, before.chosen, present.chosen),
            merged(typed.written, before.written, present.written),
            merged(typed.texts, before.texts, present.texts),
            merged(typed.boxes, before.boxes, present.boxes),
        )
        others = told(core, session, changes, words_of(request))
    return _page(request, core, site, known, both, wrong, 409, others)


def _fields(sent: Form, known: dict[str, Any], covered: str) -> tuple[dict[str, Any], Mistakes]:
    """The form's fields as the API has them; what is covered and not known any more is wrong."""
    fields: dict[str, Any] = {name: name in sent for name in _BOXES}
    wrong: Mistakes = {}
    for kind in KINDS:
        written = sent[f"{kind}_address"] if sent[kind] == _OTHER else sent[kind]
        fields[kind] = unmasked(written, known[kind])
        if fields[kind] is None:
            wrong[kind] = covered
    for name in _ADDRESSES:
        fields[name] = unmasked(sent[name], known[name]) if sent[name] else None
        if sent[name] and fields[name] is None:
            wrong[name] = covered
    for name in ("camera_preset", "morning_at"):
        fields[name] = sent[name] or None
    volume = sent["volume_percent"]
    fields["volume_percent"] = int(volume) if volume.isdecimal() and len(volume) < 4 else volume or None
    return fields, wrong


def _now(core: Controller, site: str, known: dict[str, Any]) -> dict[str, Any]:
    place = _place(core, site)
    source, picture = str(known["camera"]), None
    if place.unit is not None and not plugged(source):
        taken = room_picture(core, place.unit.id, source)
        picture = (picture_address(place.unit.id, masked(source), taken.at), taken.at) if taken else None
    return {"site": place, "revision": revision(place), "picture": picture}


def _page(
    request: Request,
    core: Controller,
    site: str,
    known: dict[str, Any],
    shown: Shown,
    wrong: Mistakes,
    status: int = 200,
    others: Sequence[dict[str, Any]] = (),
) -> Response:
    words = words_of(request)
    now = _now(core, site, known)
    return render(
        request,
        "sites/devices.html",
        status,
        **now,
        shown=shown,
        errors=wrong,
        others=others,
        more_open=any(shown.texts[name] or name in wrong for name in (*_ADDRESSES, "camera_preset")),
        offered={kind: choices(core, now["site"], kind, str(known[kind]), words) for kind in KINDS},
        in_network=in_network(now["site"]),
        may_tone=now["site"].unit is not None and now["site"].unit.status == "online",
        may_picture=known["room_pictures"],
        verbs=Verb,
    )


def _place(core: Controller, site: str) -> SiteNow:
    return core.fleet.now().by_id[site]
