"""Who may do what, and who did what."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .base import Base, Json


class User(Base):
    """Somebody who may use page and API.

    `role`: `contractor`, `viewer`, `secretary`, `operator` or `administrator`. `area_id` binds the user to
    the sites of an area and of all below it, `sites` (a contractor's) to single ones; neither: every site.
    `password_hash` is argon2's; without one only a link or a token lets in.
    """

    __tablename__ = "user"
    name: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    created_at: Mapped[datetime]
    display_name: Mapped[str] = mapped_column(default="")
    password_hash: Mapped[str | None]
    area_id: Mapped[str | None] = mapped_column(ForeignKey("area.id"))
    disabled_at: Mapped[datetime | None]

    sites: Mapped[list[UserSite]] = relationship(cascade="all, delete-orphan")


class UserToken(Base):
    """A bearer token, of which only the SHA-256 is kept."""

    __tablename__ = "user_token"
    hash: Mapped[str] = mapped_column(primary_key=True)
    user_name: Mapped[str] = mapped_column(ForeignKey("user.name"), index=True)
    created_at: Mapped[datetime]

    user: Mapped[User] = relationship()


class UserSite(Base):
    """A site that a user bound to single sites may see."""

    __tablename__ = "user_site"
    user_name: Mapped[str] = mapped_column(ForeignKey("user.name"), primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"), primary_key=True)


class LoginLink(Base):
    """A link that lets a user in once, to set a password. Only the SHA-256 of its secret is kept."""

    __tablename__ = "login_link"
    hash: Mapped[str] = mapped_column(primary_key=True)
    user_name: Mapped[str] = mapped_column(ForeignKey("user.name"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class WebSession(Base):
    """A browser that is logged in. Only the SHA-256 of the cookie is kept; `csrf` goes into every form."""

    __tablename__ = "web_session"
    hash: Mapped[str] = mapped_column(primary_key=True)
    user_name: Mapped[str] = mapped_column(ForeignKey("user.name"), index=True)
    csrf: Mapped[str]
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    address: Mapped[str] = mapped_column(default="")

    user: Mapped[User] = relationship()


class AuditRow(Base):
    """A change somebody made: `who` did `action` (`site.change`) to `subject`; how it was and how it is.

    `hash` chains it to the row before: :mod:`...rules.audit_chain`. Rows are never changed or removed.
    """

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_subject", "subject", "number"), Index("ix_audit_who", "who", "number"))
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    who: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    before: Mapped[Json | None]
    after: Mapped[Json | None]
    hash: Mapped[str]
