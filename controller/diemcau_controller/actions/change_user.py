"""Change what somebody may do: role, area or sites, and whether at all."""

from __future__ import annotations

from typing import Annotated

from diemcau_wire.messages import Nfc, SiteId
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import delete
from sqlalchemy.orm import Session

from ..rules.actor import Actor, Role
from ..rules.refusals import Conflict
from ..store.tables import LoginLink
from .add_user import LOCAL, bind_user, need_whole_user, user_for, user_settings
from .audit import record
from .controller import Controller
from .web_session import end_sessions


class UserChange(BaseModel):
    """What is absent stays as it is. `area` null and `sites` empty: bound to nothing, every site is seen."""

    model_config = ConfigDict(extra="forbid")
    display_name: Annotated[str, Field(max_length=120), Nfc] | None = None
    role: Role | None = None
    area: SiteId | None = None
    sites: Annotated[list[SiteId], Field(max_length=400)] | None = None
    disabled: bool | None = None


async def change_user(controller: Controller, who: Actor, name: str, change: UserChange) -> None:
    """Change a user. Disabling ends every session and link; tokens rest until the user is enabled again."""

    def transaction(session: Session) -> None:
        user = user_for(session, who, name)
        if user.name == LOCAL:
            raise Conflict("user local is for programs on the server and stays as it is", code="users.local")
        before, now = user_settings(user), controller.now()
        if change.display_name is not None:
            user.display_name = change.display_name
        if change.role is not None:
            user.role = change.role.value
        if change.model_fields_set & {"area", "sites"}:
            area = change.area if "area" in change.model_fields_set else user.area_id
            sites = change.sites if change.sites is not None else [row.site_id for row in user.sites]
            bind_user(session, user, area, sites)
        if change.disabled is not None and change.disabled != (user.disabled_at is not None):
            user.disabled_at = now if change.disabled else None
        if user.name == who.name and (user.role != before["role"] or user.disabled_at is not None):
            raise Conflict(
                "you cannot take your own rights away: ask another administrator", code="users.yourself"
            )
        session.flush()
        need_whole_user(session, who, user)
        if user.disabled_at is not None:
            end_sessions(session, user.name)
            session.execute(delete(LoginLink).where(LoginLink.user_name == user.name))
        record(session, who, now, "user.change", f"user:{name}", before=before, after=user_settings(user))

    await controller.write(transaction)
