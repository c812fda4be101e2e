"""Backups: what their files are called, when the next is due, which are too many, how it stands."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum

TOO_OLD = timedelta(hours=36)
NOT_IN_A_MEETING = timedelta(hours=12)  # so long the nightly one waits for a meeting to end, at most
_NAME = re.compile(r"diemcau-(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)\.backup\.age")


class Standing(StrEnum):
    """How it is with backups."""

    OK = "ok"
    NONE_CONFIGURED = "none_configured"
    NONE_YET = "none_yet"
    TOO_OLD = "too_old"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class BackupState:
    """How it is with backups: the newest was made at `last` (None: there is none), the last try failed with
    `error` ("" for none)."""

    standing: Standing = Standing.NONE_CONFIGURED
    last: datetime | None = None
    error: str = ""

    def sentence(self) -> str:
        """For whoever watches the controller."""
        last = "" if self.last is None else f"{self.last:%Y-%m-%d %H:%M} UTC"
        return {
            Standing.OK: f"the last one is of {last}",
            Standing.NONE_CONFIGURED: "none is made: set backup.folder and backup.recipients",
            Standing.NONE_YET: "none was made yet: `diemcau backup now` makes one",
            Standing.TOO_OLD: f"too old, the last one is of {last}: look at the log of the controller",
            Standing.FAILED: f"the last one could not be made ({self.error}); "
            + (f"the one before is of {last}" if last else "there is none"),
        }[self.standing]


def file_name(made_at: datetime) -> str:
    """What a backup of that moment is called; names sort as the moments do."""
    return f"diemcau-{made_at.astimezone(UTC):%Y%m%d-%H%M%S}.backup.age"


def made_at(name: str) -> datetime | None:
    """When the backup of that name was made; None for the name of anything else."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    try:
        return datetime(*(int(part) for part in match.groups()), tzinfo=UTC)  # type: ignore[misc,arg-type]
    except ValueError:
        return None


def surplus(names: Iterable[str], keep: int) -> list[str]:
    """Which backups are older than the newest `keep`; other files are nobody's business."""
    ours = sorted((name for name in names if made_at(name) is not None), reverse=True)
    return ours[keep:]


def last_planned(now: datetime, at: str, zone: tzinfo) -> datetime:
    """The last moment at which the nightly backup was to be made; `at` is `HH:MM` in the zone."""
    hours, _, minutes = at.partition(":")
    local = now.astimezone(zone)
    planned = datetime.combine(local.date(), time(int(hours), int(minutes)), zone)
    if planned > local:
        planned = datetime.combine(local.date() - timedelta(days=1), time(int(hours), int(minutes)), zone)
    return planned.astimezone(UTC)


def due(now: datetime, at: str, zone: tzinfo, last: datetime | None, *, meeting: bool) -> bool:
    """True when the nightly backup is to be made now. One that was missed (the machine was off) is made
    after that, but not beside a meeting, unless it has waited long."""
    planned = last_planned(now, at, zone)
    if last is not None and last >= planned:
        return False
    return not meeting or now - planned > NOT_IN_A_MEETING


def state_of(configured: bool, last: datetime | None, error: str, now: datetime) -> BackupState:
    """How it is, the worst said first."""
    if not configured:
        return BackupState(Standing.NONE_CONFIGURED)
    if error:
        return BackupState(Standing.FAILED, last, error)
    if last is None:
        return BackupState(Standing.NONE_YET)
    return BackupState(Standing.OK if now - last <= TOO_OLD else Standing.TOO_OLD, last)
