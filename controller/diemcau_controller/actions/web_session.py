"""Browsers that are logged in. A session ends by itself, at log-out, and when password or user change."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..store.tables import User, WebSession
from .scope import actor_of
from .tokens import digest

IDLE = timedelta(hours=12)
LONGEST = timedelta(days=7)
_RENEWED_AFTER = timedelta(days=1)
_SEEN_EVERY = timedelta(minutes=5)  # more exactly it need not be known, and each time is a write


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """Who a browser's session belongs to. `key` names its row, `csrf` is what its forms must bring along."""

    who: Actor
    key: str
    csrf: str
    stale: bool  # True when it is time to note that the session is in use


def open_session(session: Session, user: User, now: datetime, address: str) -> str:
    """Log a browser in; gives the secret for its cookie. Sessions long over are deleted on the way."""
    old = (WebSession.seen_at < now - IDLE) | (WebSession.created_at < now - LONGEST)
    session.execute(delete(WebSession).where(old))
    secret = secrets.token_urlsafe(32)
    session.add(
        WebSession(
            hash=digest(secret),
            user_name=user.name,
            csrf=secrets.token_urlsafe(24),
            created_at=now,
            seen_at=now,
            address=address,
        )
    )
    return secret


def session_of(session: Session, secret: str, now: datetime) -> LoggedIn | None:
    """Whose session a cookie's secret opens; None when it has ended."""
    row = session.get(WebSession, digest(secret))
    if row is None or row.user.disabled_at is not None:
        return None
    if now - row.seen_at > IDLE or now - row.created_at > LONGEST:
        return None
    return LoggedIn(actor_of(session, row.user), row.hash, row.csrf, now - row.seen_at > _SEEN_EVERY)


def open_sessions(session: Session, name: str, now: datetime) -> list[WebSession]:
    """A user's sessions that have not ended, the one used last first."""
    rows = select(WebSession).where(WebSession.user_name == name, WebSession.seen_at >= now - IDLE)
    rows = rows.where(WebSession.created_at >= now - LONGEST).order_by(WebSession.seen_at.desc())
    return list(session.scalars(rows))


def note_seen(session: Session, key: str, now: datetime) -> None:
    """The session is in use."""
    row = session.get(WebSession, key)
    if row is not None:
        row.seen_at = now


def is_old(session: Session, key: str, now: datetime) -> bool:
    """True when so much of a session's longest time is over that it is time to renew what shall go on."""
    row = session.get(WebSession, key)
    return row is not None and now - row.created_at > _RENEWED_AFTER


def renew(session: Session, key: str, now: datetime) -> None:
    """The session begins anew: for a screen on a wall, at which nobody is there to log in."""
    row = session.get(WebSession, key)
    if row is not None:
        row.created_at = row.seen_at = now


def end_sessions(session: Session, name: str, but: str = "") -> int:
    """End every session of a user, except the one of that key; gives how many ended."""
    rows = session.query(WebSession).where(WebSession.user_name == name, WebSession.hash != but)
    return rows.delete(synchronize_session="fetch")
