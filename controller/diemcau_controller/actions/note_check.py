"""Write down what a check found, and what a measurement said, in the history of its site."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo

from diemcau_wire.messages import Health
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules.verdicts import day_of, read_verdict
from ..store.tables import CheckDay, EventRow, FaultDay, SiteHour


def note_check(session: Session, row: EventRow, now: datetime, zone: tzinfo) -> None:
    """Count a verdict of a site under its day, with each of its faults."""
    verdict = read_verdict(row.data)
    if row.site is None or not verdict.verdict:
        return
    key = (row.site, day_of(row.at, now, zone))
    day = session.get(CheckDay, key)
    if day is None:
        day = CheckDay(site_id=key[0], day=key[1], ready=0, remark=0, not_ready=0)
        session.add(day)
    setattr(day, verdict.verdict, getattr(day, verdict.verdict) + 1)
    for what, one in {finding.what: finding for finding in verdict.findings}.items():
        fault = session.get(FaultDay, (*key, what))
        if fault is None:
            fault = FaultDay(site_id=key[0], day=key[1], what=what, not_ready=0, remark=0, mended=0)
            session.add(fault)
        column = "mended" if one.mended else one.weight
        setattr(fault, column, getattr(fault, column) + 1)
    session.flush()


def held_hours(session: Session, sites: Iterable[str | None], now: datetime) -> Sequence[SiteHour]:
    """The present hour of these sites, read at once; while they are held each is at hand."""
    wanted = {site for site in sites if site is not None}
    if not wanted:
        return ()
    return session.scalars(
        select(SiteHour).where(SiteHour.hour == _hour(now), SiteHour.site_id.in_(wanted))
    ).all()


def note_hour(session: Session, site_id: str, health: Health, now: datetime) -> None:
    """Add a measurement to its hour; that of the line and that of the heat are looked at over weeks."""
    if health.link_rtt_ms is None and health.temperature_c is None:
        return
    key = (site_id, _hour(now))
    hour = session.get(SiteHour, key)
    if hour is None:
        hour = SiteHour(site_id=key[0], hour=key[1], rtt_count=0, rtt_sum_ms=0.0, rtt_most_ms=0.0)
        session.add(hour)
        session.flush()
    if health.link_rtt_ms is not None:
        hour.rtt_count += 1
        hour.rtt_sum_ms += health.link_rtt_ms
        hour.rtt_most_ms = max(hour.rtt_most_ms, health.link_rtt_ms)
    if health.temperature_c is not None:
        hour.hottest_c = max(hour.hottest_c if hour.hottest_c is not None else -273.15, health.temperature_c)


def _hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0)
