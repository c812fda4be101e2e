"""People who may use page and API, and their tokens."""

from __future__ import annotations

from typing import Annotated

from diemcau_wire.messages import Nfc, SiteId
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from ..adapters.whole_file import write_secret
from ..rules.actor import SYSTEM, Actor, Role
from ..rules.refusals import Conflict, Forbidden, Invalid, NotFound
from ..store.tables import Area, Site, User, UserSite, UserToken
from .audit import Known, record
from .controller import Controller
from .scope import actor_of
from .tokens import digest, new_token

LOCAL = "local"


class UserSpec(BaseModel):
    """A user to add. `area` binds the user to the sites of that area and below, `sites` to single ones."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,39}$")]
    display_name: Annotated[str, Field(max_length=120), Nfc] = ""
    role: Role = Role.VIEWER
    area: SiteId | None = None
    sites: Annotated[list[SiteId], Field(max_length=400)] = []


async def add_user(controller: Controller, who: Actor, spec: UserSpec) -> None:
    """Add a user, who has no token and no password yet."""

    def change(session: Session) -> None:
        if spec.name == SYSTEM.name or session.get(User, spec.name) is not None:
            raise Conflict(
                f"user {spec.name} exists already: choose another name",
                code="users.exists",
                field="name",
                user=spec.name,
            )
        user = User(
            name=spec.name,
            display_name=spec.display_name,
            role=spec.role.value,
            created_at=controller.now(),
        )
        bind_user(session, user, spec.area, spec.sites)
        session.add(user)
        session.flush()
        need_whole_user(session, who, user)
        record(session, who, controller.now(), "user.add", f"user:{spec.name}", after=user_settings(user))

    await controller.write(change)


async def issue_token(controller: Controller, who: Actor, name: str) -> str:
    """A new token for a user, shown this once; the user's earlier tokens end."""
    token = new_token()

    def change(session: Session) -> None:
        user = user_for(session, who, name)
        for row in session.scalars(select(UserToken).where(UserToken.user_name == name)):
            session.delete(row)
        session.add(UserToken(hash=digest(token), user_name=user.name, created_at=controller.now()))
        record(session, who, controller.now(), "user.token", f"user:{name}")

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
        token = await issue_token(controller, SYSTEM, LOCAL)
        write_secret(path, token.encode() + b"\n")


def holder_of(session: Session, token: str) -> Actor | None:
    """Who holds `token`; None when nobody does, or nobody who may still do anything."""
    row = session.get(UserToken, digest(token))
    return None if row is None or row.user.disabled_at is not None else actor_of(session, row.user)


def bind_user(session: Session, user: User, area: str | None, sites: list[str]) -> None:
    """Bind a user to an area or to single sites (neither: to nothing, every site is seen)."""
    if area is not None and sites:
        raise Invalid("give an area or single sites, not both", code="users.two_scopes", field="sites")
    if area is not None and session.get(Area, area) is None:
        raise Invalid(
            f"area {area} does not exist: add it first", code="areas.unknown", field="area", area=area
        )
    known = set(session.scalars(select(Site.id).where(Site.id.in_(sites))))
    unknown = ", ".join(site for site in sites if site not in known)
    if unknown:
        raise Invalid(
            f"unknown site {unknown}: `diemcau site list` shows those there are",
            code="sites.unknown_ones",
            field="sites",
            sites=unknown,
        )
    user.area_id = area
    user.sites = [UserSite(site_id=site) for site in dict.fromkeys(sites)]


def user_for(session: Session, who: Actor, name: str) -> User:
    """A user whom somebody may change. Raises :class:`NotFound`, also for one beyond the own scope."""
    user = session.get(User, name)
    if user is None or not _within(who, actor_of(session, user)):
        raise NotFound(f"there is no user {name[:80]}: add it first", code="users.unknown", user=name)
    return user


def users_for(session: Session, who: Actor) -> list[User]:
    """Every user whom somebody may change, by name."""
    users = session.scalars(select(User).options(selectinload(User.sites)).order_by(User.name))
    return [user for user in users if _within(who, actor_of(session, user))]


def need_whole_user(session: Session, who: Actor, user: User) -> None:
    """Refuse to give somebody a scope beyond one's own."""
    if not _within(who, actor_of(session, user)):
        raise Forbidden(
            "you are bound to an area: bind this user to that area, one below, or sites in it",
            code="users.beyond_scope",
            field="area",
        )


def user_settings(user: User) -> Known:
    """What can be set of a user, in the words of the API."""
    return {
        "display_name": user.display_name,
        "role": user.role,
        "area": user.area_id,
        "sites": sorted(row.site_id for row in user.sites),
        "disabled": user.disabled_at is not None,
    }


def _within(who: Actor, other: Actor) -> bool:
    if who.sites is None:
        return True
    return other.sites is not None and other.sites <= who.sites and other.areas <= who.areas
