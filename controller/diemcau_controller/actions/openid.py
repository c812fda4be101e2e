"""Log in by an account of another system, or connect such an account with one's own."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from ..adapters.openid import Claims, Provider, ProviderAway, ProviderRefused
from ..config import Openid
from ..rules.actor import SYSTEM, Actor
from ..rules.openid import name_of, role_of
from ..rules.refusals import Conflict, NotFound, Refusal
from ..store.tables import OpenidAccount, OpenidFlow, User
from .add_user import LOCAL, user_settings
from .audit import record
from .controller import Controller
from .log_in import enter
from .tokens import digest

BACK = "/openid/back"
_VALID = timedelta(minutes=10)

log = logging.getLogger(__name__)


class NotLetIn(Refusal):
    """The other system's word is not enough to be let in here; the code says why."""

    code = "openid.refused"


@dataclass(frozen=True, slots=True)
class Way:
    """Where the browser goes, and the secret it keeps to be recognised when it comes back."""

    url: str
    browser: str


@dataclass(frozen=True, slots=True)
class Back:
    """Somebody has come back and goes on to `goes_to`; `secret` opens a session (None: only connected)."""

    secret: str | None
    goes_to: str


def configured(controller: Controller) -> bool:
    """True where people may log in by another system."""
    return bool(controller.settings.openid.issuer)


async def begin(controller: Controller, goes_to: str, who: Actor | None = None) -> Way:
    """Send a browser there; with `who` to connect the account with that user. Raises :class:`NotLetIn`."""
    state, nonce, browser, verifier = (secrets.token_urlsafe(size) for size in (24, 24, 24, 48))
    now = controller.now()
    try:
        url = await _provider(controller).way_there(
            scope=controller.settings.openid.scope, state=state, nonce=nonce, verifier=verifier
        )
    except (ProviderAway, ProviderRefused) as error:
        raise _away(error) from None

    def change(session: Session) -> None:
        session.execute(delete(OpenidFlow).where(OpenidFlow.at < now - _VALID))
        session.add(
            OpenidFlow(
                state=digest(state),
                browser=digest(browser),
                nonce=nonce,
                verifier=verifier,
                goes_to=goes_to,
                user_name=who.name if who is not None else None,
                at=now,
            )
        )

    await controller.write(change)
    return Way(url, browser)


async def come_back(controller: Controller, state: str, code: str, browser: str, address: str) -> Back:
    """Take what the browser brings back. Each way is gone once. Raises :class:`NotLetIn` and `Conflict`."""
    now, settings = controller.now(), controller.settings.openid

    def take(session: Session) -> OpenidFlow | None:
        flow = session.get(OpenidFlow, digest(state))
        if flow is None or flow.browser != digest(browser):
            return None
        session.delete(flow)
        return flow if timedelta(0) <= now - flow.at <= _VALID else None

    flow = await controller.write(take)
    if flow is None or not code:
        raise NotLetIn("this log-in took too long or was not begun here: begin again", code="openid.flow")
    wanted = {settings.name_claim, *([settings.role_claim] if settings.roles else [])}
    try:
        claims = await _provider(controller).who(
            code, nonce=flow.nonce, verifier=flow.verifier, wanted=wanted, now=now
        )
    except ProviderAway as error:
        raise _away(error) from None
    except ProviderRefused as error:
        log.warning("log-in by another system refused", extra={"error": str(error), "address": address})
        raise NotLetIn(
            "the other system's answer does not hold: begin again", code="openid.refused"
        ) from None
    goes_to, connects = flow.goes_to, flow.user_name

    def change(session: Session) -> str | None:
        if connects is not None:
            _connect(session, settings, claims, session.get_one(User, connects), now)
            return None
        user = _user_of(session, settings, claims, now)
        return enter(session, user, now, address, by="openid")

    return Back(await controller.write(change), goes_to)


def accounts_of(session: Session, name: str) -> list[OpenidAccount]:
    """The accounts elsewhere that let a user in."""
    return list(session.scalars(select(OpenidAccount).where(OpenidAccount.user_name == name)))


def _user_of(session: Session, settings: Openid, claims: Claims, now: datetime) -> User:
    """Whom the claims are about: known by the account's number, else by a name nobody holds otherwise."""
    role = role_of(claims, settings.role_claim, settings.roles) if settings.roles else None
    known = session.get(OpenidAccount, (settings.issuer, claims["sub"]))
    user = session.get_one(User, known.user_name) if known is not None else None
    if settings.roles and role is None and (user is None or user.password_hash is None):
        raise NotLetIn("the other system gives you no role here: ask an administrator", code="openid.no_role")
    if user is None:
        user = _user_by_name(session, settings, claims, role, now)
    if user.disabled_at is not None:
        raise NotLetIn("this user is disabled: ask an administrator", code="openid.disabled")
    if role is not None and user.password_hash is None and user.role != role:
        before = user_settings(user)
        user.role = role.value
        record(
            session, SYSTEM, now, "user.change", f"user:{user.name}", before=before, after=user_settings(user)
        )
    return user


def _user_by_name(
    session: Session, settings: Openid, claims: Claims, role: str | None, now: datetime
) -> User:
    name = name_of(claims, settings.name_claim)
    if name is None or name in (LOCAL, SYSTEM.name):
        raise NotLetIn("the other system gives no name that can be a user's here", code="openid.no_name")
    user = session.get(User, name)
    if user is None:
        if not settings.add_users or role is None:
            raise NotLetIn(
                f"there is no user {name} here: ask an administrator to add one",
                code="openid.unknown_user",
                user=name,
            )
        user = User(name=name, role=role, created_at=now, display_name=str(claims.get("name", ""))[:120])
        session.add(user)
        session.flush()
        record(session, SYSTEM, now, "user.add", f"user:{name}", after=user_settings(user))
    elif user.password_hash is not None:
        # Whoever may choose a name there must not become somebody here.
        raise NotLetIn(
            f"user {name} has a password: log in with it, then connect the account under Tài khoản",
            code="openid.has_password",
            user=name,
        )
    _connect(session, settings, claims, user, now)
    return user


def _connect(session: Session, settings: Openid, claims: Claims, user: User, now: datetime) -> None:
    subject = str(claims["sub"])
    known = session.get(OpenidAccount, (settings.issuer, subject))
    if known is not None and known.user_name == user.name:
        return
    others = [one for one in accounts_of(session, user.name) if one.issuer == settings.issuer]
    if known is not None or others:
        raise Conflict(
            "this user or this account is connected with another one: ask an administrator",
            code="openid.taken",
        )
    session.add(OpenidAccount(issuer=settings.issuer, subject=subject, user_name=user.name, linked_at=now))
    after = {"issuer": settings.issuer}
    record(session, SYSTEM, now, "user.openid_link", f"user:{user.name}", after=after)


def _provider(controller: Controller) -> Provider:
    settings, secret = controller.settings.openid, ""
    if not settings.issuer:
        raise NotFound("log-in by another system is not set up", code="openid.off")
    if settings.client_secret_file is not None:
        try:
            secret = _secret(settings.client_secret_file, controller.state.kept_openid_secret)
        except (OSError, UnicodeDecodeError) as error:
            log.error("the client's secret cannot be read", extra={"error": str(error)})
            raise NotLetIn(
                "the server's secret for the other system is missing", code="openid.away"
            ) from None
    return Provider(settings.issuer, settings.client_id, secret, f"{controller.settings.web_url}{BACK}")


def _secret(named: Path, restored: Path) -> str:
    """From the file that is named, or from what a backup had of it. Raises OSError, UnicodeDecodeError."""
    try:
        return named.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        if not restored.exists():
            raise
        return restored.read_text(encoding="utf-8").strip()


def _away(error: Exception) -> NotLetIn:
    log.warning("the other system cannot be used", extra={"error": str(error)})
    return NotLetIn("the other system does not answer: log in with the password", code="openid.away")
