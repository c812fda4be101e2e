"""/api/v1/users."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy import select

from ..actions.add_user import UserSpec, add_user, issue_token
from ..store.tables import User
from .access import Administrator, Core
from .views import View, text

router = APIRouter(prefix="/users", tags=["users"])


@router.get("")
def list_users(core: Core, who: Administrator) -> list[View]:
    """Who may use page and API."""
    with core.database.read() as session:
        rows = session.scalars(select(User).order_by(User.name))
        return [{"name": u.name, "role": u.role, "created_at": text(u.created_at)} for u in rows]


@router.post("", status_code=201)
async def post_user(core: Core, who: Administrator, spec: UserSpec) -> View:
    """Add a user."""
    await add_user(core, who, spec)
    return {"name": spec.name, "role": spec.role.value}


@router.post("/{name}/token", status_code=201)
async def post_token(core: Core, who: Administrator, name: str) -> View:
    """A new token for a user, shown only now; earlier ones end."""
    return {"name": name, "token": await issue_token(core, who, name)}
