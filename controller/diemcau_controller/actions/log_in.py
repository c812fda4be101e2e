"""Log in with name and password."""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy.orm import Session

from ..rules.passwords import LONGEST, normal
from ..rules.refusals import Refusal
from ..store.tables import User
from .audit import record
from .controller import Controller
from .scope import actor_of
from .web_session import open_session

log = logging.getLogger(__name__)


class WrongPassword(Refusal):
    """Name and password do not belong together; which of the two is wrong is not said."""

    code = "login.wrong"


async def log_in(controller: Controller, name: str, password: str, address: str) -> str:
    """Check a password and open a session; gives the secret for the cookie.

    Raises :class:`WrongPassword`, the same and after the same time for a name nobody has, and `TooMany`
    without looking at the password.
    """
    name, password, now = name.strip().lower()[:80], normal(password[: 2 * LONGEST]), controller.now()
    door = controller.door
    door.attempt(name, address, now)
    with controller.database.read() as session:
        user = session.get(User, name)
        known = user.password_hash if user is not None and user.disabled_at is None else None
    if not await door.fits(known, password) or known is None:
        log.warning("log-in refused", extra={"user": name, "address": address})
        raise WrongPassword("name or password is wrong: try again, or ask an administrator for a link")
    door.welcome(name, address)
    fresh = await door.hashed(password) if door.outdated(known) else known

    def change(session: Session) -> str:
        user = session.get(User, name)
        if user is None or user.disabled_at is not None or user.password_hash != known:
            raise WrongPassword("name or password has just been changed: try again")
        user.password_hash = fresh
        return enter(session, user, now, address)

    return await controller.write(change)


def enter(session: Session, user: User, now: datetime, address: str, *, by: str = "") -> str:
    """Open a session for a user and write that down; gives the secret for the cookie.

    `by` says what let in, when it was not password, link or token.
    """
    who, after = actor_of(session, user), {"address": address}
    if by:
        after["by"] = by
    record(session, who, now, "user.log_in", f"user:{user.name}", after=after)
    return open_session(session, user, now, address)
