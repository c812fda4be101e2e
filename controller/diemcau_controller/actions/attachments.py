"""Documents of a meeting: agenda, papers, slides. Read by people, never run: the bytes say what they are."""

from __future__ import annotations

import asyncio
import secrets
import zipfile
from pathlib import Path
from typing import IO

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.refusals import Conflict, Invalid, NotFound
from ..store.tables import Attachment, Meeting
from .audit import record
from .controller import Controller
from .kept_files import as_text, by_magic, keep
from .scope import meeting_for, need_whole_meeting

MAX_BYTES = 20 * 1024 * 1024
MOST = 20
_ALLOWED = "send a PDF, DOCX, XLSX, PPTX, a PNG, JPEG or WebP picture, or a UTF-8 text (.txt)"
_OFFICE = {
    "word/document.xml": ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", ".docx"),
    "xl/workbook.xml": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ".xlsx"),
    "ppt/presentation.xml": (
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        ".pptx",
    ),
}


def new_attachment_id() -> str:
    """A name for a document."""
    return "a" + secrets.token_hex(6)


async def add_attachment(
    controller: Controller, who: Actor, meeting_id: str, name: str, source: IO[bytes]
) -> str:
    """Keep a document with a meeting, and give its id.

    Raises :class:`Invalid` for one over 20 MB or of another kind, :class:`Conflict` for the 21st.
    """
    with controller.database.read() as session:
        _changeable(session, who, meeting_id)
    kept = await asyncio.to_thread(
        keep,
        controller.state.attachments,
        name,
        source,
        most_bytes=MAX_BYTES,
        what_it_is=_what_it_is,
    )
    attachment_id = new_attachment_id()

    def change(session: Session) -> None:
        now = controller.now()
        meeting = _changeable(session, who, meeting_id)
        if len(meeting.attachments) >= MOST:
            raise Conflict(
                f"a meeting has at most {MOST} documents: remove one first",
                code="attachments.too_many",
                field="file",
                most=MOST,
            )
        session.add(
            Attachment(
                id=attachment_id,
                meeting_id=meeting_id,
                name=kept.name,
                media_type=kept.media_type,
                size=kept.size,
                sha256=kept.sha256,
                added_at=now,
                added_by=who.name,
            )
        )
        after = {"attachment": attachment_id, "name": kept.name, "size": kept.size, "sha256": kept.sha256}
        record(session, who, now, "meeting.attach", f"meeting:{meeting_id}", after=after)

    await controller.write(change)
    controller.news.tell("schedule", meeting=meeting_id)
    return attachment_id


async def remove_attachment(controller: Controller, who: Actor, meeting_id: str, attachment_id: str) -> None:
    """Take a document away; its bytes go when no other meeting has the same."""

    def change(session: Session) -> None:
        _changeable(session, who, meeting_id)
        row = attachment_for(session, who, meeting_id, attachment_id)
        others = select(Attachment.id).where(Attachment.sha256 == row.sha256, Attachment.id != row.id)
        alone = session.scalars(others).first() is None
        before = {"attachment": row.id, "name": row.name, "size": row.size, "sha256": row.sha256}
        record(
            session,
            who,
            controller.now(),
            "meeting.detach",
            f"meeting:{meeting_id}",
            before=before,
            after=None,
        )
        session.delete(row)
        if alone:
            (controller.state.attachments / row.sha256).unlink(missing_ok=True)

    await controller.write(change)
    controller.news.tell("schedule", meeting=meeting_id)


def attachment_for(session: Session, who: Actor, meeting_id: str, attachment_id: str) -> Attachment:
    """A document of a meeting in scope. Raises :class:`NotFound`."""
    meeting_for(session, who, meeting_id)
    row = session.get(Attachment, attachment_id)
    if row is None or row.meeting_id != meeting_id:
        raise NotFound(
            f"meeting {meeting_id} has no document {attachment_id[:80]}", code="attachments.unknown"
        )
    return row


def attachment_path(controller: Controller, attachment: Attachment) -> Path:
    """Where the bytes lie. Raises :class:`NotFound` when they are gone from the disk."""
    path = controller.state.attachments / attachment.sha256
    if not path.is_file():
        raise NotFound(f"document {attachment.name} is no longer on the disk", code="attachments.unknown")
    return path


def _changeable(session: Session, who: Actor, meeting_id: str) -> Meeting:
    meeting = meeting_for(session, who, meeting_id)
    need_whole_meeting(who, meeting)
    return meeting


def _what_it_is(name: str, head: bytes, whole: IO[bytes]) -> tuple[str, str]:
    zipped = head[:4] == b"PK\x03\x04"
    kind = _office(whole) if zipped else by_magic(head) or as_text(name, head, (".txt",))
    if kind is None:
        raise Invalid(f"this kind of file is not kept: {_ALLOWED}", code="attachments.kind", field="file")
    return kind


def _office(whole: IO[bytes]) -> tuple[str, str] | None:
    """A document of an office program without macros."""
    try:
        with zipfile.ZipFile(whole) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None
    if "[Content_Types].xml" not in names or any(one.lower().endswith("vbaproject.bin") for one in names):
        return None
    return next((kind for part, kind in _OFFICE.items() if part in names), None)
