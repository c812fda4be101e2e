"""How units are admitted: requests, wrong tries, vouchers, work orders; and copied identities."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, Json


class Enrolment(Base):
    """One attempt of a unit to be admitted.

    `state` as in :mod:`..rules.enrolment`. `nonce` is the controller's, `unit_nonce` the unit's once it was
    opened; the nine digits are there from then on. `source` is the address it came from. Once decided:
    by whom, for which `site_id`, `what` (`install`, `replace`) and the `epoch` it got there; `fetched_at` is
    when the unit first came for its certificate. `reason` says why it ended, or why its voucher did not do.
    """

    __tablename__ = "enrolment"
    __table_args__ = (
        Index("ix_enrolment_state", "state", "expires_at"),
        Index("ix_enrolment_unit", "unit_id", "created_at"),
        Index("ix_enrolment_source", "source", "created_at"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    unit_id: Mapped[str]
    public_key: Mapped[str]
    serial: Mapped[str] = mapped_column(default="")
    model: Mapped[str] = mapped_column(default="")
    version: Mapped[str] = mapped_column(default="")
    ssh_host_key: Mapped[str | None]
    commitment: Mapped[str]
    nonce: Mapped[str]
    unit_nonce: Mapped[str | None]
    code: Mapped[str | None] = mapped_column(index=True)
    state: Mapped[str]
    reason: Mapped[str] = mapped_column(default="")
    source: Mapped[str] = mapped_column(default="")
    voucher: Mapped[str | None]
    wrong_tries: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
    site_id: Mapped[str | None] = mapped_column(ForeignKey("site.id"))
    what: Mapped[str | None]
    epoch: Mapped[int | None]
    fetched_at: Mapped[datetime | None]


class WrongTry(Base):
    """A code or voucher that did not fit. `kind`: `code` (nobody shows it), `site` (that of `enrolment_id`,
    but not for that site), `voucher`. `account` is "" for a unit's own."""

    __tablename__ = "wrong_try"
    __table_args__ = (Index("ix_wrong_try_at", "at"),)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    kind: Mapped[str]
    account: Mapped[str] = mapped_column(default="")
    source: Mapped[str] = mapped_column(default="")
    enrolment_id: Mapped[str | None] = mapped_column(ForeignKey("enrolment.id"))


class TryAlarm(Base):
    """That wrong tries became too many: nobody it is about gets in until an administrator lifts it.

    `scope`: `code`, `account`, `source` or `all`, with whose in `subject`.
    """

    __tablename__ = "try_alarm"
    __table_args__ = (Index("ix_try_alarm_standing", "lifted_at", "scope"),)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    scope: Mapped[str]
    subject: Mapped[str] = mapped_column(default="")
    since: Mapped[datetime]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None]


class Voucher(Base):
    """A paper that admits one unit to a site by itself, until `expires_at`. Its seal is not kept."""

    __tablename__ = "voucher"
    id: Mapped[str] = mapped_column(primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"), index=True)
    what: Mapped[str]
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_by: Mapped[str | None]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[str | None]


class WorkOrder(Base):
    """That a technician shall install or replace (`what`) the unit of a site, until `until`.

    `unit_id` is the unit that came of it.
    """

    __tablename__ = "work_order"
    __table_args__ = (Index("ix_work_order_open", "closed_at", "technician"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"), index=True)
    what: Mapped[str]
    technician: Mapped[str] = mapped_column(ForeignKey("user.name"))
    note: Mapped[str] = mapped_column(default="")
    opened_by: Mapped[str]
    opened_at: Mapped[datetime]
    until: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]
    unit_id: Mapped[str | None]


class Join(Base):
    """One start (`boot_id`) of something with a unit's identity, as it was seen on the broker.

    `count` is the highest of its join counter, `media` and `box` fingerprints of its disk and machine.
    """

    __tablename__ = "unit_join"
    unit_id: Mapped[str] = mapped_column(ForeignKey("unit.id"), primary_key=True)
    boot_id: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
    media: Mapped[str] = mapped_column(default="")
    box: Mapped[str] = mapped_column(default="")
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]


class Clone(Base):
    """Two boxes with one identity. `boots` are the starts that were seen of them, as :class:`Join` has them.

    `verdict`: `mistaken` (there was only one) or `enrol_anew` (the identity is copied: it ends, and the box
    that is to serve the site makes a new key).
    """

    __tablename__ = "clone"
    __table_args__ = (Index("ix_clone_open", "decided_at", "unit_id"),)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    unit_id: Mapped[str] = mapped_column(ForeignKey("unit.id"))
    site_id: Mapped[str | None]
    found_at: Mapped[datetime]
    why: Mapped[str]
    boots: Mapped[list[Json]]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
    verdict: Mapped[str | None]
