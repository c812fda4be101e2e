"""/api/v1/audit: who changed what, and when."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query

from ..actions.find_changes import Wanted, find_changes
from ..store.tables import AuditRow
from .access import Administrator, Core
from .answers import answers
from .views import View, text

router = APIRouter(tags=["audit"])

_Word = Annotated[str, Query(max_length=120)]


@router.get("/audit", responses=answers(422))
def list_changes(
    core: Core,
    who: Administrator,
    user: _Word = "",
    action: _Word = "",
    subject: _Word = "",
    since: date | None = None,
    until: date | None = None,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
) -> View:
    """Changes, the newest first, 50 a page.

    `action` and `subject` may be beginnings, such as `site.` or `meeting:m1`; `since` and `until` are days in
    the coordinator's zone, both included.
    """
    wanted = Wanted(user, action, subject, since, until)
    with core.database.read() as session:
        found = find_changes(session, who, wanted, page, core.settings.zone)
        return {
            "page": found.page,
            "pages": found.pages,
            "total": found.total,
            "changes": [change_view(row) for row in found.rows],
        }


def change_view(row: AuditRow) -> View:
    """One change. `before` is null for what was made, `after` for what was removed."""
    return {
        "number": row.number,
        "at": text(row.at),
        "who": row.who,
        "action": row.action,
        "subject": row.subject,
        "before": row.before,
        "after": row.after,
    }
