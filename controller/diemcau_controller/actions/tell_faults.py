"""Tell whoever is to be told that rooms are not ready: write the messages down, then send them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, time

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..adapters.notify import NotSent, send, shown_as
from ..config import Settings
from ..rules.notices import BEFORE_MEETING, NotReady, Plan, addresses_of, is_quiet, next_try, plan_notices
from ..store.tables import VERDICT, Invitation, Notice, Occurrence, Told
from .controller import Controller
from .fleet import Fleet, SiteNow
from .tokens import digest

Compose = Callable[[Sequence[SiteNow], str], tuple[str, str]]
"""Title and text of a message about sites with one fault."""
_AT_A_TIME = 4

log = logging.getLogger(__name__)


async def plan_and_send(controller: Controller, compose: Compose) -> None:
    """Write down what is to be told now, and try every message that is due."""
    if not controller.settings.notify.addresses:
        return
    plan = await asyncio.to_thread(_plan, controller)
    if plan.tell or plan.told or plan.forget:
        fleet = await asyncio.to_thread(controller.fleet.now)
        now = controller.now()
        await controller.write(lambda session: _store(session, plan, fleet, compose, now))
    await _send_due(controller)


def target_of(url: str) -> str:
    """What stands for an address where it must not be said."""
    return digest(url)[:16]


def _plan(controller: Controller) -> Plan:
    settings, now = controller.settings, controller.now()
    fleet = controller.fleet.now()
    with controller.database.read() as session:
        near = _near_a_meeting(session, now)
        told = {row.site_id: (row.fault, row.at) for row in session.scalars(select(Told))}
        newest = select(Notice.target, Notice.fault, func.max(Notice.at)).group_by(
            Notice.target, Notice.fault
        )
        last = {(target, fault): at for target, fault, at in session.execute(newest)}
    local = now.astimezone(settings.zone).time()
    quiet = is_quiet(local, _time(settings.notify.quiet_from), _time(settings.notify.quiet_until))
    return plan_notices(
        [_not_ready(site, settings, near) for site in fleet.sites if site.state == "not_ready"],
        [site.id for site in fleet.sites if site.state in ("ready", "remark")],
        told,
        {(url, fault): last[target_of(url), fault] for url, fault in _pairs(settings, fleet, last)},
        now,
        quiet=quiet,
    )


def _pairs(
    settings: Settings, fleet: Fleet, last: dict[tuple[str, str], datetime]
) -> Iterable[tuple[str, str]]:
    """Addresses that were ever told of a fault, with it."""
    urls = {url for site in fleet.sites if site.state == "not_ready" for url in _addresses(site, settings)}
    by_target = {target_of(url): url for url in urls}
    return [(by_target[target], fault) for target, fault in last if target in by_target]


def _not_ready(site: SiteNow, settings: Settings, near: frozenset[str]) -> NotReady:
    since = datetime.fromisoformat(str(site.newest[VERDICT]["at"]))
    return NotReady(site.id, site.verdict.fault, since, _addresses(site, settings), site.id in near)


def _addresses(site: SiteNow, settings: Settings) -> tuple[str, ...]:
    notify = settings.notify
    return addresses_of(site.areas, notify.areas, notify.urls, site.phone)


def _near_a_meeting(session: Session, now: datetime) -> frozenset[str]:
    """The sites of meetings that run or begin soon."""
    meetings = select(Occurrence.meeting_id).where(
        Occurrence.starts_at <= now + BEFORE_MEETING,
        Occurrence.cap_at > now,
        Occurrence.finished_at.is_(None),
    )
    return frozenset(session.scalars(select(Invitation.site_id).where(Invitation.meeting_id.in_(meetings))))


def _store(session: Session, plan: Plan, fleet: Fleet, compose: Compose, now: datetime) -> None:
    for one in plan.tell:
        title, body = compose([fleet.by_id[site] for site in one.sites], one.fault)
        session.add(
            Notice(
                at=now,
                fault=one.fault,
                sites=list(one.sites),
                target=target_of(one.address),
                shown_as=shown_as(one.address),
                title=title,
                body=body,
                tries=0,
                next_try_at=now,
                sent_at=None,
                error="",
            )
        )
    for site in plan.forget:
        if (row := session.get(Told, site)) is not None:
            session.delete(row)
    for site, fault in plan.told.items():
        session.merge(Told(site_id=site, fault=fault, at=now))


async def _send_due(controller: Controller) -> None:
    now = controller.now()
    with controller.database.read() as session:
        due = session.scalars(
            select(Notice).where(Notice.next_try_at <= now).order_by(Notice.number).limit(200)
        ).all()
    if not due:
        return
    fleet = await asyncio.to_thread(controller.fleet.now)
    known = {target_of(url): url for site in fleet.sites for url in _addresses(site, controller.settings)}
    few = asyncio.Semaphore(_AT_A_TIME)

    async def attempt(notice: Notice) -> None:
        url = known.get(notice.target)
        error = "the settings no longer have this address" if url is None else ""
        if url is not None:
            async with few:
                try:
                    await asyncio.to_thread(send, url, notice.title, notice.body)
                except NotSent as failure:
                    error = str(failure)
        await controller.write(lambda session: _note(session, notice.number, error, controller.now()))

    await asyncio.gather(*(attempt(notice) for notice in due))


def _note(session: Session, number: int, error: str, now: datetime) -> None:
    """Write down how a try went."""
    notice = session.get_one(Notice, number)
    notice.tries += 1
    notice.error = error
    if not error:
        notice.sent_at, notice.next_try_at = now, None
        return
    notice.next_try_at = next_try(notice.tries, now)
    given_up = notice.next_try_at is None
    log.log(
        logging.ERROR if given_up else logging.WARNING,
        "a notice was not sent" if given_up else "a notice is tried again",
        extra={"notice": number, "to": notice.shown_as, "error": error, "tries": notice.tries},
    )


def _time(text: str) -> time:
    return time.fromisoformat(text)
