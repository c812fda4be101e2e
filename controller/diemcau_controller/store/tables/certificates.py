"""What the authority issued to units."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base


class Certificate(Base):
    """A unit's certificate. `serial` is spelled as in :mod:`..rules.serials`.

    `pem` is what the unit was given, the leaf first; "" for one whose key was made here. `why` it was
    revoked: `replaced`, `revoked` (by somebody), `renewed` (a newer one is in use).
    """

    __tablename__ = "certificate"
    serial: Mapped[str] = mapped_column(primary_key=True)
    unit_id: Mapped[str] = mapped_column(ForeignKey("unit.id"), index=True)
    issued_at: Mapped[datetime]
    not_after: Mapped[datetime]
    pem: Mapped[str] = mapped_column(default="")
    revoked_at: Mapped[datetime | None]
    why: Mapped[str | None]
