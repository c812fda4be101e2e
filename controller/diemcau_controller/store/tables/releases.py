"""Releases of the units' software that were offered to the fleet. Their files lie in the TUF repository."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from .base import Base


class OfferedRelease(Base):
    """A version that rollouts may take, until it is withdrawn. `sha256` is that of its `release.json` as it
    was verified before it was offered; `reason` is why it was withdrawn."""

    __tablename__ = "release"
    version: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str]
    offered_by: Mapped[str]
    offered_at: Mapped[datetime]
    withdrawn_by: Mapped[str | None]
    withdrawn_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(default="")
