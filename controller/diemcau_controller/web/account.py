"""The own account: password, language, and where one is logged in."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from ..actions.log_out import log_out_elsewhere
from ..actions.set_password import change_password
from ..actions.web_session import open_sessions
from ..api.access import Core, session_key
from ..api.users import session_view, user_view
from ..rules.actor import Actor
from ..rules.passwords import SHORTEST
from ..rules.refusals import Refusal
from ..store.tables import User
from .access import ContractorPage
from .form import form
from .mistakes import Mistakes, mistakes
from .openid import openid_part
from .page import redirect, remember_language, render, words_of
from .second_factor import keys_part
from .words import LANGUAGES

router = APIRouter(include_in_schema=False, prefix="/account")


@router.get("")
def account(request: Request, core: Core, who: ContractorPage) -> Response:
    """Who one is here, and what can be changed."""
    return _account(request, core, who)


@router.post("/password")
async def post_password(request: Request, core: Core, who: ContractorPage) -> Response:
    """Change the own password."""
    sent, words = await form(request), words_of(request)
    wrong: Mistakes = {}
    if sent["password"] != sent["again"]:
        wrong = {"again": words("login.not_the_same")}
    else:
        try:
            await change_password(core, who, sent["old"], sent["password"], session_key(request))
            return redirect("/account", words("account.password_changed"))
        except Refusal as error:
            wrong = mistakes(words, error)
    return await run_in_threadpool(_account, request, core, who, wrong)


@router.post("/language")
async def post_language(request: Request, core: Core, who: ContractorPage) -> Response:
    """Choose the language of this browser."""
    sent = await form(request)
    answer = redirect("/account")
    if sent["language"] in LANGUAGES:
        remember_language(answer, sent["language"])
    return answer


@router.post("/sessions")
async def post_sessions(request: Request, core: Core, who: ContractorPage) -> Response:
    """Log out everywhere else."""
    ended = await log_out_elsewhere(core, who, session_key(request))
    return redirect("/account", words_of(request).n("users.sessions_ended", ended))


def _account(request: Request, core: Core, who: Actor, wrong: Mistakes | None = None) -> Response:
    with core.database.read() as session:
        user = user_view(session, session.get_one(User, who.name))
        rows = open_sessions(session, who.name, core.now())
        sessions = [session_view(row, session_key(request)) for row in rows]
    return render(
        request,
        "login/account.html",
        422 if wrong else 200,
        user=user,
        sessions=sessions,
        shortest=SHORTEST,
        languages=LANGUAGES,
        errors=wrong or {},
        **openid_part(core, who),
        **keys_part(core, who, session_key(request)),
    )
