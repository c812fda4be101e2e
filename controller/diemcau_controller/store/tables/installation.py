"""This controller itself: which life it is in since backups were restored, and what it forgot by that."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base


class Installation(Base):
    """One row. `name` is random and stays for ever; `generation` is 1 and rises with each restored backup.

    The generation is in everything that tells a unit what to do, and a unit takes nothing of an earlier one.
    """

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    generation: Mapped[int]
    made_at: Mapped[datetime]
    restored_at: Mapped[datetime | None]


class LaterBinding(Base):
    """A unit that proves, by a certificate of ours, a binding this database does not know.

    It was made after the backup that was restored. A person says what holds: `verdict` is `confirmed` or
    `refused`, None until then.
    """

    __tablename__ = "later_binding"
    unit_id: Mapped[str] = mapped_column(primary_key=True)
    site_id: Mapped[str]
    epoch: Mapped[int]
    serial: Mapped[str]
    seen_at: Mapped[datetime]
    verdict: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
