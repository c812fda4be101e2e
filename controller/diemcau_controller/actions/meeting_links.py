"""Links that need no account: the chair's phone page and a hall's, each valid for one meeting.

A token is a keyed digest of what it is for, so none is stored; the key is the secret of the occurrence's
room, which nobody else is ever told. A new number in `Occurrence.chair_link` makes the earlier links of the
chair worthless; 0 means that none was made. A hall's is also of the unit that serves it: who took that unit
away has the addresses it showed, and they end with it.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..config import Settings
from ..store.tables import Occurrence, Unit

_TOKEN_BYTES = 16


def chair_token(occurrence: Occurrence) -> str:
    """The token of the chair's link, 22 characters that are safe in an address."""
    return _token(occurrence.secret.encode(), f"chair\n{occurrence.id}\n{occurrence.chair_link}")


def is_chairs(occurrence: Occurrence, token: str) -> bool:
    """Is it the token of the chair's link? Whether the meeting is open is for the caller to look at."""
    return occurrence.chair_link != 0 and _same(token, chair_token(occurrence))


def is_halls(session: Session, occurrence: Occurrence, site: str, token: str) -> bool:
    """Is it the token of this hall's link? As :func:`is_chairs`."""
    key = occurrence.secret.encode()
    return _same(token, _token(key, _of_hall(occurrence) + _at(site, _unit_at(session, site))))


def hall_address(session: Session, settings: Settings, occurrence: Occurrence, site: str) -> str:
    """The address of a hall's phone page for one meeting, about 90 letters: it goes into a QR code."""
    return hall_addresses(settings, occurrence)(site, _unit_at(session, site))


def hall_addresses(settings: Settings, occurrence: Occurrence) -> Callable[[str, str], str]:
    """:func:`hall_address` by site and the unit that serves it: what is the same for thousands of halls is
    made once."""
    key, place = occurrence.secret.encode(), f"{settings.web_url}/h/{occurrence.id}/"
    start = _of_hall(occurrence)
    return lambda site, unit: f"{place}{site}/{_token(key, start + _at(site, unit))}"


def _of_hall(occurrence: Occurrence) -> str:
    return f"hall\n{occurrence.id}\n"


def _at(site: str, unit: str) -> str:
    return f"{site}\n{unit}"


def _unit_at(session: Session, site: str) -> str:
    return session.scalars(select(Unit.id).where(Unit.site_id == site)).first() or ""


def _token(key: bytes, said: str) -> str:
    mac = hmac.digest(key, said.encode(), "sha256")
    return base64.urlsafe_b64encode(mac[:_TOKEN_BYTES]).rstrip(b"=").decode()


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode(), right.encode())
