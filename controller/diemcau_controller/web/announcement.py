"""A meeting as announced: its dates with what can be done about each, its documents, its gate."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, Response
from pydantic import ValidationError
from sqlalchemy import select

from ..actions.attachments import add_attachment, remove_attachment
from ..actions.calendar import Entry, calendar
from ..actions.change_date import Move, is_apart, move_date, restore_date, skip_date
from ..actions.close_meeting import cancel_meeting
from ..actions.confirm_gate import GateConfirmation, confirm_gate
from ..actions.controller import Controller
from ..actions.occurrences import original_of
from ..actions.plan_of import starts_local
from ..actions.scope import meeting_for
from ..api.access import Core
from ..api.attachments import MAX_FORM, download
from ..rules.actor import Actor, Role
from ..rules.naming import plain
from ..rules.refusals import Refusal
from ..rules.schedule import to_local
from ..store.tables import Invitation, Site
from .access import AdministratorPage, SecretaryPage, ViewerPage
from .form import form
from .mistakes import Mistakes, mistakes
from .page import redirect, render, words_of
from .schedule_words import kind_text, repeat_text

router = APIRouter(prefix="/schedule", include_in_schema=False)

AHEAD, BEHIND = timedelta(days=92), timedelta(days=31)
_NAMES = 400


@router.get("/{meeting}")
def announcement_page(
    request: Request,
    core: Core,
    who: ViewerPage,
    meeting: str,
    date: Annotated[str, Query(max_length=120)] = "",
) -> Response:
    """Everything that was announced; `date` opens the actions of one date."""
    return _page(request, core, who, meeting, opened=date)


@router.post("/{meeting}/dates/{date}/{verb}")
async def post_date(
    request: Request, core: Core, who: SecretaryPage, meeting: str, date: str, verb: str
) -> Response:
    """Skip, move or restore one date."""
    sent, words = await form(request), words_of(request)
    try:
        if verb == "skip":
            changed = await skip_date(core, who, date, sent["reason"][:200])
        elif verb == "move":
            starts_at = f"{sent['date']}T{sent['start']}"
            move = Move.model_validate({"starts_at": starts_at, "reason": sent["reason"][:200]})
            changed = await move_date(core, who, date, move)
        elif verb == "restore":
            changed = await restore_date(core, who, date)
        else:
            return redirect(f"/schedule/{meeting}")
    except (Refusal, ValidationError) as error:
        wrong = mistakes(words, error)
        typed = {name: sent[name] for name in ("date", "start", "reason")}
        return _page(request, core, who, meeting, 422, opened=date, typed=typed, wrong=wrong)
    return redirect(f"/schedule/{changed}", words(f"schedule.done_{verb}"))


@router.post("/{meeting}/cancel")
async def post_cancel(request: Request, core: Core, who: SecretaryPage, meeting: str) -> Response:
    """Call off every date that is not over."""
    await cancel_meeting(core, who, meeting)
    return redirect(f"/schedule/{meeting}", words_of(request)("schedule.done_cancel"))


@router.post("/{meeting}/gate")
async def post_gate(request: Request, core: Core, who: AdministratorPage, meeting: str) -> Response:
    """The subject was marked by mistake."""
    sent, words = await form(request), words_of(request)
    try:
        reason = GateConfirmation.model_validate({"reason": sent["gate_reason"]}).reason
        await confirm_gate(core, who, meeting, reason)
    except (Refusal, ValidationError) as error:
        wrong = {"gate_reason": " ".join(mistakes(words, error).values())}
        typed = {"gate_reason": sent["gate_reason"]}
        return _page(request, core, who, meeting, 422, typed=typed, wrong=wrong)
    return redirect(f"/schedule/{meeting}", words("schedule.done_gate"))


@router.post("/{meeting}/documents", max_body_size=MAX_FORM)
async def post_document(request: Request, core: Core, who: SecretaryPage, meeting: str) -> Response:
    """Add a document."""
    sent, words = await form(request), words_of(request)
    file = sent.file("file")
    if file is None:
        return _page(request, core, who, meeting, 422, wrong={"file": words("schedule.no_file")})
    try:
        await add_attachment(core, who, meeting, file.filename or "", file.file)
    except Refusal as error:
        return _page(request, core, who, meeting, 422, wrong=mistakes(words, error))
    return redirect(f"/schedule/{meeting}", words("schedule.done_document"))


@router.get("/{meeting}/documents/{attachment}")
def document(core: Core, who: ViewerPage, meeting: str, attachment: str) -> FileResponse:
    """A document, to be saved."""
    return download(core, who, meeting, attachment)


@router.post("/{meeting}/documents/{attachment}/remove")
async def post_remove_document(
    request: Request, core: Core, who: SecretaryPage, meeting: str, attachment: str
) -> Response:
    """Take a document away."""
    await remove_attachment(core, who, meeting, attachment)
    return redirect(f"/schedule/{meeting}", words_of(request)("schedule.done_document_removed"))


def _page(
    request: Request,
    core: Controller,
    who: Actor,
    meeting_id: str,
    status: int = 200,
    *,
    opened: str = "",
    typed: dict[str, str] | None = None,
    wrong: Mistakes | None = None,
) -> Response:
    words, zone, now = words_of(request), core.settings.zone, core.now()
    with core.database.read() as session:
        meeting = meeting_for(session, who, meeting_id)
        start = starts_local(meeting)
        if meeting.rrule is None:
            day = start.replace(tzinfo=zone)
            since, until = day - timedelta(days=1), day + timedelta(days=2)
        else:
            since, until = now - BEHIND, now + AHEAD
        entries = [
            one
            for one in calendar(session, core.settings, who, now, since, until)
            if one.meeting.id == meeting.id
        ]
        apart = {one.id for one in entries if _apart(one) and is_apart(session, meeting, original_of(one.id))}
        rows = session.execute(
            select(Site.id, Site.name, Site.removed_at)
            .join(Invitation, Invitation.site_id == Site.id)
            .where(Invitation.meeting_id == meeting.id)
        ).all()
        main = next((name for site, name, _ in rows if site == meeting.main_site_id), "")
        others = sorted(
            (name for site, name, _ in rows if site != meeting.main_site_id and who.sees(site)), key=plain
        )
        return render(
            request,
            "schedule/announcement.html",
            status,
            meeting=meeting,
            start=start,
            kind=kind_text(words, meeting.kind),
            repeats=repeat_text(words, meeting.rrule, starts_local(meeting)),
            main=main,
            names=others[:_NAMES],
            more=max(0, len(others) - _NAMES),
            count=len(rows),
            past=[one for one in entries if one.state == "over"][::-1],
            coming=[one for one in entries if one.state != "over" and one.id not in apart],
            opened=opened,
            typed={"date": "", "start": "", "reason": "", "gate_reason": ""} | (typed or {}),
            wrong=_shown(wrong or {}),
            local={one.id: to_local(one.starts_at, zone) for one in entries},
            may_change=who.may(Role.SECRETARY) and who.sees_all(meeting.site_ids),
            may_confirm=who.may(Role.ADMINISTRATOR),
            now=now,
        )


def _apart(entry: Entry) -> bool:
    return entry.state == "called_off"


def _shown(wrong: Mistakes) -> Mistakes:
    """Mistakes where the forms of this page show them: what is taken or past belongs to the new start."""
    known = {"start", "date", "reason", "file", "gate_reason"}
    return {
        ("start" if name == "starts_at" else name if name in known else ""): text
        for name, text in wrong.items()
    }
