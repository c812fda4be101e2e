"""/api/v1/users: who may use page and API; /api/v1/me: who asks, and what one does for oneself."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..actions.add_user import UserSpec, add_user, issue_token, user_for, user_settings, users_for
from ..actions.change_user import UserChange, change_user
from ..actions.log_out import log_out_elsewhere, log_out_user
from ..actions.login_link import make_link
from ..actions.second_factor import reset_keys
from ..actions.set_password import change_password
from ..actions.web_session import open_sessions
from ..store.tables import User, WebSession
from .access import Administrator, Contractor, Core, KeyedAdministrator, session_key
from .answers import answers
from .views import View, text

router = APIRouter(tags=["users"])


class PasswordChange(BaseModel):
    """The present password and the one to have from now on: at least 12 characters."""

    model_config = ConfigDict(extra="forbid")
    old: str = Field(max_length=1000)
    new: str = Field(max_length=1000)


@router.get("/users")
def list_users(core: Core, who: Administrator) -> list[View]:
    """Who may use page and API, as far as one may change them."""
    with core.database.read() as session:
        return [user_view(session, user) for user in users_for(session, who)]


@router.post("/users", status_code=201, responses=answers(409, 422))
async def post_user(core: Core, who: KeyedAdministrator, spec: UserSpec) -> View:
    """Add a user. A link to log in or a token is made next."""
    await add_user(core, who, spec)
    with core.database.read() as session:
        return user_view(session, session.get_one(User, spec.name))


@router.get("/users/{name}", responses=answers(404))
def get_user(core: Core, who: Administrator, name: str) -> View:
    """One user."""
    with core.database.read() as session:
        return user_view(session, user_for(session, who, name))


@router.patch("/users/{name}", responses=answers(404, 409, 422))
async def patch_user(core: Core, who: KeyedAdministrator, name: str, change: UserChange) -> View:
    """Change role, area or sites, or disable a user."""
    await change_user(core, who, name, change)
    with core.database.read() as session:
        return user_view(session, session.get_one(User, name))


@router.post("/users/{name}/token", status_code=201, responses=answers(404))
async def post_token(core: Core, who: KeyedAdministrator, name: str) -> View:
    """A new token for a user, shown only now; earlier ones end."""
    return {"name": name, "token": await issue_token(core, who, name)}


@router.post("/users/{name}/link", status_code=201, responses=answers(404, 409))
async def post_link(core: Core, who: KeyedAdministrator, name: str) -> View:
    """A link that lets a user in once, within 24 hours, to choose a password; shown only now."""
    link = await make_link(core, who, name)
    return {"name": name, "url": link.url, "expires_at": text(link.expires_at)}


@router.delete("/users/{name}/sessions", responses=answers(404))
async def delete_sessions(core: Core, who: Administrator, name: str) -> View:
    """Log a user out everywhere; gives how many sessions ended."""
    return {"ended": await log_out_user(core, who, name)}


@router.delete("/users/{name}/keys", responses=answers(404))
async def delete_keys(core: Core, who: KeyedAdministrator, name: str) -> View:
    """Take every security key from a user who has lost them; gives how many there were."""
    return {"name": name, "removed": await reset_keys(core, who, name)}


@router.get("/me")
def get_me(request: Request, core: Core, who: Contractor) -> View:
    """Who asks, and where that user is logged in."""
    key = session_key(request)
    with core.database.read() as session:
        user = session.get_one(User, who.name)
        sessions = [session_view(row, key) for row in open_sessions(session, who.name, core.now())]
        return {**user_view(session, user), "sessions": sessions}


@router.post("/me/password", status_code=204, responses=answers(422, 429))
async def post_password(request: Request, core: Core, who: Contractor, change: PasswordChange) -> None:
    """Change the own password; every other session ends."""
    key = session_key(request)
    await change_password(core, who, change.old, change.new, key)


@router.delete("/me/sessions")
async def delete_own_sessions(request: Request, core: Core, who: Contractor) -> View:
    """Log oneself out everywhere else; gives how many sessions ended."""
    return {"ended": await log_out_elsewhere(core, who, session_key(request))}


def user_view(session: Session, user: User) -> View:
    """A user without anything secret. `last_seen` is of a browser, to within five minutes."""
    seen = select(WebSession.seen_at).where(WebSession.user_name == user.name)
    return {
        "name": user.name,
        **user_settings(user),
        "has_password": user.password_hash is not None,
        "created_at": text(user.created_at),
        "last_seen": text(session.scalar(seen.order_by(WebSession.seen_at.desc()).limit(1))),
    }


def session_view(row: WebSession, key: str) -> View:
    """A browser that is logged in; `here` is the one that asks."""
    return {
        "since": text(row.created_at),
        "seen_at": text(row.seen_at),
        "address": row.address,
        "here": row.hash == key,
    }
