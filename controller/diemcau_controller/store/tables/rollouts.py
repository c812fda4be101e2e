"""The fleet's updates: rollouts, how each unit of one stands, the runs that carry it out, days without."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, literal_column, text
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base


class SiteRing(Base):
    """The ring somebody put a site in; others are chosen when a rollout starts (:mod:`...rules.rings`)."""

    __tablename__ = "site_ring"
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"), primary_key=True)
    ring: Mapped[str]


class Freeze(Base):
    """Days of the coordinator's calendar (`2026-03-12`), first and last included, without any flip."""

    __tablename__ = "freeze"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    first: Mapped[str]
    last: Mapped[str]
    reason: Mapped[str]
    made_by: Mapped[str]
    made_at: Mapped[datetime]


class Rollout(Base):
    """A version on its way to a fleet. States, rings and `why` are words of :mod:`...rules.rollout`.

    `ring` is the last one that is open. `wave`, `tolerated_percent` and `meeting_wait_h` are its plan.
    `whole_fleet`: it is for every unit, also for those that come later.
    `heard` is the number of the newest event of units that was taken into account. Of the live ones there is
    never a second: whatever asks for one fails as a whole.
    """

    __tablename__ = "rollout"
    __table_args__ = (
        Index("ix_rollout_state", "state"),
        Index(
            "ux_rollout_live",
            literal_column("1"),
            unique=True,
            sqlite_where=text("state IN ('running', 'paused', 'rolling_back')"),
        ),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str]
    state: Mapped[str]
    why: Mapped[str] = mapped_column(default="")
    ring: Mapped[str]
    wave: Mapped[int]
    tolerated_percent: Mapped[int]
    meeting_wait_h: Mapped[int]
    whole_fleet: Mapped[bool]
    heard: Mapped[int] = mapped_column(default=0)
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class RolloutUnit(Base):
    """How a unit stands in a rollout.

    `since` is when it came to this state; `window_since` since when it could have been updated, had it been
    there and free (None: its ring is not open). Not tried before `again_at`. `wave` is the one it went with.
    `kept_at` is when it said that it keeps the version, `proof` what showed that it works: `meeting` or
    `check`. `faults` is what its room lacked before. `accepted`: it failed, and somebody went on anyway.
    `task` and `tail` are the last task of its newest run and what that said.
    """

    __tablename__ = "rollout_unit"
    __table_args__ = (Index("ix_rollout_unit_state", "rollout_id", "state"),)
    rollout_id: Mapped[str] = mapped_column(ForeignKey("rollout.id"), primary_key=True)
    unit_id: Mapped[str] = mapped_column(ForeignKey("unit.id"), primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"))
    ring: Mapped[str]
    state: Mapped[str]
    why: Mapped[str] = mapped_column(default="")
    since: Mapped[datetime]
    window_since: Mapped[datetime | None]
    again_at: Mapped[datetime | None]
    wave: Mapped[int] = mapped_column(default=0)
    tries: Mapped[int] = mapped_column(default=0)
    from_version: Mapped[str] = mapped_column(default="")
    kept_at: Mapped[datetime | None]
    proof: Mapped[str] = mapped_column(default="")
    asked_at: Mapped[datetime | None]
    faults: Mapped[list[str]] = mapped_column(default=list)
    accepted: Mapped[bool] = mapped_column(default=False)
    run_id: Mapped[str | None]
    task: Mapped[str] = mapped_column(default="")
    tail: Mapped[list[str]] = mapped_column(default=list)


class RolloutRun(Base):
    """One run of Ansible over some units. `kind`: `stage`, `apply`, `back`, `settle`. `outcome` once it
    ended: `ran`, `failed`, `cancelled`, or `lost` when the controller ended before it."""

    __tablename__ = "rollout_run"
    __table_args__ = (Index("ix_rollout_run_open", "rollout_id", "ended_at"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    rollout_id: Mapped[str] = mapped_column(ForeignKey("rollout.id"))
    kind: Mapped[str]
    units: Mapped[list[str]]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]


class RolloutTask(Base):
    """A task of a unit's newest run. `outcome`: `ok`, `changed`, `skipped`, `failed`, `unreachable`."""

    __tablename__ = "rollout_task"
    rollout_id: Mapped[str] = mapped_column(ForeignKey("rollout.id"), primary_key=True)
    unit_id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    outcome: Mapped[str]
    at: Mapped[datetime]
    millis: Mapped[int]
