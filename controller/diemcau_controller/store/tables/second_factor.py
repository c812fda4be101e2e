"""What proves a person besides the password: security keys, and accounts elsewhere (OpenID Connect)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base


class SecurityKey(Base):
    """A key (WebAuthn) that a user has registered. `id` and `public_key` (COSE) are base64url."""

    __tablename__ = "security_key"
    id: Mapped[str] = mapped_column(primary_key=True)
    user_name: Mapped[str] = mapped_column(ForeignKey("user.name"), index=True)
    name: Mapped[str]
    public_key: Mapped[str]
    sign_count: Mapped[int]
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class KeyChallenge(Base):
    """What a browser's session has been asked to sign, once: to register a key, or to show one."""

    __tablename__ = "key_challenge"
    session: Mapped[str] = mapped_column(ForeignKey("web_session.hash", ondelete="CASCADE"), primary_key=True)
    purpose: Mapped[str]
    challenge: Mapped[str]
    at: Mapped[datetime]


class KeyShown(Base):
    """When a browser's session last showed a key: for some minutes it may do what needs one."""

    __tablename__ = "key_shown"
    session: Mapped[str] = mapped_column(ForeignKey("web_session.hash", ondelete="CASCADE"), primary_key=True)
    at: Mapped[datetime]


class OpenidAccount(Base):
    """An account elsewhere that lets a user in: who it is there never changes, names may."""

    __tablename__ = "openid_account"
    issuer: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    user_name: Mapped[str] = mapped_column(ForeignKey("user.name"), index=True)
    linked_at: Mapped[datetime]


class OpenidFlow(Base):
    """A log-in on its way through the other system. `state` and `browser` are kept as SHA-256.

    `user_name` is set when somebody who is logged in connects the account elsewhere with the own one.
    """

    __tablename__ = "openid_flow"
    state: Mapped[str] = mapped_column(primary_key=True)
    browser: Mapped[str]
    nonce: Mapped[str]
    verifier: Mapped[str]
    goes_to: Mapped[str]
    user_name: Mapped[str | None] = mapped_column(ForeignKey("user.name"))
    at: Mapped[datetime]
