"""A hall's phone page: for whoever scans the code on its screen. That hall in that meeting, no log-in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any

from diemcau_wire.messages import Verb
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import ValidationError

from ..actions.answer_urgent import decline_urgent, ring_again
from ..actions.ask_room import ask_room
from ..actions.attendees import (
    AttendeeChange,
    AttendeeSpec,
    AttendeeStatus,
    add_attendee,
    attendee_view,
    change_attendee,
    remove_attendee,
)
from ..actions.controller import Controller
from ..actions.doorkeeper import TooMany
from ..actions.hall_page import LinkEarly, LinkOver, hall_actor, hall_page
from ..actions.hears_well import hears_well
from ..actions.open_incident import open_incident
from ..actions.raise_hand import lower_hand, raise_hand
from ..api.access import Core, changes, controller_of
from ..rules.actor import Actor
from ..rules.attempts import Attempts
from ..rules.hands import LONGEST_QUESTION
from ..rules.incidents import Kind
from ..rules.pace import Pace
from ..rules.refusals import NotFound, Refusal
from .access import address_of
from .form import Form, form
from .mistakes import Mistakes, mistakes, sentence
from .page import redirect, render, words_of

router = APIRouter(include_in_schema=False, prefix="/h/{meeting}/{site}/{token}")

TROUBLES = (Kind.NO_PICTURE, Kind.NO_SOUND, Kind.OTHER)
STATUSES = tuple(AttendeeStatus)
_FORMS = {"people": {"name", "position", "status", "detail"}, "trouble": {"kind", "story"}}


@dataclass
class Paces:
    """How often a hall's page may change something, and how often an address may try links that are none."""

    halls: Pace = field(default_factory=lambda: Pace(40, timedelta(minutes=1)))
    wrong: Attempts = field(default_factory=lambda: Attempts(free=30))


@dataclass(frozen=True, slots=True)
class Link:
    """A link that is valid now: who acts by it, where its pages are."""

    who: Actor
    meeting: str
    site: str
    token: str

    @property
    def base(self) -> str:
        """The address of the page."""
        return f"/h/{self.meeting}/{self.site}/{self.token}"


def install(app: FastAPI) -> None:
    """Add the page to the application."""
    app.state.hall_paces = Paces()
    app.include_router(router)


def _link(request: Request, meeting: str, site: str, token: str) -> Link:
    core, paces = controller_of(request), request.app.state.hall_paces
    now, address = core.now(), address_of(request)
    try:
        with core.database.read() as session:
            who, occurrence = hall_actor(core, session, meeting, site, token)
    except (LinkEarly, LinkOver):
        raise
    except NotFound as error:
        wait = paces.wrong.wait(address, now)
        paces.wrong.count(address, now)
        raise (_too_many(wait) if wait else error) from None
    if changes(request):
        wait = paces.halls.wait(f"{occurrence.id}:{site}", now)
        if wait:
            raise _too_many(wait)
    return Link(who, occurrence.id, site, token)


def _too_many(wait: timedelta) -> TooMany:
    seconds = max(1, round(wait.total_seconds()))
    return TooMany(f"too many requests: wait {seconds} s, then try again", code="hall.wait", seconds=seconds)


Here = Annotated[Link, Depends(_link)]


@router.get("")
def page(request: Request, core: Core, link: Here) -> Response:
    """The whole page."""
    return _page(request, core, link)


@router.get("/now")
def now_part(request: Request, core: Core, link: Here) -> Response:
    """Its living part: connected or not, microphone, the floor."""
    return render(request, "hall/_now.html", **_values(core, link))


@router.get("/people")
def people_part(request: Request, core: Core, link: Here) -> Response:
    """Who sits there."""
    return render(request, "hall/_people.html", **_values(core, link))


@router.post("/hand")
async def post_hand(request: Request, core: Core, link: Here) -> Response:
    """Ask for the floor, with a question if there is one; or no longer."""
    sent, words = await form(request), words_of(request)
    if sent["verb"] == "lower":
        return await _do(request, core, link, lower_hand(core, link.who, link.meeting, link.site), "lowered")
    try:
        await raise_hand(core, link.who, link.meeting, link.site, sent["text"])
    except Refusal as error:
        return await _again(request, core, link, sent, {error.field or "text": sentence(words, error)})
    return redirect(link.base, words("hall.raised"))


@router.post("/hears")
async def post_hears(request: Request, core: Core, link: Here) -> Response:
    """The hall hears well."""
    await form(request)
    return await _do(request, core, link, hears_well(core, link.who, link.meeting, link.site), "heard")


@router.post("/answer")
async def post_answer(request: Request, core: Core, link: Here) -> Response:
    """Say no to an urgent meeting while it rings, or take the no back."""
    sent = await form(request)
    if sent["verb"] == "ring":
        return await _do(
            request, core, link, ring_again(core, link.who, link.meeting, link.site), "rings_soon"
        )
    return await _do(request, core, link, decline_urgent(core, link.who, link.meeting, link.site), "declined")


@router.post("/check")
async def post_check(request: Request, core: Core, link: Here) -> Response:
    """Have the room checked now, or the check that is due put off."""
    sent = await form(request)
    if sent["verb"] == Verb.POSTPONE_CHECK:
        doing = ask_room(core, link.who, link.site, Verb.POSTPONE_CHECK)
        return await _do(request, core, link, doing, "check_postponed")
    return await _do(
        request, core, link, ask_room(core, link.who, link.site, Verb.PREFLIGHT), "check_started"
    )


@router.post("/trouble")
async def post_trouble(request: Request, core: Core, link: Here) -> Response:
    """Say what is wrong in the hall: opens an incident."""
    sent, words = await form(request), words_of(request)
    kind, text = sent["kind"], sent["story"]
    wrong: Mistakes = {}
    if kind not in TROUBLES:
        wrong["kind"] = words("hall.kind_needed")
    elif kind == Kind.OTHER and not text:
        wrong["story"] = words("hall.story_needed")
    else:
        title = text.partition("\n")[0][:200] if kind == Kind.OTHER else ""
        try:
            await open_incident(core, link.who, link.site, kind, title, link.meeting, text)
        except Refusal as error:
            wrong["story"] = sentence(words, error)
    if wrong:
        return await _again(request, core, link, sent, wrong)
    return redirect(link.base, words("hall.told"))


@router.post("/people")
async def post_person(request: Request, core: Core, link: Here) -> Response:
    """Write down one more person."""
    sent, words = await form(request), words_of(request)
    try:
        spec = AttendeeSpec.model_validate(_person(sent))
        await add_attendee(core, link.who, link.meeting, link.site, spec)
    except (Refusal, ValidationError) as error:
        return await _again(request, core, link, sent, _of_person(mistakes(words, error)))
    return redirect(f"{link.base}#people", words("hall.person_added", name=spec.name))


@router.get("/people/{person}")
def person_page(request: Request, core: Core, link: Here, person: str) -> Response:
    """One person, to correct or to strike."""
    return _person_page(request, core, link, person, {}, {})


@router.post("/people/{person}")
async def post_correction(request: Request, core: Core, link: Here, person: str) -> Response:
    """Correct a person, or strike who was entered by mistake."""
    sent, words = await form(request), words_of(request)
    if "remove" in sent:
        await remove_attendee(core, link.who, person, site=link.site)
        return redirect(f"{link.base}#people", words("hall.person_removed"))
    try:
        change = AttendeeChange.model_validate(_person(sent))
        await change_attendee(core, link.who, person, change, site=link.site)
    except NotFound:
        raise
    except (Refusal, ValidationError) as error:
        wrong = _of_person(mistakes(words, error))
        return await run_in_threadpool(_person_page, request, core, link, person, sent.values, wrong)
    return redirect(f"{link.base}#people", words("hall.person_changed"))


async def _do(request: Request, core: Controller, link: Link, doing: Any, said: str) -> Response:
    """Do it, and say so; a refusal is said on the page, which shows how things stand now."""
    words = words_of(request)
    try:
        await doing
    except Refusal as error:
        return redirect(link.base, sentence(words, error), "care")
    return redirect(link.base, words(f"hall.{said}"))


async def _again(request: Request, core: Controller, link: Link, sent: Form, wrong: Mistakes) -> Response:
    """The page once more, with what was typed and what is wrong with it."""
    return await run_in_threadpool(_page, request, core, link, 422, sent.values, wrong)


def _page(
    request: Request,
    core: Controller,
    link: Link,
    status: int = 200,
    typed: dict[str, str] | None = None,
    wrong: Mistakes | None = None,
) -> Response:
    wrong = wrong or {}
    opened = next((name for name, fields in _FORMS.items() if fields & wrong.keys()), "")
    values = _values(core, link) | {"typed": typed or {}, "wrong": wrong, "opened": opened}
    return render(request, "hall/page.html", status, **values)


def _values(core: Controller, link: Link) -> dict[str, Any]:
    with core.database.read() as session:
        _, occurrence = hall_actor(core, session, link.meeting, link.site, link.token)
        shown = hall_page(core, session, core.fleet.now(), occurrence, link.site)
    return {
        "h": shown,
        "base": link.base,
        "live_query": f"link={link.token}&",
        "coordinator": core.settings.coordinator,
        "counts": {one: sum(person.status == one for person in shown.people) for one in STATUSES},
        "statuses": STATUSES,
        "troubles": TROUBLES,
        "longest": LONGEST_QUESTION,
        "typed": {},
        "wrong": {},
    }


def _person_page(
    request: Request, core: Controller, link: Link, person: str, typed: dict[str, str], wrong: Mistakes
) -> Response:
    values = _values(core, link)
    known = next((one for one in values["h"].people if one.id == person), None)
    if known is None:
        raise NotFound("there is no such person any more", code="hall.no_person")
    now = attendee_view(known)
    now["detail"] = now["stands_for"] or now["reason"]
    return render(
        request,
        "hall/person.html",
        422 if wrong else 200,
        **values | {"person": person, "typed": typed or now, "wrong": wrong},
    )


def _person(sent: Form) -> dict[str, str]:
    """The form's fields as the action's: `detail` is for whom, or why."""
    detail, status = sent["detail"], sent["status"] or AttendeeStatus.PRESENT.value
    return {
        "name": sent["name"],
        "position": sent["position"],
        "status": status,
        "stands_for": detail if status == AttendeeStatus.SUBSTITUTE else "",
        "reason": detail if status == AttendeeStatus.EXCUSED else "",
    }


def _of_person(wrong: Mistakes) -> Mistakes:
    """What is wrong, by the form's fields."""
    return {"detail" if name in ("stands_for", "reason") else name: text for name, text in wrong.items()}
