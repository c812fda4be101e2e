"""Months on the coordinator's calendar, as reports are counted by."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from .refusals import Invalid


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month in a zone; written `2026-03`."""

    year: int
    number: int
    zone: tzinfo

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"

    @property
    def begins(self) -> datetime:
        """Its first moment, in UTC."""
        return datetime(self.year, self.number, 1, tzinfo=self.zone).astimezone(UTC)

    @property
    def ends(self) -> datetime:
        """The first moment after it, in UTC."""
        return self.after.begins

    @property
    def after(self) -> Month:
        following = self.year * 12 + self.number
        return Month(following // 12, following % 12 + 1, self.zone)

    @property
    def before(self) -> Month:
        preceding = self.year * 12 + self.number - 2
        return Month(preceding // 12, preceding % 12 + 1, self.zone)


def month_of(moment: datetime, zone: tzinfo) -> Month:
    """The month a moment lies in."""
    local = moment.astimezone(zone)
    return Month(local.year, local.month, zone)


def read_month(text: str, zone: tzinfo) -> Month:
    """`2026-03`. Raises :class:`Invalid` for anything else."""
    found = re.fullmatch(r"([0-9]{4})-([0-9]{2})", text)
    if found is None or not 1971 <= int(found[1]) <= 9000 or not 1 <= int(found[2]) <= 12:
        raise Invalid(f"{text[:20]!r} is no month: write 2026-03", code="reports.month", field="month")
    return Month(int(found[1]), int(found[2]), zone)
