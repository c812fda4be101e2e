"""What the controller remembers. Two files: `Base` in controller.sqlite, `HealthBase` in health.sqlite.

Every time is an aware UTC datetime. Documents (`Json`) hold wire messages as they travelled.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, DateTime, Dialect, ForeignKey, Index, String, TypeDecorator, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

Json = dict[str, Any]


class Utc(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC. A naive one is refused: nobody knows what it means."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: Utc, Json: JSON, list[str]: JSON, str: String}


class HealthBase(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: Utc, Json: JSON, str: String}


class Area(Base):
    """A node of the tree of areas. `tier` is what this level is called (tỉnh, cụm, xã …): data, not code."""

    __tablename__ = "area"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    tier: Mapped[str]
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("area.id"))


class Site(Base):
    """A place. It outlives its units; `epoch` counts them."""

    __tablename__ = "site"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    area_id: Mapped[str | None] = mapped_column(ForeignKey("area.id"))
    is_centre: Mapped[bool] = mapped_column(default=False)
    contact_name: Mapped[str] = mapped_column(default="")
    contact_phone: Mapped[str] = mapped_column(default="")
    camera: Mapped[str] = mapped_column(default="none")
    microphone: Mapped[str] = mapped_column(default="none")
    sound: Mapped[str] = mapped_column(default="none")
    width: Mapped[int] = mapped_column(default=1280)
    height: Mapped[int] = mapped_column(default=720)
    fps: Mapped[int] = mapped_column(default=30)
    bitrate_bps: Mapped[int] = mapped_column(default=2_000_000)
    screen_width: Mapped[int] = mapped_column(default=1280)
    screen_height: Mapped[int] = mapped_column(default=720)
    language: Mapped[str] = mapped_column(default="vi")
    epoch: Mapped[int] = mapped_column(default=0)

    area: Mapped[Area | None] = relationship()
    unit: Mapped[Unit | None] = relationship(back_populates="site", uselist=False)


class Unit(Base):
    """Hardware. It serves at most one site, and a site has at most one unit.

    `status`: `never` (not seen yet), `online`, `offline`, `lost`, or `silent` when it is connected but
    its measurements have stopped. `boot_id` and `nonce` name its present connection.
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

    site: Mapped[Site | None] = relationship(back_populates="unit")


class Binding(Base):
    """That a unit came to serve a site. What a unit says of a site it never served is not believed."""

    __tablename__ = "binding"
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    unit_id: Mapped[str] = mapped_column(ForeignKey("unit.id"), index=True)
    bound_at: Mapped[datetime]


class Meeting(Base):
    """A meeting as it was announced: local wall-clock time, once or by a rule (RFC 5545)."""

    __tablename__ = "meeting"
    id: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    kind: Mapped[str]
    starts_local: Mapped[str]
    rrule: Mapped[str | None]
    duration_s: Mapped[int]
    opens_before_s: Mapped[int]
    overrun_s: Mapped[int]
    main_site_id: Mapped[str] = mapped_column(ForeignKey("site.id"))
    created_at: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]

    invited: Mapped[list[Invitation]] = relationship(order_by="Invitation.position", cascade="all")

    @property
    def site_ids(self) -> list[str]:
        """Every site of the meeting, the main site included, in the order of the invitation."""
        return [invitation.site_id for invitation in self.invited]


class Invitation(Base):
    """A site invited to a meeting."""

    __tablename__ = "invitation"
    meeting_id: Mapped[str] = mapped_column(ForeignKey("meeting.id"), primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"), primary_key=True, index=True)
    position: Mapped[int]


class Occurrence(Base):
    """A meeting at one time, with its room and its floor.

    `finished_at` is when it was over (closed, or ended by itself); `reported_at` when its report was last
    written, None when one is due. `room_made` says that the room is known to exist in Janus.
    """

    __tablename__ = "occurrence"
    __table_args__ = (
        UniqueConstraint("meeting_id", "starts_at"),
        Index("ix_occurrence_time", "starts_at", "cap_at"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    meeting_id: Mapped[str] = mapped_column(ForeignKey("meeting.id"))
    opens_at: Mapped[datetime]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    cap_at: Mapped[datetime]
    room: Mapped[str]
    secret: Mapped[str]
    pin: Mapped[str]
    room_made: Mapped[bool] = mapped_column(default=False)
    floor_seq: Mapped[int] = mapped_column(default=0)
    floor_speakers: Mapped[list[str]]
    closed_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    reported_at: Mapped[datetime | None]

    meeting: Mapped[Meeting] = relationship()


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
    """How far an event stream of a unit is complete: what the receipt says."""

    __tablename__ = "stream"
    unit: Mapped[str] = mapped_column(primary_key=True)
    stream: Mapped[str] = mapped_column(primary_key=True)
    receipt: Mapped[int]


class Desired(Base):
    """The present revision of a desired document (`channel` = `desired/config` or `desired/schedule`)."""

    __tablename__ = "desired"
    unit: Mapped[str] = mapped_column(ForeignKey("unit.id"), primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    rev: Mapped[int]
    document: Mapped[Json]


class Newest(Base):
    """The newest message of a unit on a channel; `channel` `verdict` holds its newest self-check."""

    __tablename__ = "newest"
    unit: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    document: Mapped[Json]


class User(Base):
    """Somebody who may use page and API. `role`: `viewer`, `operator` or `administrator`."""

    __tablename__ = "user"
    name: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    created_at: Mapped[datetime]


class UserToken(Base):
    """A bearer token, of which only the SHA-256 is kept."""

    __tablename__ = "user_token"
    hash: Mapped[str] = mapped_column(primary_key=True)
    user_name: Mapped[str] = mapped_column(ForeignKey("user.name"), index=True)
    created_at: Mapped[datetime]

    user: Mapped[User] = relationship()


class ReportRow(Base):
    """What a site's part in an occurrence came to, as the report says it."""

    __tablename__ = "report"
    occurrence_id: Mapped[str] = mapped_column(ForeignKey("occurrence.id"), primary_key=True)
    site_id: Mapped[str] = mapped_column(primary_key=True)
    document: Mapped[Json]


class HealthRow(HealthBase):
    """A measurement, kept for `health_days`."""

    __tablename__ = "health"
    __table_args__ = (Index("ix_health_unit", "unit", "at"), Index("ix_health_at", "at"))
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    unit: Mapped[str]
    at: Mapped[datetime]
    document: Mapped[Json]
