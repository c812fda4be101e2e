"""People who may use page and API, and their tokens."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..adapters.ca import write_secret
from ..rules.refusals import Conflict, NotFound
from ..store.tables import User, UserToken
from .controller import Controller
from .tokens import digest, new_token

LOCAL = "local"


class Role(StrEnum):
    """viewer: sees. operator: also runs meetings, commands units. administrator: also adds to the fleet."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"

    def may(self, needed: Role) -> bool:
        """True if this role includes `needed`."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class UserSpec(BaseModel):
    """A user to add."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,39}$")]
    role: Role = Role.VIEWER


async def add_user(controller: Controller, spec: UserSpec) -> None:
    """Add a user, who has no token yet."""

    def change(session: Session) -> None:
        if session.get(User, spec.name) is not None:
            raise Conflict(f"user {spec.name} exists already: choose another name")
        session.add(User(name=spec.name, role=spec.role.value, created_at=controller.now()))

    await controller.write(change)


async def issue_token(controller: Controller, name: str) -> str:
    """A new token for a user, shown this once; the user's earlier tokens end."""
    token = new_token()

    def change(session: Session) -> None:
        if session.get(User, name) is None:
            raise NotFound(f"there is no user {name}: add it first")
        for row in session.scalars(select(UserToken).where(UserToken.user_name == name)):
            session.delete(row)
        session.add(UserToken(hash=digest(token), user_name=name, created_at=controller.now()))

    await controller.write(change)
    return token


async def ensure_local_token(controller: Controller) -> None:
    """Make sure that the local administrator's token in `generated/local.token` is a valid one."""
    path = controller.state.local_token
    present = path.read_text().strip() if path.exists() else ""

    def change(session: Session) -> bool:
        if session.get(User, LOCAL) is None:
            session.add(User(name=LOCAL, role=Role.ADMINISTRATOR.value, created_at=controller.now()))
        return bool(present) and session.get(UserToken, digest(present)) is not None

    if not await controller.write(change):
        token = await issue_token(controller, LOCAL)
        write_secret(path, token.encode() + b"\n")


def role_of(session: Session, token: str) -> tuple[str, Role] | None:
    """Name and role of whoever holds `token`; None when nobody does."""
    row = session.get(UserToken, digest(token))
    return None if row is None else (row.user_name, Role(row.user.role))
