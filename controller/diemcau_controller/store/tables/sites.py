"""Areas, sites and the units that serve them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .base import Base, Json


class Area(Base):
    """A node of the tree of areas. `tier` is what this level is called (tỉnh, cụm, xã …): data, not code."""

    __tablename__ = "area"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    tier: Mapped[str]
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("area.id"))


class Site(Base):
    """A place. It outlives its units; `epoch` counts them.

    `contacts` is whom to call, the first one first: `{"name", "phone", "task"}`. A removed site stays as a
    row (`removed_at`), because reports and meetings that were held name it. What its room has, and how it is
    checked, is in the words of :class:`diemcau_wire.messages.DesiredConfig`; `check_room` is its own test
    room, with PIN and secret; None until its unit is told of one. `ssh_address` is where its unit is reached
    directly (:mod:`...rules.ssh_address`), None where it is not; `neighbour` a server in its network with
    releases, None where there is none.
    """

    __tablename__ = "site"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    area_id: Mapped[str | None] = mapped_column(ForeignKey("area.id"))
    is_centre: Mapped[bool] = mapped_column(default=False)
    contacts: Mapped[list[Json]] = mapped_column(default=list)
    camera: Mapped[str] = mapped_column(default="none")
    microphone: Mapped[str] = mapped_column(default="none")
    sound: Mapped[str] = mapped_column(default="none")
    camera_small: Mapped[str | None]
    camera_onvif: Mapped[str | None]
    camera_preset: Mapped[str | None]
    echo_cancellation: Mapped[bool] = mapped_column(default=True)
    volume_percent: Mapped[int | None]
    television: Mapped[str] = mapped_column(default="none")
    buttons: Mapped[str] = mapped_column(default="auto")
    morning_at: Mapped[str | None]  # no default here: that would take the place of None
    check_tone: Mapped[bool] = mapped_column(default=True)
    room_pictures: Mapped[bool] = mapped_column(default=False)
    check_room: Mapped[str | None]
    check_pin: Mapped[str | None]
    check_secret: Mapped[str | None]
    width: Mapped[int] = mapped_column(default=1280)
    height: Mapped[int] = mapped_column(default=720)
    fps: Mapped[int] = mapped_column(default=30)
    bitrate_bps: Mapped[int] = mapped_column(default=2_000_000)
    screen_width: Mapped[int] = mapped_column(default=1280)
    screen_height: Mapped[int] = mapped_column(default=720)
    language: Mapped[str] = mapped_column(default="vi")
    epoch: Mapped[int] = mapped_column(default=0)
    removed_at: Mapped[datetime | None]
    ssh_address: Mapped[str | None]
    neighbour: Mapped[str | None]

    area: Mapped[Area | None] = relationship()
    unit: Mapped[Unit | None] = relationship(back_populates="site", uselist=False)


class Group(Base):
    """A named set of sites that are invited together, whatever areas they are in."""

    __tablename__ = "site_group"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]

    members: Mapped[list[GroupMember]] = relationship(cascade="all, delete-orphan")


class GroupMember(Base):
    """A site of a group."""

    __tablename__ = "site_group_member"
    group_id: Mapped[str] = mapped_column(ForeignKey("site_group.id"), primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"), primary_key=True)


class Unit(Base):
    """Hardware. It serves at most one site, and a site has at most one unit.

    `status`: `never` (not seen yet), `online`, `offline`, `lost`, or `silent` when it is connected but
    its measurements have stopped. `boot_id` and `nonce` name its present connection. One that was `replaced`
    or `revoked` has `ended`: its key serves no site any more.
    """

    __tablename__ = "unit"
    id: Mapped[str] = mapped_column(primary_key=True)
    site_id: Mapped[str | None] = mapped_column(ForeignKey("site.id"), unique=True)
    epoch: Mapped[int] = mapped_column(default=0)
    status: Mapped[str] = mapped_column(default="never")
    last_seen: Mapped[datetime | None]
    boot_id: Mapped[str | None]
    nonce: Mapped[str | None]
    version: Mapped[str | None]
    upload_token_hash: Mapped[str | None]
    picture_at: Mapped[datetime | None]
    ssh_host_key: Mapped[str | None]
    ended: Mapped[str | None]
    ended_at: Mapped[datetime | None]

    site: Mapped[Site | None] = relationship(back_populates="unit")


class Binding(Base):
    """That a unit came to serve a site. What a unit says of a site it never served is not believed."""

    __tablename__ = "binding"
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    unit_id: Mapped[str] = mapped_column(ForeignKey("unit.id"), index=True)
    bound_at: Mapped[datetime]
