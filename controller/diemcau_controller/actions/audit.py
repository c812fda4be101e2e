"""The list of changes: who did what to what, how it was and how it is.

Each row is chained to the one before it (:mod:`...rules.audit_chain`), in the transaction that makes the
change. The database refuses to change or remove a row (triggers of migration 0004).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.audit_chain import Entry, Head, link
from ..store.tables import AuditRow

Known = dict[str, Any]


def record(
    session: Session,
    who: Actor,
    at: datetime,
    action: str,
    subject: str,
    *,
    before: Known | None = None,
    after: Known | None = None,
) -> None:
    """Write down a change, in the transaction that makes it; only in the one writer, who numbers the rows.

    `action` is `kind.verb` (`site.change`), `subject` is `kind:id` (`site:ea-kiet`). `before` and `after` are
    JSON-ready, in the words of the API and without secrets; only what differs between them is kept, and a
    change after which nothing differs is none.
    """
    if before is not None and after is not None:
        differing = [key for key in {**before, **after} if before.get(key) != after.get(key)]
        if not differing:
            return
        before = {key: before[key] for key in differing if key in before}
        after = {key: after[key] for key in differing if key in after}
    last = audit_head(session)
    entry = Entry(last.number + 1, at.astimezone(UTC), who.name, action, subject, before, after)
    session.add(
        AuditRow(
            number=entry.number,
            at=entry.at,
            who=entry.who,
            action=action,
            subject=subject,
            before=before,
            after=after,
            hash=link(last.hash, entry),
        )
    )


def audit_head(session: Session) -> Head:
    """The last row, be it stored or only on its way in this transaction."""
    waiting = [row for row in session.new if isinstance(row, AuditRow)]
    if waiting:
        newest = max(waiting, key=lambda row: row.number)
        return Head(newest.number, newest.hash)
    with session.no_autoflush:
        stored = session.execute(
            select(AuditRow.number, AuditRow.hash).order_by(AuditRow.number.desc()).limit(1)
        ).first()
    return Head(stored.number, stored.hash) if stored is not None else Head()
