"""Two people who change one site: the second is told what the first one did, and nothing is lost.

The version of a site is the number of its last change in the list of changes.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..rules.refusals import Conflict
from ..store.tables import AuditRow, Site
from .audit import Known

_SETS = ("site.add", "site.change")


class SiteChangedMeanwhile(Conflict):
    """Somebody else has changed the site since the caller read it.

    `values`: `who`, `version` (the present one), and `changes`: [{`who`, `at`, `before`, `after`}] of them.
    """

    code = "sites.changed_meanwhile"


def version_of(session: Session, site_id: str) -> int:
    """The present version; 0 for a site nobody has changed since it was made without a trace."""
    of_it = select(func.max(AuditRow.number)).where(AuditRow.subject == f"site:{site_id}")
    return session.scalar(of_it.where(AuditRow.action.in_(_SETS))) or 0


def changes_since(session: Session, site_id: str, version: int) -> Sequence[AuditRow]:
    """The changes after a version, the oldest first."""
    of_it = select(AuditRow).where(AuditRow.subject == f"site:{site_id}", AuditRow.number > version)
    return session.scalars(of_it.where(AuditRow.action.in_(_SETS)).order_by(AuditRow.number)).all()


def settings_before(settings: Known, changes: Sequence[AuditRow]) -> Known:
    """The settings as they were before these changes; passwords in what was changed are covered."""
    earlier = dict(settings)
    for row in reversed(changes):
        earlier |= row.before or {}
    return earlier


def need_version(session: Session, site: Site, version: int | None) -> None:
    """Refuse (:class:`SiteChangedMeanwhile`) a change of what was read at another version; None is any."""
    changes = [] if version is None else changes_since(session, site.id, version)
    if not changes:
        return
    names = ", ".join(dict.fromkeys(row.who for row in changes))
    raise SiteChangedMeanwhile(
        f"{names} has changed site {site.id} meanwhile: read it again, then send yours with its version",
        site=site.name,
        who=names,
        version=changes[-1].number,
        changes=[
            {"who": row.who, "at": row.at.isoformat(), "before": row.before or {}, "after": row.after or {}}
            for row in changes
        ],
    )
