"""Links that let a user in once, to choose a password: for new people, and for forgotten passwords."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ..adapters.whole_file import write_secret
from ..rules.actor import SYSTEM, Actor, Role
from ..rules.refusals import Conflict, Refusal
from ..store.tables import LoginLink, User
from .add_user import LOCAL, user_for
from .audit import record
from .controller import Controller
from .tokens import digest

VALID = timedelta(hours=24)
FIRST_ADMINISTRATOR = "quan-tri"

log = logging.getLogger(__name__)


class LinkEnded(Refusal):
    """The link was used, replaced by a newer one, or is too old."""

    code = "login.link_ended"


@dataclass(frozen=True, slots=True)
class Link:
    """A link as it is shown once: its whole address, and until when it works."""

    url: str
    expires_at: datetime


async def make_link(controller: Controller, who: Actor, name: str) -> Link:
    """A new link for a user; the user's earlier links end. Password and sessions stay until it is used."""
    secret, now = secrets.token_urlsafe(32), controller.now()

    def change(session: Session) -> None:
        user = user_for(session, who, name)
        if user.name == LOCAL:
            raise Conflict(
                "user local is for programs on the server: add a user for a person", code="users.local"
            )
        if user.disabled_at is not None:
            raise Conflict(f"user {name} is disabled: enable it first", code="users.disabled", user=name)
        keep_link(session, user, secret, now)
        record(session, who, now, "user.link", f"user:{user.name}")

    await controller.write(change)
    return Link(f"{controller.settings.web_url}/enter/{secret}", now + VALID)


def keep_link(session: Session, user: User, secret: str, now: datetime) -> None:
    """Store a link in place of the user's earlier ones, and forget those of others that are too old."""
    session.execute(
        delete(LoginLink).where((LoginLink.user_name == user.name) | (LoginLink.expires_at <= now))
    )
    session.flush()
    session.add(LoginLink(hash=digest(secret), user_name=user.name, created_at=now, expires_at=now + VALID))


def link_holder(session: Session, secret: str, now: datetime) -> User:
    """Whom a link lets in. Raises :class:`LinkEnded`."""
    row = session.get(LoginLink, digest(secret))
    user = session.get(User, row.user_name) if row is not None and row.expires_at > now else None
    if user is None or user.disabled_at is not None:
        raise LinkEnded("this link has been used or is too old: ask an administrator for a new one")
    return user


async def invite_first_administrator(controller: Controller) -> None:
    """When no administrator can log in, make one, and a link in the log and in `generated/first-login`.

    While that link is valid, further starts make no other; once somebody has used it the file goes.
    """
    secret, now = secrets.token_urlsafe(32), controller.now()

    def change(session: Session) -> bool:
        administrators = session.scalars(
            select(User).where(User.role == Role.ADMINISTRATOR.value, User.name != LOCAL)
        ).all()
        able = [user for user in administrators if user.disabled_at is None]
        names = [user.name for user in able]
        waiting = select(LoginLink).where(LoginLink.user_name.in_(names), LoginLink.expires_at > now)
        if any(user.password_hash is not None for user in able) or session.scalar(waiting) is not None:
            return False
        user = next(iter(able), None)
        if user is None:
            taken = session.get(User, FIRST_ADMINISTRATOR) is not None
            name = f"{FIRST_ADMINISTRATOR}-{secrets.token_hex(3)}" if taken else FIRST_ADMINISTRATOR
            user = User(name=name, role=Role.ADMINISTRATOR.value, created_at=now)
            session.add(user)
            session.flush()
            record(session, SYSTEM, now, "user.add", f"user:{name}", after={"role": user.role})
        keep_link(session, user, secret, now)
        record(session, SYSTEM, now, "user.link", f"user:{user.name}")
        return True

    if await controller.write(change):
        url = f"{controller.settings.web_url}/enter/{secret}"
        write_secret(controller.state.first_login, f"{url}\n".encode())
        log.warning("nobody can log in yet: open this link once, within 24 hours", extra={"url": url})
