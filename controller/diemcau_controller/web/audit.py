"""The list of changes, for administrators: who, when, what, before and after."""

from __future__ import annotations

from datetime import date, datetime
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ..actions.controller import ChainSeen
from ..actions.find_changes import Wanted, find_changes, known_words
from ..api.access import Core
from ..rules.authority_state import AuthorityState, Need
from ..rules.backups import BackupState, Standing
from .access import AdministratorPage
from .audit_words import change_line, did, names_of, person
from .page import render, words_of
from .words import Words

router = APIRouter(include_in_schema=False)


@router.get("/audit")
def audit(
    request: Request,
    core: Core,
    who: AdministratorPage,
    user: str = "",
    action: str = "",
    subject: str = "",
    since: str = "",
    until: str = "",
    page: str = "1",
) -> Response:
    """A page of changes, narrowed by what is asked for. A day that is none is told beside its field."""
    words, errors = words_of(request), {}
    days: dict[str, date | None] = {}
    for name, text in (("since", since), ("until", until)):
        try:
            days[name] = date.fromisoformat(text) if text else None
        except ValueError:
            days[name], errors[name] = None, words("refusal.field_date")
    wanted = Wanted(user[:120], action[:120], subject.strip()[:120], days["since"], days["until"])
    number = int(page) if page.isdecimal() and len(page) < 7 else 1
    with core.database.read() as session:
        found = find_changes(session, who, wanted, max(1, number), core.settings.zone)
        people, actions = known_words(session)
        names = names_of(core, session, found.rows)
    asked = {"user": user, "action": action, "subject": subject, "since": since, "until": until}
    return render(
        request,
        "users/audit.html",
        changes=[change_line(words, row, names) for row in found.rows],
        found=found,
        asked=asked,
        errors=errors,
        people=[(one, person(words, one, names)) for one in people],
        actions=[(one, did(words, one)) for one in actions],
        chain=_chain(words, core.chain),
        backup=_backup(words, core.backup),
        authority=_authority(words, core.authority),
        address=f"/audit?{urlencode({key: text for key, text in asked.items() if text})}&",
    )


def _chain(words: Words, seen: ChainSeen | None) -> tuple[str, str]:
    """Whether the list holds together: a tone and a sentence."""
    if seen is None:
        return "none", words("audit.chain_not_yet")
    verdict, at = seen.verdict, _moment(words, seen.at)
    if verdict.whole:
        return "good", words("audit.chain_whole", number=words.number(verdict.head.number), at=at)
    first, count = words.number(verdict.faults[0].number), words.number(verdict.broken)
    return "bad", words("audit.chain_broken", number=first, count=count, at=at)


def _backup(words: Words, state: BackupState) -> tuple[str, str]:
    """How it stands with backups: a tone and a sentence."""
    tone = {Standing.OK: "good", Standing.NONE_YET: "none", Standing.FAILED: "bad"}
    at = words("audit.backup_never") if state.last is None else _moment(words, state.last)
    said = words(f"audit.backup_{state.standing}", at=at)
    return tone.get(state.standing, "care"), said


def _authority(words: Words, state: AuthorityState) -> tuple[str, str]:
    """What is to be done about the certificate authority: a tone and a sentence."""
    tone = {Need.NOTHING: "good", Need.NOT_YET: "none", Need.REPAIR: "bad"}
    return tone.get(state.need, "care"), words(f"audit.authority_{state.need}", about=state.about)


def _moment(words: Words, at: datetime) -> str:
    return f"{words.time(at)} {words.date(at)}"
