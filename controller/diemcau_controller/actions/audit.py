"""The list of changes: who did what to what, how it was and how it is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from ..rules.actor import Actor
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
    """Write down a change, in the transaction that makes it.

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
    session.add(AuditRow(at=at, who=who.name, action=action, subject=subject, before=before, after=after))
