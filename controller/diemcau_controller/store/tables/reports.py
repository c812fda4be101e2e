"""What units report, and what they are told to be."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, HealthBase, Json

VERDICT = "verdict"  # stands where a channel does, for the newest self-check of a unit
ROOM = "room"  # likewise, for what is open in its hall: :mod:`...rules.room`


class EventRow(Base):
    """An event of a unit. `number` is the order in which they were committed here."""

    __tablename__ = "event"
    __table_args__ = (
        UniqueConstraint("unit", "stream", "seq"),
        Index("ix_event_meeting", "meeting", "at"),
        Index("ix_event_kind", "unit", "kind", "received_at"),
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    unit: Mapped[str]
    stream: Mapped[str]
    seq: Mapped[int]
    id: Mapped[str]
    boot_id: Mapped[str]
    at: Mapped[datetime]
    kind: Mapped[str]
    site: Mapped[str | None]
    meeting: Mapped[str | None]
    data: Mapped[Json]
    received_at: Mapped[datetime]


class Stream(Base):
    """How far an event stream of a unit is complete: what the receipt says.

    `restored`: as a backup knew it; what the unit told between backup and restore will not come again.
    """

    __tablename__ = "stream"
    unit: Mapped[str] = mapped_column(primary_key=True)
    stream: Mapped[str] = mapped_column(primary_key=True)
    receipt: Mapped[int]
    restored: Mapped[bool] = mapped_column(default=False)


class Desired(Base):
    """The present revision of a desired document (`channel` = `desired/config` or `desired/schedule`)."""

    __tablename__ = "desired"
    unit: Mapped[str] = mapped_column(ForeignKey("unit.id"), primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    rev: Mapped[int]
    document: Mapped[Json]


class Newest(Base):
    """The newest message of a unit on a channel, of a self-check (`channel` :data:`VERDICT`) and of what is
    open in its hall (:data:`ROOM`)."""

    __tablename__ = "newest"
    unit: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    document: Mapped[Json]


class HealthRow(HealthBase):
    """A measurement, kept for `health_days`."""

    __tablename__ = "health"
    __table_args__ = (Index("ix_health_unit", "unit", "at"), Index("ix_health_at", "at"))
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    unit: Mapped[str]
    at: Mapped[datetime]
    document: Mapped[Json]
