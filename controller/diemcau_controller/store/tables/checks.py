"""What checks of rooms found, day by day, and who was told of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, HealthBase


class CheckDay(Base):
    """How the checks of a site came out on one day of the coordinator's calendar (`2026-03-12`)."""

    __tablename__ = "check_day"
    __table_args__ = (Index("ix_check_day", "day"),)
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"), primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)
    ready: Mapped[int] = mapped_column(default=0)
    remark: Mapped[int] = mapped_column(default=0)
    not_ready: Mapped[int] = mapped_column(default=0)


class FaultDay(Base):
    """How often one fault (`what`, such as `camera_black`) was found at a site on one day: how often it made
    the site not ready, was only remarked, or was mended by the unit itself."""

    __tablename__ = "fault_day"
    __table_args__ = (Index("ix_fault_day", "day"),)
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"), primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)
    what: Mapped[str] = mapped_column(primary_key=True)
    not_ready: Mapped[int] = mapped_column(default=0)
    remark: Mapped[int] = mapped_column(default=0)
    mended: Mapped[int] = mapped_column(default=0)


class Told(Base):
    """The fault of a site that whoever is to be told of it was told of; gone once the site is well again."""

    __tablename__ = "told"
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"), primary_key=True)
    fault: Mapped[str]
    at: Mapped[datetime]


class Notice(Base):
    """A message about a fault of one or more sites, to one address of the settings.

    `target` names that address without saying it, `shown_as` is how it may be shown. `next_try_at` is None
    once it was sent (`sent_at`) or given up; `error` is what went wrong last.
    """

    __tablename__ = "notice"
    __table_args__ = (Index("ix_notice_due", "next_try_at"),)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    fault: Mapped[str]
    sites: Mapped[list[str]]
    target: Mapped[str]
    shown_as: Mapped[str]
    title: Mapped[str]
    body: Mapped[str]
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    error: Mapped[str] = mapped_column(default="")


class SiteHour(HealthBase):
    """What a site's measurements of one hour come to. `hour` is its first moment."""

    __tablename__ = "site_hour"
    __table_args__ = (Index("ix_site_hour", "hour"),)
    site_id: Mapped[str] = mapped_column(primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    rtt_count: Mapped[int] = mapped_column(default=0)
    rtt_sum_ms: Mapped[float] = mapped_column(default=0.0)
    rtt_most_ms: Mapped[float] = mapped_column(default=0.0)
    hottest_c: Mapped[float | None]
