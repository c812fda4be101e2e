"""Units that lost their rights, and when the broker had seen to it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from .base import Base


class Cut(Base):
    """That a unit's rights are to end: written with whatever took them, done when its line is cut."""

    __tablename__ = "cut"
    unit_id: Mapped[str] = mapped_column(primary_key=True)
    wanted_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
