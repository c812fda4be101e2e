"""The history of checks: of one site day by day, and what failed most in a fleet."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..rules.verdicts import DEVICES, device_of
from ..store.tables import CheckDay, FaultDay, SiteHour

DAYS = 30


@dataclass(frozen=True, slots=True)
class Day:
    """A day of a site, or of one of its devices. `tone`: `bad`, `care` (remarked), `mended` (by the unit
    itself), `good`, or `none` when nothing was checked. `faults` are words, the gravest first."""

    date: date
    tone: str
    faults: tuple[str, ...] = ()
    checks: int = 0


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour of measurements; None where nothing was measured."""

    at: datetime
    rtt_ms: float | None
    rtt_most_ms: float | None
    hottest_c: float | None


@dataclass(frozen=True, slots=True)
class Failing:
    """One fault in a period: at how many sites, on how many of their days, how often it made a site not
    ready, was remarked, was mended by the unit. `worst` are the sites with most days of it, worst first."""

    what: str
    device: str
    sites: int
    days: int
    not_ready: int
    remark: int
    mended: int
    worst: tuple[tuple[str, int], ...]


def days_of_site(session: Session, site_id: str, last: date) -> dict[str, list[Day]]:
    """The month up to `last`: under "" the whole room, and by device; one entry a day, the oldest first."""
    dates = [last - timedelta(days=back) for back in reversed(range(DAYS))]
    first = dates[0].isoformat()
    checked = select(CheckDay).where(CheckDay.site_id == site_id, CheckDay.day >= first)
    checks = {one.day: one for one in session.scalars(checked)}
    faults: dict[str, list[FaultDay]] = {}
    for fault in session.scalars(
        select(FaultDay).where(FaultDay.site_id == site_id, FaultDay.day >= first).order_by(FaultDay.what)
    ):
        faults.setdefault(fault.day, []).append(fault)
    return {
        device: [
            _day(one, device, checks.get(one.isoformat()), faults.get(one.isoformat(), [])) for one in dates
        ]
        for device in ("", *DEVICES)
    }


def hours_of_site(session: Session, site_id: str, now: datetime) -> list[Hour]:
    """The hours of the last month in which anything was measured, the oldest first."""
    since = now - timedelta(days=DAYS)
    rows = select(SiteHour).where(SiteHour.site_id == site_id, SiteHour.hour >= since).order_by(SiteHour.hour)
    return [
        Hour(
            row.hour,
            row.rtt_sum_ms / row.rtt_count if row.rtt_count else None,
            row.rtt_most_ms if row.rtt_count else None,
            row.hottest_c,
        )
        for row in session.scalars(rows)
    ]


def most_failing(
    session: Session, sites: Collection[str] | None, first: date, last: date, *, worst: int = 5
) -> list[Failing]:
    """Faults of these sites (None: of all) in a period, those on most days first; mended ones count too."""
    rows = session.execute(
        select(
            FaultDay.what,
            FaultDay.site_id,
            func.count(),
            func.sum(FaultDay.not_ready),
            func.sum(FaultDay.remark),
            func.sum(FaultDay.mended),
        )
        .where(FaultDay.day >= first.isoformat(), FaultDay.day <= last.isoformat())
        .group_by(FaultDay.what, FaultDay.site_id)
    )
    wanted = None if sites is None else frozenset(sites)
    found: dict[str, list[tuple[str, int, int, int, int]]] = {}
    for what, site, days, not_ready, remark, mended in rows:
        if wanted is None or site in wanted:
            found.setdefault(what, []).append((site, days, not_ready, remark, mended))
    failing = [
        Failing(
            what=what,
            device=device_of(what),
            sites=len(of_sites),
            days=sum(one[1] for one in of_sites),
            not_ready=sum(one[2] for one in of_sites),
            remark=sum(one[3] for one in of_sites),
            mended=sum(one[4] for one in of_sites),
            worst=tuple(
                (one[0], one[1]) for one in sorted(of_sites, key=lambda one: (-one[1], one[0]))[:worst]
            ),
        )
        for what, of_sites in found.items()
    ]
    return sorted(failing, key=lambda one: (-one.days, -one.not_ready, one.what))


def checks_of(session: Session, sites: Collection[str] | None, first: date, last: date) -> Mapping[str, int]:
    """How many checks of these sites came out `ready`, with `remark` and `not_ready` in a period."""
    rows = session.execute(
        select(
            CheckDay.site_id,
            func.sum(CheckDay.ready),
            func.sum(CheckDay.remark),
            func.sum(CheckDay.not_ready),
        )
        .where(CheckDay.day >= first.isoformat(), CheckDay.day <= last.isoformat())
        .group_by(CheckDay.site_id)
    )
    totals = [0, 0, 0]
    for site, *counts in rows:
        if sites is None or site in sites:
            totals = [total + int(count or 0) for total, count in zip(totals, counts, strict=True)]
    return dict(zip(("ready", "remark", "not_ready"), totals, strict=True))


def _day(day: date, device: str, check: CheckDay | None, faults: Sequence[FaultDay]) -> Day:
    mine = [one for one in faults if not device or device_of(one.what) == device]
    mine.sort(key=lambda one: (-one.not_ready, -one.remark))
    checks = check.ready + check.remark + check.not_ready if check is not None else 0
    names = tuple(one.what for one in mine)
    if any(one.not_ready for one in mine) or (not device and check is not None and check.not_ready):
        return Day(day, "bad", names, checks)
    if any(one.remark for one in mine) or (not device and check is not None and check.remark):
        return Day(day, "care", names, checks)
    if mine:
        return Day(day, "mended", names, checks)
    return Day(day, "good" if checks else "none", (), checks)
