"""Users: who may do what, on which sites; links to let them in."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..actions.add_user import LOCAL, UserSpec, add_user, issue_token, user_for, users_for
from ..actions.change_area import tree_of
from ..actions.change_user import UserChange, change_user
from ..actions.controller import Controller
from ..actions.log_out import log_out_user
from ..actions.login_link import Link, make_link
from ..actions.second_factor import key_count, reset_keys
from ..api.access import Core
from ..api.users import user_view
from ..api.views import View
from ..rules.actor import Actor, Role
from ..rules.naming import plain
from ..rules.refusals import Refusal
from ..store.tables import Site
from .access import AdministratorPage, KeyedAdministratorPage
from .form import Form, form
from .mistakes import Mistakes, mistakes
from .page import redirect, render, words_of
from .site_form import AreaUnclear, area_names_of, area_of
from .words import Words

router = APIRouter(include_in_schema=False, prefix="/users")

_SCOPES = ("all", "area", "sites")


@router.get("")
def user_list(request: Request, core: Core, who: AdministratorPage, q: str = "") -> Response:
    """Every user one may change; `q` searches names without regard to diacritics."""
    wanted = plain(q[:80])
    with core.database.read() as session:
        users = [user_view(session, user) for user in users_for(session, who)]
        tree = tree_of(session)
        sites = {site: name for site, name in session.execute(select(Site.id, Site.name))}
    for user in users:
        user["area_path"] = tree.path_text(user["area"]) if user["area"] else ""
        user["site_names"] = [sites.get(site, site) for site in user["sites"]]
    shown = [user for user in users if wanted in plain(f"{user['name']} {user['display_name']}")]
    return render(request, "users/list.html", users=shown, q=q[:80], total=len(users), local=LOCAL)


@router.get("/new")
def new(request: Request, core: Core, who: AdministratorPage) -> Response:
    """A form for a new user."""
    return _form(request, core, who, None, {"scope": "area" if who.areas else "all", "role": Role.VIEWER})


@router.post("/new")
async def post_new(request: Request, core: Core, who: KeyedAdministratorPage) -> Response:
    """Add the user, and show the link that lets in."""
    sent, words = await form(request), words_of(request)
    fields, wrong = await run_in_threadpool(_fields, core, sent, words)
    try:
        if not wrong:
            spec = UserSpec.model_validate({**fields, "name": sent["name"].lower()})
            await add_user(core, who, spec)
            link = await make_link(core, who, spec.name)
            return _link(request, spec.name, spec.display_name, link, words("users.added"))
    except (ValidationError, Refusal) as error:
        wrong = mistakes(words, error)
    return await run_in_threadpool(_form, request, core, who, None, sent.values, wrong, sent.all("sites"))


@router.get("/{name}")
def one(request: Request, core: Core, who: AdministratorPage, name: str) -> Response:
    """A user: the form, and what else can be done."""
    with core.database.read() as session:
        known = user_view(session, user_for(session, who, name))
        area = tree_of(session).path_text(known["area"]) if known["area"] else ""
    scope = "area" if known["area"] else "sites" if known["sites"] or known["role"] == "contractor" else "all"
    return _form(request, core, who, known, {**known, "area": area, "scope": scope}, {}, known["sites"])


@router.post("/{name}")
async def post_one(request: Request, core: Core, who: KeyedAdministratorPage, name: str) -> Response:
    """Change the user."""
    sent, words = await form(request), words_of(request)
    fields, wrong = await run_in_threadpool(_fields, core, sent, words)
    try:
        if not wrong:
            await change_user(core, who, name, UserChange.model_validate(fields))
            return redirect("/users", words("users.changed", name=name))
    except (ValidationError, Refusal) as error:
        wrong = mistakes(words, error)

    def again() -> Response:
        with core.database.read() as session:
            known = user_view(session, user_for(session, who, name))
        return _form(request, core, who, known, sent.values, wrong, sent.all("sites"))

    return await run_in_threadpool(again)


@router.post("/{name}/link")
async def post_link(request: Request, core: Core, who: KeyedAdministratorPage, name: str) -> Response:
    """Make a link; shown this once, so there is no other page to go to."""
    link = await make_link(core, who, name)
    display_name = await run_in_threadpool(_display_name, core, who, name)
    return _link(request, name, display_name, link, words_of(request)("users.link_made"))


@router.post("/{name}/token")
async def post_token(request: Request, core: Core, who: KeyedAdministratorPage, name: str) -> Response:
    """Make a token for a program or a wall display; shown this once."""
    token = await issue_token(core, who, name)
    url = f"{core.settings.web_url}/?token={token}"
    return render(request, "users/token.html", name=name, token=token, url=url)


@router.post("/{name}/sessions")
async def post_sessions(request: Request, core: Core, who: AdministratorPage, name: str) -> Response:
    """Log the user out everywhere."""
    ended = await log_out_user(core, who, name)
    return redirect(f"/users/{name}", words_of(request).n("users.sessions_ended", ended))


@router.post("/{name}/keys")
async def post_keys(request: Request, core: Core, who: KeyedAdministratorPage, name: str) -> Response:
    """Take the security keys from a user who has lost them."""
    gone = await reset_keys(core, who, name)
    return redirect(f"/users/{name}", words_of(request).n("users.keys_reset", gone))


@router.post("/{name}/disabled")
async def post_disabled(request: Request, core: Core, who: KeyedAdministratorPage, name: str) -> Response:
    """Disable or enable the user: the field `disabled` says which."""
    sent, words = await form(request), words_of(request)
    disabled = sent["disabled"] == "yes"
    await change_user(core, who, name, UserChange(disabled=disabled))
    return redirect("/users", words("users.was_disabled" if disabled else "users.was_enabled", name=name))


def _fields(core: Controller, sent: Form, words: Words) -> tuple[dict[str, Any], Mistakes]:
    """The fields of a user as the API has them, and what cannot even be tried."""
    wrong: Mistakes = {}
    area, sites = None, []
    if sent["scope"] == "area":
        try:
            with core.database.read() as session:
                area = area_of(tree_of(session), sent["area"])
            if area is None:
                wrong["area"] = words("users.area_missing")
        except AreaUnclear as error:
            wrong["area"] = error.said(words)
    elif sent["scope"] == "sites":
        sites = sent.all("sites")
        if not sites:
            wrong["sites"] = words("users.sites_missing")
    elif sent["scope"] != "all":
        wrong["scope"] = words("refusal.field_enum")
    fields = {"display_name": sent["display_name"], "role": sent["role"], "area": area, "sites": sites}
    return fields, wrong


def _form(
    request: Request,
    core: Controller,
    who: Actor,
    known: View | None,
    texts: dict[str, Any],
    wrong: Mistakes | None = None,
    ticked: list[str] | None = None,
) -> Response:
    with core.database.read() as session:
        areas = area_names_of(tree_of(session), who, "")
        sites = _sites(session, who, ticked or [])
        keys = key_count(session, known["name"]) if known else 0
    return render(
        request,
        "users/form.html",
        422 if wrong else 200,
        known=known,
        texts={"name": "", "display_name": "", "role": "", "scope": "", "area": "", **texts},
        errors=wrong or {},
        roles=list(Role),
        scopes=_SCOPES if who.sites is None else _SCOPES[1:],
        areas=areas,
        sites=sites,
        ticked=ticked or [],
        local=LOCAL,
        keys=keys,
    )


def _sites(session: Session, who: Actor, ticked: list[str]) -> list[tuple[str, str]]:
    """Id and name of every site in scope, those that are ticked first."""
    rows = session.execute(select(Site.id, Site.name).where(Site.removed_at.is_(None)))
    seen = [(site, name) for site, name in rows if who.sees(site)]
    return sorted(seen, key=lambda pair: (pair[0] not in ticked, plain(pair[1])))


def _display_name(core: Controller, who: Actor, name: str) -> str:
    with core.database.read() as session:
        return user_for(session, who, name).display_name


def _link(request: Request, name: str, display_name: str, link: Link, done: str) -> Response:
    return render(
        request, "users/link.html", name=name, display_name=display_name or name, link=link, done=done
    )
