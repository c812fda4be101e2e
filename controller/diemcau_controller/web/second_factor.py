"""Security keys on the page: show one before what needs one, register and remove one's own."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, RedirectResponse, Response

from ..actions.controller import Controller
from ..actions.second_factor import (
    MOST_KEYS,
    ask_to_register,
    ask_to_show,
    keys_of,
    register,
    remove_key,
    show,
    usable,
)
from ..api.access import Core, session_key
from ..rules.actor import Actor
from ..rules.refusals import Refusal
from ..rules.second_factor import VALID
from ..store.tables import User
from .access import ContractorPage, KeyedContractorPage, address_of
from .form import form
from .mistakes import Mistakes, mistakes, sentence
from .page import local_path, redirect, render, words_of

router = APIRouter(include_in_schema=False)

Text = Annotated[str, Query(max_length=2000)]


@router.get("/second-factor")
def ask(request: Request, core: Core, who: ContractorPage, next: Text = "/", kept: Text = "") -> Response:
    """Ask for one of the user's keys; what was typed before waits."""
    return _ask(request, core, who, next, kept)


@router.post("/second-factor/options")
async def post_options(request: Request, core: Core, who: ContractorPage) -> Response:
    """What the browser hands to the key."""
    try:
        return JSONResponse(await ask_to_show(core, who, session_key(request)))
    except Refusal as error:
        return _said(request, error)


@router.post("/second-factor")
async def post_answer(request: Request, core: Core, who: ContractorPage) -> Response:
    """Take the key's answer, and on to what was to be done."""
    sent = await form(request)
    try:
        await show(core, who, session_key(request), sent["answer"])
    except Refusal as error:
        wrong = mistakes(words_of(request), error)
        return await run_in_threadpool(_ask, request, core, who, sent["next"], sent["waiting"], wrong)
    return _onwards(sent["next"], sent["waiting"])


@router.get("/account/keys/new")
def new(request: Request, core: Core, who: ContractorPage, next: Text = "", kept: Text = "") -> Response:
    """A form to register a key; who has one already shows it first."""
    with core.database.read() as session:
        known = keys_of(session, who.name, session_key(request))
    if known.rows and not known.shown(core.now()):
        return RedirectResponse("/second-factor?next=/account/keys/new", 303)
    return _new(request, core, who, {"next": next, "kept": kept, "name": "", "first": not known.rows})


@router.post("/account/keys/options")
async def post_new_options(request: Request, core: Core, who: ContractorPage) -> Response:
    """What the browser hands to the new key, once the password was right."""
    sent = await form(request)
    try:
        options = await ask_to_register(
            core, who, session_key(request), sent["password"], address_of(request)
        )
    except Refusal as error:
        return _said(request, error)
    return JSONResponse(options)


@router.post("/account/keys")
async def post_key(request: Request, core: Core, who: ContractorPage) -> Response:
    """Keep the new key."""
    sent, words = await form(request), words_of(request)
    try:
        await register(core, who, session_key(request), sent["name"], sent["answer"])
    except Refusal as error:
        values = {
            "name": sent["name"],
            "next": sent["next"],
            "kept": sent["waiting"],
            "first": "first" in sent,
        }
        return await run_in_threadpool(_new, request, core, who, values, mistakes(words, error))
    if sent["waiting"] or sent["next"]:
        return _onwards(sent["next"], sent["waiting"])
    return redirect("/account", words("second_factor.added", name=sent["name"]))


@router.post("/account/keys/{key}/remove")
async def post_remove(request: Request, core: Core, who: KeyedContractorPage, key: str) -> Response:
    """Remove one of one's own keys."""
    name = await remove_key(core, who, key)
    return redirect("/account", words_of(request)("second_factor.removed", name=name))


def keys_part(core: Controller, who: Actor, key: str) -> dict[str, Any]:
    """What the account page says about keys."""
    with core.database.read() as session:
        rows = keys_of(session, who.name, key).rows
    return {
        "keys": rows,
        "keys_required": core.settings.security.second_factor == "required",
        "keys_usable": usable(core.settings),
        "most_keys": MOST_KEYS,
    }


def _ask(
    request: Request, core: Controller, who: Actor, next: str, kept: str, wrong: Mistakes | None = None
) -> Response:
    with core.database.read() as session:
        rows = keys_of(session, who.name, session_key(request)).rows
    if not rows:
        return redirect(f"/account/keys/new?{urlencode({'next': local_path(next), 'kept': kept})}")
    return render(
        request,
        "second_factor/ask.html",
        422 if wrong else 200,
        next=local_path(next),
        kept=kept,
        keys=rows,
        minutes=VALID.seconds // 60,
        errors=wrong or {},
    )


def _new(
    request: Request, core: Controller, who: Actor, values: dict[str, Any], wrong: Mistakes | None = None
) -> Response:
    with core.database.read() as session:
        has_password = session.get_one(User, who.name).password_hash is not None
    return render(
        request,
        "second_factor/new.html",
        422 if wrong else 200,
        values=values,
        asks_password=values["first"] and has_password,
        usable=usable(core.settings),
        errors=wrong or {},
    )


def _said(request: Request, error: Refusal) -> Response:
    """A refusal for the page's script, in the page's language."""
    return JSONResponse({"text": sentence(words_of(request), error), "field": error.field}, 422)


def _onwards(next: str, kept: str) -> Response:
    return redirect(f"/kept?{urlencode({'key': kept, 'go': '1'})}" if kept else local_path(next or "/"))
