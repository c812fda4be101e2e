"""Incidents: what went wrong at a site, the evidence, who sees to it, and how it ended."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .base import Base, Json
from .sites import Site


class Incident(Base):
    """A record of something that went wrong. `kind`: `no_picture`, `no_sound`, `connection`, `power`,
    `software`, `other`. `title` "" when the kind says it all. `closed_at` None: still open. `assignee` is the
    user who sees to it, a contractor's too. `further` are the other sites of an incident of many, which
    `site_id` was the first of.
    """

    __tablename__ = "incident"
    __table_args__ = (Index("ix_incident_open", "closed_at", "opened_at"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"), index=True)
    occurrence_id: Mapped[str | None] = mapped_column(ForeignKey("occurrence.id"), index=True)
    kind: Mapped[str]
    title: Mapped[str]
    opened_at: Mapped[datetime]
    opened_by: Mapped[str]
    assignee: Mapped[str | None] = mapped_column(ForeignKey("user.name"), index=True)
    closed_at: Mapped[datetime | None]
    resolution: Mapped[str] = mapped_column(default="")

    site: Mapped[Site] = relationship()
    further: Mapped[list[IncidentSite]] = relationship(
        order_by="IncidentSite.since", cascade="all, delete-orphan"
    )
    entries: Mapped[list[IncidentEntry]] = relationship(
        order_by="IncidentEntry.number", cascade="all, delete-orphan"
    )

    @property
    def site_ids(self) -> list[str]:
        """Every site it is about, the first one first."""
        return [self.site_id, *(one.site_id for one in self.further)]


class IncidentSite(Base):
    """A further site of an incident, and since when it is part of it."""

    __tablename__ = "incident_site"
    incident_id: Mapped[str] = mapped_column(ForeignKey("incident.id"), primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"), primary_key=True, index=True)
    since: Mapped[datetime]

    site: Mapped[Site] = relationship()


class IncidentEntry(Base):
    """A line in an incident's history. `kind`: `note`, `file`, `evidence` (a snapshot of what was known, in
    `document`), `assigned`, `closed` or `reopened`. A file's bytes lie in the state folder under its SHA-256.
    """

    __tablename__ = "incident_entry"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incident.id"), index=True)
    at: Mapped[datetime]
    who: Mapped[str]
    kind: Mapped[str]
    text: Mapped[str] = mapped_column(default="")
    document: Mapped[Json | None]
    file_name: Mapped[str | None]
    media_type: Mapped[str | None]
    size: Mapped[int | None]
    sha256: Mapped[str | None]
