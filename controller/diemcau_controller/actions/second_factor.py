"""Security keys (WebAuthn): register one, show one, take one away; and who must have shown one.

A key answers a question that is put to one browser's session, once and within three minutes. What is
stolen with a session is not enough to register the first key: that takes the password, or a fresh log-in.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from ..config import Settings
from ..rules.actor import Actor
from ..rules.passwords import LONGEST, normal
from ..rules.refusals import Conflict, Forbidden, Invalid, NotFound
from ..rules.second_factor import CHALLENGE_VALID, VALID, WrongKey, need_key
from ..store.tables import KeyChallenge, KeyShown, SecurityKey, User, WebSession
from .add_user import LOCAL, user_for
from .audit import record
from .controller import Controller

if TYPE_CHECKING:
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

MOST_KEYS = 10
LONGEST_ANSWER = 20_000
_REGISTER, _SHOW = "register", "show"

log = logging.getLogger(__name__)


class NotAgain(Forbidden):
    """The first key of somebody without a password takes a fresh log-in."""

    code = "second_factor.log_in_again"


@dataclass(frozen=True, slots=True)
class Keys:
    """How somebody's browser stands: the keys registered, and whether one was shown just now."""

    rows: list[SecurityKey]
    shown_at: datetime | None

    def shown(self, now: datetime) -> bool:
        """True while a key that was shown still counts."""
        return self.shown_at is not None and timedelta(0) <= now - self.shown_at <= VALID


def keys_of(session: Session, name: str, key: str) -> Keys:
    """The keys of a user, oldest first, and when the session `key` last showed one."""
    rows = select(SecurityKey).where(SecurityKey.user_name == name).order_by(SecurityKey.created_at)
    shown = session.get(KeyShown, key) if key else None
    return Keys(list(session.scalars(rows)), shown.at if shown is not None else None)


def check_key(controller: Controller, who: Actor, key: str) -> None:
    """Let pass who may do what the office wants a security key for.

    `key` names the browser's session; a bearer token ("") shows no key, so only the server's own passes: it
    is what an administrator has who sits at the server. Raises `KeyNeeded`, `NoKey`, `Forbidden`.
    """
    if controller.settings.security.second_factor != "required" or (who.name == LOCAL and not key):
        return
    if not key:
        raise Forbidden(
            "this needs a security key, which a token cannot show: do it on the page",
            code="second_factor.token",
        )
    with controller.database.read() as session:
        known = keys_of(session, who.name, key)
    need_key(required=True, keys=len(known.rows), shown_at=known.shown_at, now=controller.now())


async def ask_to_register(
    controller: Controller, who: Actor, key: str, password: str, address: str
) -> dict[str, Any]:
    """The options with which a browser makes a key for a user.

    The first key takes the password (`password.old` when it is wrong), or of somebody without one a log-in
    within the last minutes; a further key takes one that is there.
    """
    if not key:
        raise NotAgain("a token registers no key: log in with a browser")
    with controller.database.read() as session:
        user = session.get_one(User, who.name)
        known, has_password = keys_of(session, who.name, key), user.password_hash
        since = session.get_one(WebSession, key).created_at
    now = controller.now()
    if known.rows:
        need_key(required=True, keys=len(known.rows), shown_at=known.shown_at, now=now)
    elif has_password is not None:
        controller.door.attempt(who.name, address, now)
        if not await controller.door.fits(has_password, normal(password[: 2 * LONGEST])):
            raise Invalid("the password is wrong: type it again", code="password.old", field="password")
        controller.door.welcome(who.name, address)
    elif now - since > VALID:
        raise NotAgain("log out and in again, then register the key within five minutes")
    if len(known.rows) >= MOST_KEYS:
        raise Conflict(
            f"you have {MOST_KEYS} keys: remove one first", code="second_factor.too_many", most=MOST_KEYS
        )
    from webauthn import generate_registration_options, options_to_json
    from webauthn.helpers import bytes_to_base64url

    options = generate_registration_options(
        rp_id=controller.settings.public_address,
        rp_name=controller.settings.coordinator.name,
        user_id=who.name.encode(),
        user_name=who.name,
        user_display_name=who.display_name or who.name,
        exclude_credentials=_descriptors(known.rows),
    )
    await controller.write(
        lambda session: _ask(session, key, _REGISTER, bytes_to_base64url(options.challenge), now)
    )
    return _document(options_to_json(options))


async def register(controller: Controller, who: Actor, key: str, name: str, answer: str) -> None:
    """Keep the key a browser has made; having made it counts as having shown it. Raises :class:`WrongKey`."""
    from webauthn import verify_registration_response
    from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
    from webauthn.helpers.exceptions import WebAuthnException

    name, now, settings = name.strip()[:60], controller.now(), controller.settings
    if not name:
        raise Invalid("give the key a name", code="second_factor.name", field="name")
    challenge = await _taken(controller, key, _REGISTER)
    try:
        made = verify_registration_response(
            credential=_document(answer[:LONGEST_ANSWER]),
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=settings.public_address,
            expected_origin=settings.web_origin,
        )
    except (WebAuthnException, ValueError) as error:
        await _refused(controller, who, str(error))
        raise WrongKey("this is no answer of a security key to this page: try again") from None

    def change(session: Session) -> None:
        id = bytes_to_base64url(made.credential_id)
        if session.get(SecurityKey, id) is not None:
            raise Conflict("this key is registered already", code="second_factor.known")
        session.add(
            SecurityKey(
                id=id,
                user_name=who.name,
                name=name,
                public_key=bytes_to_base64url(made.credential_public_key),
                sign_count=made.sign_count,
                created_at=now,
                used_at=now,
            )
        )
        session.merge(KeyShown(session=key, at=now))
        record(session, who, now, "user.key_add", f"user:{who.name}", after={"name": name})

    await controller.write(change)


async def ask_to_show(controller: Controller, who: Actor, key: str) -> dict[str, Any]:
    """The options with which a browser asks for one of the user's keys."""
    from webauthn import generate_authentication_options, options_to_json
    from webauthn.helpers import bytes_to_base64url

    with controller.database.read() as session:
        rows = keys_of(session, who.name, key).rows
    now = controller.now()
    need_key(required=True, keys=len(rows), shown_at=now, now=now)
    options = generate_authentication_options(
        rp_id=controller.settings.public_address, allow_credentials=_descriptors(rows)
    )
    await controller.write(
        lambda session: _ask(session, key, _SHOW, bytes_to_base64url(options.challenge), now)
    )
    return _document(options_to_json(options))


async def show(controller: Controller, who: Actor, key: str, answer: str) -> None:
    """Take a key's answer: for five minutes the session may do what needs one. Raises :class:`WrongKey`.

    A key whose counter goes back has been copied, or says nothing true: it is refused.
    """
    from webauthn import verify_authentication_response
    from webauthn.helpers import base64url_to_bytes
    from webauthn.helpers.exceptions import WebAuthnException

    now, settings = controller.now(), controller.settings
    challenge = await _taken(controller, key, _SHOW)
    try:
        document = _document(answer[:LONGEST_ANSWER])
        with controller.database.read() as session:
            row = session.get(SecurityKey, str(document.get("id", ""))[:2000])
        if row is None or row.user_name != who.name:
            raise ValueError("a key this user does not have")
        shown = verify_authentication_response(
            credential=document,
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=settings.public_address,
            expected_origin=settings.web_origin,
            credential_public_key=base64url_to_bytes(row.public_key),
            credential_current_sign_count=row.sign_count,
        )
    except (WebAuthnException, ValueError) as error:
        await _refused(controller, who, str(error))
        raise WrongKey("this is not an answer of one of your keys: try again") from None
    id, before = row.id, row.sign_count

    def change(session: Session) -> None:
        row = session.get(SecurityKey, id)
        if row is None or row.sign_count != before:  # removed, or shown elsewhere, in this moment
            raise WrongKey("this key has just been used elsewhere: try again")
        row.sign_count, row.used_at = shown.new_sign_count, now
        session.merge(KeyShown(session=key, at=now))
        record(session, who, now, "user.key_shown", f"user:{who.name}", after={"name": row.name})

    await controller.write(change)


async def remove_key(controller: Controller, who: Actor, id: str) -> str:
    """Remove one of one's own keys; gives its name."""

    def change(session: Session) -> str:
        row = session.get(SecurityKey, id)
        if row is None or row.user_name != who.name:
            raise NotFound("there is no such key", code="second_factor.unknown")
        session.delete(row)
        record(
            session, who, controller.now(), "user.key_remove", f"user:{who.name}", before={"name": row.name}
        )
        return row.name

    return await controller.write(change)


async def reset_keys(controller: Controller, who: Actor, name: str) -> int:
    """Take every key from a user who has lost them; gives how many. The next is registered as the first."""

    def change(session: Session) -> int:
        user = user_for(session, who, name)
        removed = session.query(SecurityKey).where(SecurityKey.user_name == user.name)
        gone = removed.delete(synchronize_session="fetch")
        of_user = select(WebSession.hash).where(WebSession.user_name == user.name)
        session.execute(delete(KeyShown).where(KeyShown.session.in_(of_user)))
        record(session, who, controller.now(), "user.keys_reset", f"user:{name}", after={"keys": gone})
        return gone

    return await controller.write(change)


def key_count(session: Session, name: str) -> int:
    """How many keys a user has."""
    rows = select(func.count()).select_from(SecurityKey).where(SecurityKey.user_name == name)
    return session.scalar(rows) or 0


def usable(settings: Settings) -> bool:
    """True where browsers let a page ask for keys: they do not under a bare network address."""
    return settings.has_name


def _descriptors(rows: list[SecurityKey]) -> list[PublicKeyCredentialDescriptor]:
    from webauthn.helpers import base64url_to_bytes
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(row.id)) for row in rows]


def _document(text: str) -> dict[str, Any]:
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    return document


def _ask(session: Session, key: str, purpose: str, challenge: str, now: datetime) -> None:
    session.merge(KeyChallenge(session=key, purpose=purpose, challenge=challenge, at=now))


async def _taken(controller: Controller, key: str, purpose: str) -> str:
    """The question put to a session; it is answered once. Raises :class:`WrongKey`."""

    def change(session: Session) -> str | None:
        row = session.get(KeyChallenge, key)
        if row is None:
            return None
        session.delete(row)
        late = not timedelta(0) <= controller.now() - row.at <= CHALLENGE_VALID
        return None if late or row.purpose != purpose else row.challenge

    challenge = await controller.write(change)
    if challenge is None:
        raise WrongKey("this took too long or was answered already: try again")
    return challenge


async def _refused(controller: Controller, who: Actor, why: str) -> None:
    log.warning("security key refused", extra={"user": who.name, "why": why[:200]})
    await controller.write(
        lambda session: record(session, who, controller.now(), "user.key_refused", f"user:{who.name}")
    )
