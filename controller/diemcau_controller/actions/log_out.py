"""End sessions: one's own at log-out, the other ones, or all of somebody."""

from __future__ import annotations

from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..store.tables import WebSession
from .add_user import user_for
from .audit import record
from .controller import Controller
from .web_session import end_sessions


async def log_out(controller: Controller, who: Actor, key: str) -> None:
    """End the session of that key."""

    def change(session: Session) -> None:
        row = session.get(WebSession, key)
        if row is not None:
            session.delete(row)
            record(session, who, controller.now(), "user.log_out", f"user:{row.user_name}")

    await controller.write(change)


async def log_out_elsewhere(controller: Controller, who: Actor, but: str) -> int:
    """End one's own sessions, except the one of that key; gives how many ended."""

    def change(session: Session) -> int:
        return _end(session, controller, who, who.name, but)

    return await controller.write(change)


async def log_out_user(controller: Controller, who: Actor, name: str) -> int:
    """End every session of a user; gives how many ended."""

    def change(session: Session) -> int:
        return _end(session, controller, who, user_for(session, who, name).name, "")

    return await controller.write(change)


def _end(session: Session, controller: Controller, who: Actor, name: str, but: str) -> int:
    ended = end_sessions(session, name, but)
    if ended:
        record(session, who, controller.now(), "user.end_sessions", f"user:{name}", after={"ended": ended})
    return ended
