"""Choose a password: change the own one, or give the first one by a link."""

from __future__ import annotations

from sqlalchemy import delete
from sqlalchemy.orm import Session

from ..rules.actor import Actor, Role
from ..rules.passwords import LONGEST, check, normal
from ..rules.refusals import Invalid
from ..store.tables import LoginLink, User
from .audit import record
from .controller import Controller
from .log_in import enter
from .login_link import link_holder
from .scope import actor_of
from .web_session import end_sessions


async def change_password(controller: Controller, who: Actor, old: str, new: str, keep: str) -> None:
    """Change one's own password. Every other session ends; the one of the key `keep` stays.

    Raises :class:`Invalid`, and `TooMany` after wrong present passwords.
    """
    new, now, door = normal(new), controller.now(), controller.door
    check(new, who.name)
    door.attempt(who.name, None, now)
    with controller.database.read() as session:
        known = session.get_one(User, who.name).password_hash
    if not await door.fits(known, normal(old[: 2 * LONGEST])):
        raise Invalid("the present password is wrong: type it again", code="password.old", field="old")
    door.welcome(who.name, None)
    fresh = await door.hashed(new)

    def change(session: Session) -> None:
        _set(session, session.get_one(User, who.name), fresh, keep)
        record(session, who, now, "user.password", f"user:{who.name}")

    await controller.write(change)


async def choose_password(controller: Controller, secret: str, password: str, address: str) -> str:
    """Use a link: choose a password and be logged in; gives the secret for the cookie.

    The link ends, as does every session. Raises :class:`Invalid`, and `LinkEnded` for a link that has ended.
    """
    password, now = normal(password), controller.now()
    with controller.database.read() as session:
        check(password, link_holder(session, secret, now).name)
    fresh = await controller.door.hashed(password)

    def change(session: Session) -> tuple[str, bool]:
        user = link_holder(session, secret, now)  # of two who use it at once, one comes too late
        _set(session, user, fresh, "")
        record(session, actor_of(session, user), now, "user.password", f"user:{user.name}")
        return enter(session, user, now, address), user.role == Role.ADMINISTRATOR.value

    cookie, administrator = await controller.write(change)
    if administrator:
        controller.state.first_login.unlink(missing_ok=True)
    return cookie


def _set(session: Session, user: User, fresh: str, keep: str) -> None:
    user.password_hash = fresh
    end_sessions(session, user.name, keep)
    session.execute(delete(LoginLink).where(LoginLink.user_name == user.name))
