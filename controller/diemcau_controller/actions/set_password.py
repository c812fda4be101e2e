"""Choose a password: the own one, or the first one by a link."""

from __future__ import annotations

from sqlalchemy import delete
from sqlalchemy.orm import Session

from ..rules.actor import Actor, Role
from ..rules.passwords import check, normal
from ..rules.refusals import Invalid
from ..store.tables import LoginLink, User
from .audit import record
from .controller import Controller
from .log_in import Doorkeeper, TooMany, enter, fits, hashed
from .login_link import link_holder
from .web_session import end_sessions


async def change_password(
    controller: Controller, door: Doorkeeper, who: Actor, old: str, new: str, keep: str | None
) -> None:
    """Change one's own password. Every other session ends; the one of the key `keep` stays."""
    new, now = normal(new), controller.now()
    check(new, who.name)
    wait = door.names.wait(who.name, now)
    if wait:
        seconds = round(wait.total_seconds() + 0.5)
        raise TooMany(f"too many wrong passwords: wait {seconds} s, then try again", seconds=seconds)
    door.names.count(who.name, now)
    with controller.database.read() as session:
        known = session.get_one(User, who.name).password_hash
    async with door.hashing:
        if not await fits(known, old):
            raise Invalid("the present password is wrong: type it again", code="password.old", field="old")
        fresh = await hashed(new)
    door.names.forgive(who.name)

    def change(session: Session) -> None:
        session.get_one(User, who.name).password_hash = fresh
        _others_end(session, who.name, keep)
        record(session, who, now, "user.password", f"user:{who.name}")

    await controller.write(change)


async def choose_password(
    controller: Controller, door: Doorkeeper, secret: str, password: str, address: str
) -> str:
    """Use a link: choose a password and be logged in; gives the secret for the cookie.

    The link ends, as does every session. Raises `LinkEnded` for one that has.
    """
    password, now = normal(password), controller.now()
    with controller.database.read() as session:
        check(password, link_holder(session, secret, now).name)
    async with door.hashing:
        fresh = await hashed(password)

    def change(session: Session) -> tuple[str, bool]:
        user = link_holder(session, secret, now)  # of two who use it at once, one comes too late
        user.password_hash = fresh
        _others_end(session, user.name, None)
        cookie = enter(session, user, now, address)
        record(session, Actor(user.name, Role(user.role)), now, "user.password", f"user:{user.name}")
        return cookie, user.role == Role.ADMINISTRATOR.value

    cookie, administrator = await controller.write(change)
    if administrator:
        controller.state.first_login.unlink(missing_ok=True)
    return cookie


def _others_end(session: Session, name: str, keep: str | None) -> None:
    end_sessions(session, name, keep)
    session.execute(delete(LoginLink).where(LoginLink.user_name == name))
