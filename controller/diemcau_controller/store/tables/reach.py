"""How units are reached by SSH."""

from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base


class TunnelPort(Base):
    """The port of this machine's loopback address at which a unit's sshd answers while the unit has dialled
    in. A unit keeps its own, so that it can dial without being told one."""

    __tablename__ = "tunnel_port"
    unit_id: Mapped[str] = mapped_column(ForeignKey("unit.id"), primary_key=True)
    port: Mapped[int] = mapped_column(unique=True)
