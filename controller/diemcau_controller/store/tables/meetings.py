"""Meetings as announced, their occurrences, and what came of them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .base import Base, Json


class Meeting(Base):
    """A meeting as it was announced: local wall-clock time, once or by a rule (RFC 5545).

    `mode`: `here`, or `elsewhere` (on another system) and `in_person`, which only hold the hall.
    `classification` (`none`, `mat`, `toi_mat`, `tuyet_mat`) and `security_subject` (an ninh – quốc phòng) are
    the gate's two questions; `gate_confirmed_by` is the administrator who said that the subject was marked by
    mistake, `gate_reason` why. `version` counts changes, so that of two who change a meeting one is told.
    When dates of a recurring meeting come to differ (from a day on, or a single one), the earlier or the
    single ones become a meeting of their own; `series` is then the meeting whose name their occurrences keep.
    """

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
    version: Mapped[int] = mapped_column(default=1)
    created_by: Mapped[str] = mapped_column(default="")
    chair: Mapped[str] = mapped_column(default="")
    notes: Mapped[str] = mapped_column(default="")
    place: Mapped[str] = mapped_column(default="")
    mode: Mapped[str] = mapped_column(default="here")
    urgent: Mapped[bool] = mapped_column(default=False)
    classification: Mapped[str] = mapped_column(default="none")
    security_subject: Mapped[bool] = mapped_column(default=False)
    gate_confirmed_by: Mapped[str | None]
    gate_reason: Mapped[str] = mapped_column(default="")
    series: Mapped[str | None]

    invited: Mapped[list[Invitation]] = relationship(
        order_by="Invitation.position", cascade="all, delete-orphan"
    )
    exceptions: Mapped[list[MeetingException]] = relationship(cascade="all, delete-orphan")
    attachments: Mapped[list[Attachment]] = relationship(cascade="all, delete-orphan")

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


class MeetingException(Base):
    """One date of a recurring meeting that is not held (`moved_to` None) or held at another local time."""

    __tablename__ = "meeting_exception"
    meeting_id: Mapped[str] = mapped_column(ForeignKey("meeting.id"), primary_key=True)
    starts_local: Mapped[str] = mapped_column(primary_key=True)
    moved_to: Mapped[str | None]
    reason: Mapped[str] = mapped_column(default="")


class Attachment(Base):
    """A document of a meeting; its bytes lie in the state folder under their SHA-256."""

    __tablename__ = "attachment"
    id: Mapped[str] = mapped_column(primary_key=True)
    meeting_id: Mapped[str] = mapped_column(ForeignKey("meeting.id"), index=True)
    name: Mapped[str]
    media_type: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[str]
    added_at: Mapped[datetime]
    added_by: Mapped[str]


class Occurrence(Base):
    """A meeting at one time, with its room and its floor.

    `finished_at` is when it was over (closed, or ended by itself); `reported_at` when its report was last
    written, None when one is due. `room_made` says that the room is known to exist in Janus. `chair_link`
    counts the links made for the chair, of which only the newest is valid.
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
    open_discussion: Mapped[bool] = mapped_column(default=False)
    chair_link: Mapped[int] = mapped_column(default=0)
    closed_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    reported_at: Mapped[datetime | None]

    meeting: Mapped[Meeting] = relationship()


class Hand(Base):
    """That a hall asked for the floor. `ended` says how the wish ended: `granted`, `lowered`, `dismissed`."""

    __tablename__ = "hand"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    occurrence_id: Mapped[str] = mapped_column(ForeignKey("occurrence.id"), index=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"))
    text: Mapped[str] = mapped_column(default="")
    raised_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended: Mapped[str | None]


class Attendee(Base):
    """Somebody at a site in an occurrence, as the hall wrote it down.

    `status`: `present` (có mặt), `substitute` (dự thay, `stands_for` says for whom), `excused` (vắng có lý
    do) or `absent` (vắng).
    """

    __tablename__ = "attendee"
    id: Mapped[str] = mapped_column(primary_key=True)
    occurrence_id: Mapped[str] = mapped_column(ForeignKey("occurrence.id"), index=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"))
    name: Mapped[str]
    position: Mapped[str] = mapped_column(default="")
    status: Mapped[str]
    stands_for: Mapped[str] = mapped_column(default="")
    reason: Mapped[str] = mapped_column(default="")
    entered_at: Mapped[datetime]


class ReportNote(Base):
    """What the secretary remarks on a site's part in an occurrence."""

    __tablename__ = "report_note"
    occurrence_id: Mapped[str] = mapped_column(ForeignKey("occurrence.id"), primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"), primary_key=True)
    text: Mapped[str]
    written_by: Mapped[str]
    written_at: Mapped[datetime]


class Heard(Base):
    """That a hall said, on its phone page, that it hears the meeting well: the last time it did."""

    __tablename__ = "heard"
    occurrence_id: Mapped[str] = mapped_column(ForeignKey("occurrence.id"), primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"), primary_key=True)
    at: Mapped[datetime]


class ReportRow(Base):
    """What a site's part in an occurrence came to, as the report says it."""

    __tablename__ = "report"
    occurrence_id: Mapped[str] = mapped_column(ForeignKey("occurrence.id"), primary_key=True)
    site_id: Mapped[str] = mapped_column(primary_key=True)
    document: Mapped[Json]
