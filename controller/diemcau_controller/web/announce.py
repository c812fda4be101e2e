"""Announcing a meeting, copying one, changing one: the form and what answers it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import ValidationError
from sqlalchemy.orm import Session

from ..actions.add_meeting import SubjectAsked, add_meeting, meeting_settings
from ..actions.change_meeting import ChangedMeanwhile, change_meeting
from ..actions.controller import Controller
from ..actions.invited import invited
from ..actions.meeting_spec import KINDS, MeetingPatch, MeetingSpec
from ..actions.occurrences import original_of
from ..actions.plan_of import plan_of, starts_local
from ..actions.scope import meeting_for, need_whole_meeting
from ..actions.taken_halls import HallsTaken
from ..api.access import Core
from ..rules.actor import Actor
from ..rules.refusals import Refusal
from ..rules.schedule import CONFLICT_HORIZON, Times, expand, to_local
from ..store.tables import Meeting, Occurrence
from .access import SecretaryPage
from .form import form
from .invite_picker import Picker, picker, tokens_of
from .mistakes import Mistakes, mistakes, sentence
from .page import redirect, render, words_of
from .schedule_form import FIELD_OF, Values, blank, invitation, moved, patch_of, spec_of, stored, typed
from .schedule_words import changes_of

router = APIRouter(include_in_schema=False)

Text = Annotated[str, Query(max_length=200)]
_DATES_OFFERED = 26


@router.get("/meetings/new")
def new_page(request: Request, core: Core, who: SecretaryPage, copy: Text = "", date: Text = "") -> Response:
    """An empty form (for a day, when one is named), or one filled in like another meeting."""
    now = to_local(core.now(), core.settings.zone)
    with core.database.read() as session:
        start = _on_day(date, now)
        if copy:
            meeting = meeting_for(session, who, copy)
            like = starts_local(meeting)
            known = meeting_settings(meeting) | {"rrule": None}
            values = stored(known, start.replace(hour=like.hour, minute=like.minute), [])
            values["invite"] = tokens_of(session, who, meeting.site_ids)
            values["security_subject"] = "yes" if meeting.security_subject else ""
            values["version"] = ""
        else:
            mains = picker(session, who, (), "", "").mains
            values = blank(start, mains[0][0] if mains else "")
    return _page(request, core, who, values)


@router.post("/meetings/new")
async def post_new(request: Request, core: Core, who: SecretaryPage) -> Response:
    """Announce it, or show the form again with what stands against it and the ways out."""
    sent, words = await form(request), words_of(request)
    values, way = typed(sent), sent["way"]
    try:
        values = _another_time(values, way)
        if way in ("find", "preview"):
            return _page(request, core, who, values)
        try:
            meeting = await add_meeting(core, who, MeetingSpec.model_validate(spec_of(values)))
        except HallsTaken as taken:
            values = _leaving_out(values, way, taken)
            meeting = await add_meeting(core, who, MeetingSpec.model_validate(spec_of(values)))
    except (ValidationError, Refusal) as error:
        return _page(request, core, who, values, error=error)
    return redirect(f"/schedule/{meeting}", words("schedule.added"))


@router.get("/meetings/{meeting}/edit")
def edit_page(request: Request, core: Core, who: SecretaryPage, meeting: str, date: Text = "") -> Response:
    """The form as the meeting is, at one of its dates to come (an occurrence's id)."""
    with core.database.read() as session:
        found = _changeable(session, who, meeting)
        values = _stored(session, core, who, found, date)
    return _page(request, core, who, values, meeting_id=meeting)


@router.post("/meetings/{meeting}/edit")
async def post_edit(request: Request, core: Core, who: SecretaryPage, meeting: str) -> Response:
    """Change it, or show the form again with what stands against it and the ways out."""
    sent, words = await form(request), words_of(request)
    values, way = typed(sent), sent["way"]
    with core.database.read() as session:
        before = _stored(session, core, who, _changeable(session, who, meeting), values["since"])
    running = before["scope"] == "running"
    try:
        values = _another_time(values, way)
        if way in ("find", "preview"):
            return _page(request, core, who, values, meeting_id=meeting)
        try:
            changed = await change_meeting(core, who, meeting, _patch(values, before, running))
        except HallsTaken as taken:
            values = _leaving_out(values, way, taken)
            changed = await change_meeting(core, who, meeting, _patch(values, before, running))
    except ChangedMeanwhile as error:
        values = _merged(core, who, meeting, values, error)
        return _page(request, core, who, values, error=error, meeting_id=meeting)
    except (ValidationError, Refusal) as error:
        return _page(request, core, who, values, error=error, meeting_id=meeting)
    return redirect(f"/schedule/{changed}", words("schedule.changed"))


@router.post("/meetings/invited")
async def invited_part(request: Request, core: Core, who: SecretaryPage) -> Response:
    """Who an invitation comes to, while it is being put together."""
    values = typed(await form(request))
    with core.database.read() as session:
        found = picker(session, who, values["invite"], values["main_site"], values["find"])
        names = _names(session, who, values, found)
    return render(request, "schedule/_invited.html", values=values, invited=names)


def _page(
    request: Request,
    core: Controller,
    who: Actor,
    values: Values,
    *,
    error: ValidationError | Refusal | None = None,
    meeting_id: str = "",
) -> Response:
    words = words_of(request)
    errors: Mistakes = {}
    if error is not None:
        errors = {FIELD_OF.get(name, name): text for name, text in mistakes(words, error).items()}
    with core.database.read() as session:
        meeting = _changeable(session, who, meeting_id) if meeting_id else None
        found = picker(session, who, values["invite"], values["main_site"], values["find"])
        try:
            names = _names(session, who, values, found)
        except Refusal as unknown:
            names = []
            errors.setdefault(FIELD_OF.get(unknown.field, unknown.field), sentence(words, unknown))
        running = _open_date(session, core, meeting, values["since"]) if meeting else None
        dates = _dates(session, core, meeting) if meeting is not None and meeting.rrule else []
        clashes = _clashes(error, found.names) if isinstance(error, HallsTaken) else None
        changes = changes_of(words, error, found.names) if isinstance(error, ChangedMeanwhile) else []
    kinds = [*KINDS, values["kind"]] if values["kind"] and values["kind"] not in KINDS else list(KINDS)
    return render(
        request,
        "schedule/form.html",
        422 if error is not None else 200,
        values=values,
        errors=errors,
        picker=found,
        invited=names,
        kinds=kinds,
        meeting=meeting,
        running=running,
        dates=dates,
        taken=clashes,
        asks=isinstance(error, SubjectAsked) or bool(values["subject_checked"]),
        changes=changes,
        today=to_local(core.now(), core.settings.zone),
    )


def _names(session: Session, who: Actor, values: Values, found: Picker) -> list[tuple[str, str]]:
    """The invited sites, by id and name; those that are left out are not among them."""
    if not values["main_site"]:
        return []
    sites = invited(session, who, values["main_site"], **invitation(values))
    return [(site, found.names.get(site, site)) for site in sites]


def _clashes(taken: HallsTaken, names: Mapping[str, str]) -> dict[str, Any]:
    """The refusal with names for ids and times for texts."""
    known: dict[str, Any] = taken.values
    return {
        "clashes": [
            {
                **clash,
                "starts_local": datetime.fromisoformat(clash["starts_local"]),
                "ends_local": datetime.fromisoformat(clash["ends_local"]),
                "names": [names.get(site, site) for site in clash["sites"]],
            }
            for clash in known["clashes"]
        ],
        "without": len(known["without"]),
        "free": datetime.fromisoformat(known["free_local"]) if known["free_local"] else None,
    }


def _another_time(values: Values, way: str) -> Values:
    """The form at the free time that was offered and chosen."""
    if not way.startswith("free:"):
        return values
    try:
        return moved(values, datetime.fromisoformat(way.removeprefix("free:")).replace(tzinfo=None))
    except ValueError:
        return values


def _leaving_out(values: Values, way: str, taken: HallsTaken) -> Values:
    """The form without the sites that are taken, if that was chosen; else the refusal stands."""
    without = taken.values["without"]
    if way != "without" or not isinstance(without, list) or not without:
        raise taken
    return values | {"without": [*values["without"], *without]}


def _patch(values: Values, before: Values, running: bool) -> MeetingPatch:
    patch = patch_of(values, before, running=running)
    if before["since"]:
        patch |= {"since": values["since"] or before["since"], "only": running or values["scope"] == "only"}
    return MeetingPatch.model_validate(patch)


def _merged(core: Controller, who: Actor, meeting_id: str, values: Values, error: ChangedMeanwhile) -> Values:
    """What was typed, and where nothing was typed what the other person wrote; from their version on."""
    changes = error.values["changes"]
    assert isinstance(changes, list)
    with core.database.read() as session:
        meeting = _changeable(session, who, meeting_id)
        present = _stored(session, core, who, meeting, values["since"])
        earlier = meeting_settings(meeting)
        for change in reversed(changes):
            earlier |= {name: value for name, value in change["before"].items() if name in earlier}
        start = datetime.fromisoformat(f"{present['date']}T{present['start']}")
        if meeting.rrule is None:
            start = datetime.fromisoformat(str(earlier["starts_local"]))
        before = stored(earlier, start, tokens_of(session, who, earlier["sites"]))
    untouched = [
        name
        for name in values
        if name in before and name not in ("without", "find", "subject_checked", "scope", "since")
        if values[name] == before[name]
    ]
    return values | {name: present[name] for name in untouched} | {"version": present["version"]}


def _changeable(session: Session, who: Actor, meeting_id: str) -> Meeting:
    meeting = meeting_for(session, who, meeting_id)
    need_whole_meeting(who, meeting)
    return meeting


def _stored(session: Session, core: Controller, who: Actor, meeting: Meeting, since: str) -> Values:
    """The form of a meeting at a date (the next one when none is named, or that is over)."""
    start = starts_local(meeting)
    tokens = tokens_of(session, who, meeting.site_ids)
    known, scope = meeting_settings(meeting), "from"
    row = _open_date(session, core, meeting, since)
    if meeting.rrule is None:
        since = ""
    elif row is not None:
        since, start = row.id, original_of(row.id)
    else:
        dates = _dates(session, core, meeting)
        chosen = next((time for time in dates if time.id == since), dates[0] if dates else None)
        since = chosen.id if chosen else ""
        start = to_local(chosen.starts_at, core.settings.zone) if chosen else start
    if row is not None:
        scope = "running"
        known |= {"duration_s": int((row.ends_at - row.starts_at).total_seconds())}
    return stored(known, start, tokens) | {"since": since, "scope": scope}


def _open_date(session: Session, core: Controller, meeting: Meeting | None, since: str) -> Occurrence | None:
    """The occurrence that is open now: of a recurring meeting only when it is the one that is meant."""
    if meeting is None:
        return None
    now = core.now()
    for time in expand(plan_of(meeting), core.settings.zone, now, now + timedelta(days=2)):
        row = session.get(Occurrence, time.id)
        meant = meeting.rrule is None or time.id == since
        if row is not None and meant and row.finished_at is None and row.opens_at <= now < row.cap_at:
            return row
    return None


def _dates(session: Session, core: Controller, meeting: Meeting) -> list[Times]:
    """The next dates of a recurring meeting that have not opened."""
    now = core.now()
    times = expand(plan_of(meeting), core.settings.zone, now, now + CONFLICT_HORIZON)
    return [time for time in times if time.opens_at > now][:_DATES_OFFERED]


def _on_day(text: str, now: datetime) -> datetime:
    """08:00 of a day, or the next full hour of today's working day, else tomorrow."""
    try:
        return datetime.combine(datetime.fromisoformat(text).date(), datetime.min.time()).replace(hour=8)
    except ValueError:
        soon = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        return (
            soon
            if 7 <= soon.hour <= 16
            else (now + timedelta(days=1)).replace(hour=8, minute=0, second=0, microsecond=0)
        )
