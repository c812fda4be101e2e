"""Incidents: the list, reporting one, and the page of one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, fields
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import FileResponse, Response
from pydantic import ValidationError
from sqlalchemy import select

from ..actions.change_incident import (
    add_file,
    assign_incident,
    close_incident,
    note_incident,
    reopen_incident,
)
from ..actions.controller import Controller
from ..actions.find_incident import View, incident_for, incident_view, list_incidents, open_count
from ..actions.incident_files import MAX_BYTES
from ..actions.open_incident import IncidentSpec, open_incident
from ..api.access import Core
from ..api.incidents import MAX_FORM, file_answer
from ..rules.actor import Actor, Role
from ..rules.incidents import Kind, Which, may_note
from ..rules.refusals import Invalid, Refusal
from ..store.tables import Area, Site, User
from .access import ContractorPage, OperatorPage, SecretaryPage
from .form import Form, form
from .incident_parts import entry_part, in_short, incidents_csv, people, zalo_text
from .mistakes import Mistakes, mistakes
from .page import redirect, render, words_of

router = APIRouter(include_in_schema=False, prefix="/incidents")

_MOST_MB = MAX_BYTES // 2**20


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address of the list says."""

    which: Which = Which.OPEN
    kind: str = ""
    who: str = ""
    site: str = ""
    q: str = ""

    def address(self, path: str = "/incidents", **changes: str) -> str:
        """The address of the same list, changed in this."""
        values = {one.name: str(getattr(self, one.name)) for one in fields(self)} | changes
        query = {
            name: value for name, value in values.items() if value and (name, value) != ("which", "open")
        }
        return f"{path}?{urlencode(query)}" if query else path


def _asked(
    which: str = "",
    kind: str = "",
    who: Annotated[str, Query(max_length=120)] = "",
    site: Annotated[str, Query(max_length=40)] = "",
    q: Annotated[str, Query(max_length=100)] = "",
) -> Asked:
    """Whatever stands in the address: a word we do not know counts as not said."""
    return Asked(
        Which(which) if which in set(Which) else Which.OPEN,
        kind if kind in set(Kind) else "",
        who,
        site,
        q.strip(),
    )


AskedFor = Annotated[Asked, Depends(_asked)]


@router.get("")
def incident_list(request: Request, core: Core, who: ContractorPage, asked: AskedFor) -> Response:
    """Incidents, the worst open one first."""
    return render(request, "incidents/list.html", **_list(request, core, who, asked))


@router.get("/part")
def list_part(request: Request, core: Core, who: ContractorPage, asked: AskedFor) -> Response:
    """The living part of the list."""
    return render(request, "incidents/_list.html", **_list(request, core, who, asked))


@router.get("/table.csv")
def table(request: Request, core: Core, who: ContractorPage, asked: AskedFor) -> Response:
    """The same list for a spreadsheet program."""
    words = words_of(request)
    with core.database.read() as session:
        text = incidents_csv(_found(core, session, who, asked), words, people(session))
    name = f"su-co-{words.local(core.now()):%Y%m%d}.csv"
    return Response(
        text,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


@router.get("/new")
def new(
    request: Request, core: Core, who: SecretaryPage, site: str = "", meeting: str = "", kind: str = ""
) -> Response:
    """The form to report one."""
    values = {"site": site, "meeting": meeting, "kind": kind}
    return _form(request, core, who, values)


@router.post("/new", max_body_size=MAX_FORM)
async def post_new(request: Request, core: Core, who: SecretaryPage) -> Response:
    """Open it, with a file where one was chosen."""
    sent, words = await form(request), words_of(request)
    try:
        spec = IncidentSpec.model_validate(
            {
                "site": sent["site"],
                "kind": sent["kind"],
                "title": sent["title"],
                "text": sent["text"],
                "occurrence": sent["meeting"] or None,
            }
        )
        incident = await open_incident(
            core, who, spec.site, spec.kind, spec.title, occurrence=spec.occurrence, text=spec.text
        )
    except (Refusal, ValidationError) as error:
        return await asyncio.to_thread(
            _form, request, core, who, sent.values, mistakes(words, error), status=422
        )
    answer = await _take_file(core, who, incident, sent)
    said = words("incidents.opened", id=incident)
    if answer is not None:
        return redirect(f"/incidents/{incident}", f"{said} {mistakes(words, answer).popitem()[1]}", "care")
    return redirect(f"/incidents/{incident}", said)


@router.get("/{incident}")
def one(request: Request, core: Core, who: ContractorPage, incident: str) -> Response:
    """One incident: what is known, what was done, what can be done."""
    return render(request, "incidents/incident.html", **_one(request, core, who, incident))


@router.get("/{incident}/part")
def one_part(request: Request, core: Core, who: ContractorPage, incident: str) -> Response:
    """Its living part."""
    return render(request, "incidents/_history.html", **_one(request, core, who, incident))


@router.get("/{incident}/files/{number}")
def one_file(core: Core, who: ContractorPage, incident: str, number: int) -> FileResponse:
    """A file of it."""
    return file_answer(core, who, incident, number)


@router.post("/{incident}/entries", max_body_size=MAX_FORM)
async def post_entry(request: Request, core: Core, who: ContractorPage, incident: str) -> Response:
    """Add a remark, a file, or both."""
    sent, words = await form(request), words_of(request)
    try:
        if sent.file("file") is not None:
            refused = await _take_file(core, who, incident, sent)
            if refused is not None:
                raise refused
        elif sent["text"]:
            await note_incident(core, who, incident, sent["text"])
        else:
            raise Invalid("there is nothing to add", code="incidents.note", field="text")
    except Refusal as error:
        return await _again(request, core, who, incident, sent, error)
    return redirect(f"/incidents/{incident}", words("incidents.added"))


@router.post("/{incident}/assign")
async def post_assignee(request: Request, core: Core, who: OperatorPage, incident: str) -> Response:
    """Say who shall see to it."""
    sent, words = await form(request), words_of(request)
    try:
        await assign_incident(core, who, incident, sent["user"] or None)
    except Refusal as error:
        return await _again(request, core, who, incident, sent, error)
    with core.database.read() as session:
        name = people(session).get(sent["user"], "")
    said = words("incidents.assigned", name=name) if name else words("incidents.unassigned")
    return redirect(f"/incidents/{incident}", said)


@router.post("/{incident}/close")
async def post_close(request: Request, core: Core, who: OperatorPage, incident: str) -> Response:
    """Close it with what was done."""
    sent, words = await form(request), words_of(request)
    try:
        await close_incident(core, who, incident, sent["resolution"])
    except Refusal as error:
        return await _again(request, core, who, incident, sent, error)
    return redirect(f"/incidents/{incident}", words("incidents.closed"))


@router.post("/{incident}/reopen")
async def post_reopen(request: Request, core: Core, who: OperatorPage, incident: str) -> Response:
    """Open it again."""
    sent, words = await form(request), words_of(request)
    try:
        await reopen_incident(core, who, incident, sent["why"])
    except Refusal as error:
        return await _again(request, core, who, incident, sent, error)
    return redirect(f"/incidents/{incident}", words("incidents.reopened"))


def _found(core: Controller, session: Any, who: Actor, asked: Asked) -> list[View]:
    return list_incidents(
        session,
        who,
        core.now(),
        asked.which,
        site=asked.site or None,
        kind=asked.kind or None,
        assignee={"": None, "-": ""}.get(asked.who, asked.who),
        words=asked.q,
    )


def _list(request: Request, core: Controller, who: Actor, asked: Asked) -> dict[str, Any]:
    words = words_of(request)
    with core.database.read() as session:
        known = people(session)
        rows = [in_short(view, words, known) for view in _found(core, session, who, asked)]
        site = session.get(Site, asked.site) if asked.site and who.sees(asked.site) else None
        count = open_count(session, who)
    return {
        "asked": asked,
        "incidents": rows,
        "count": count,
        "kinds": list(Kind),
        "known": known if who.may(Role.SECRETARY) else {},
        "site": site,
        "filtered": asked.address(which="open") != "/incidents",
    }


def _form(
    request: Request,
    core: Controller,
    who: Actor,
    values: dict[str, str],
    errors: Mistakes | None = None,
    status: int = 200,
) -> Response:
    with core.database.read() as session:
        rows = session.execute(
            select(Site.id, Site.name, Area.name)
            .outerjoin(Area, Area.id == Site.area_id)
            .where(Site.removed_at.is_(None))
            .order_by(Area.name, Site.name)
        ).all()
    places = [(site, f"{name} – {area}" if area and area != name else name) for site, name, area in rows]
    return render(
        request,
        "incidents/new.html",
        status,
        values=values,
        errors=errors or {},
        places=[place for place in places if who.sees(place[0])],
        kinds=list(Kind),
        most=_MOST_MB,
    )


def _one(
    request: Request,
    core: Controller,
    who: Actor,
    incident_id: str,
    values: dict[str, str] | None = None,
    errors: Mistakes | None = None,
) -> dict[str, Any]:
    words, now = words_of(request), core.now()
    with core.database.read() as session:
        incident = incident_for(session, who, incident_id)
        known = people(session)
        view = incident_view(session, incident, now)
        entries = [entry_part(session, entry, words, known) for entry in view["entries"]]
        able = session.scalars(select(User).where(User.disabled_at.is_(None)).order_by(User.name)).all()
    return {
        "i": in_short(view, words, known),
        "entries": entries[::-1],
        "zalo": zalo_text(view, core.settings.zone, now, known),
        "may_note": may_note(who, view["assignee"]),
        "may_decide": who.may(Role.OPERATOR) and who.sees_all([site["id"] for site in view["sites"]]),
        "users": [(user.name, known[user.name]) for user in able],
        "most": _MOST_MB,
        "values": values or {},
        "errors": errors or {},
    }


async def _again(
    request: Request, core: Controller, who: Actor, incident: str, sent: Form, error: Refusal
) -> Response:
    """The incident's page with what was typed and what is wrong with it."""
    if error.field not in ("text", "file", "user", "resolution"):
        raise error
    wrong = mistakes(words_of(request), error)
    values = await asyncio.to_thread(_one, request, core, who, incident, sent.values, wrong)
    return render(request, "incidents/incident.html", 422, **values)


async def _take_file(core: Controller, who: Actor, incident: str, sent: Form) -> Refusal | None:
    """Add the file that came with a form, if one did; gives why it could not be kept."""
    file = sent.file("file")
    if file is None:
        return None
    try:
        text = sent["text"] if "entry" in sent else ""
        await add_file(core, who, incident, file.filename or "", file.file, text)
    except Refusal as error:
        return error
    return None
