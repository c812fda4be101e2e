"""Approve a unit by the nine digits on its screen."""

from __future__ import annotations

from datetime import datetime

from diemcau_wire.enrolment import What, read_code
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules.actor import Actor, Role
from ..rules.enrolment import State, Try
from ..rules.refusals import Conflict, Forbidden, Invalid, NotFound, Refusal
from ..store.tables import Enrolment, Site, WorkOrder
from .admit import Admitted, admit
from .controller import Controller
from .enrolment_now import with_code
from .scope import site_for
from .wrong_tries import count_try, need_no_alarm, subjects_of_try


async def look_up(controller: Controller, who: Actor, code: str, source: str) -> Enrolment:
    """The request whose code is on a unit's screen, for who wants to approve it; detached, to read from.

    A code nobody shows is counted as a wrong try. Raises :class:`Refusal`.
    """
    digits, now = _digits(code), controller.now()

    def change(session: Session) -> Enrolment | Refusal:
        try:
            return _shown(session, who, digits, source, now)
        except _Wrong as wrong:
            return _counted(session, who, source, now, wrong)

    found = await controller.write(change)
    if isinstance(found, Refusal):
        controller.news.tell("enrolment")
        raise found
    return found


async def approve(
    controller: Controller, who: Actor, code: str, site_id: str, what: What, source: str
) -> Admitted:
    """Admit the unit that shows the code to the site, in the place of the one it has (`what` says so).

    The same decision again gives the same answer. A technician needs an open work order for site and `what`.
    Raises :class:`Refusal`; a code nobody shows, and the right code for a site that is not one's own, are
    counted, and too many of them refuse the right one too.
    """
    digits, now = _digits(code), controller.now()

    def change(session: Session) -> Admitted | Refusal:
        try:
            known = with_code(session, digits, now)
            if known is not None and known.state == State.APPROVED:
                need_no_alarm(session, subjects_of_try(who, source, now, known.id))
                return _again(session, who, known, site_id, what)
            row = _shown(session, who, digits, source, now)
            return admit(
                session, controller, who, row, _own_site(session, who, row, site_id, what, now), what, now
            )
        except _Wrong as wrong:
            return _counted(session, who, source, now, wrong)

    done = await controller.write(change)
    if isinstance(done, Refusal):
        controller.news.tell("enrolment")
        raise done
    await done.follow(controller)
    return done


def open_orders(session: Session, who: Actor, now: datetime) -> list[WorkOrder]:
    """The work orders somebody may act on now: a technician's own, of others all in scope."""
    rows = select(WorkOrder).where(WorkOrder.closed_at.is_(None), WorkOrder.until > now)
    if who.role is Role.TECHNICIAN:
        rows = rows.where(WorkOrder.technician == who.name)
    return [order for order in session.scalars(rows.order_by(WorkOrder.until)) if who.sees(order.site_id)]


class _Wrong(Exception):
    """A try to be counted: for the request it named, if any."""

    def __init__(self, refusal: Refusal, enrolment: str | None = None) -> None:
        super().__init__(str(refusal))
        self.refusal, self.enrolment = refusal, enrolment


def _digits(code: str) -> str:
    digits = read_code(code)
    if digits is None:
        raise Invalid("a code is nine digits, as the unit shows them", code="enrol.code_digits", field="code")
    return digits


def _shown(session: Session, who: Actor, digits: str, source: str, now: datetime) -> Enrolment:
    """The waiting request with that code. Raises :class:`_Wrong` when nobody ever showed it."""
    row = with_code(session, digits, now)
    about = row.id if row is not None else None
    need_no_alarm(session, subjects_of_try(who, source, now, about))
    if row is None:
        raise _Wrong(
            NotFound(
                "no unit shows this code: read it from the screen once more; if it is the same there, "
                "somebody stands between unit and office: do not go on, and tell the office",
                code="enrol.no_such_code",
                field="code",
            )
        )
    if row.state == State.WAITING:
        return row
    if row.state in (State.EXPIRED, State.OVER):
        raise Conflict(
            "this code has ended: the unit shows a new one", code="enrol.code_expired", field="code"
        )
    raise Conflict("this code was decided on already", code="enrol.code_used", field="code")


def _own_site(session: Session, who: Actor, row: Enrolment, site_id: str, what: What, now: datetime) -> Site:
    """The site, if it is for `who` to put a unit there. Raises :class:`_Wrong`: the right code, but not for
    that site."""
    try:
        site = site_for(session, who, site_id)
    except NotFound as refusal:
        raise _Wrong(refusal, row.id) from None
    if who.role is Role.TECHNICIAN:
        fitting = [o for o in open_orders(session, who, now) if o.site_id == site_id and o.what == what.value]
        if not fitting:
            raise _Wrong(
                Forbidden(
                    f"you have no open work order to {what.value} the unit of {site.name}: ask the office "
                    "for it",
                    code="enrol.no_order",
                    site=site.name,
                ),
                row.id,
            )
    return site


def _again(session: Session, who: Actor, row: Enrolment, site_id: str, what: What) -> Admitted:
    """The same decision once more, or another about what is decided."""
    if (row.site_id, row.what) == (site_id, what.value) and who.sees(site_id):
        return Admitted(row.id, row.unit_id, site_id, row.epoch or 0, None)
    site = session.get(Site, row.site_id) if row.site_id is not None else None
    raise Conflict(
        f"this unit was just admitted to {site.name if site is not None else 'another site'} "
        f"by {row.decided_by or 'itself'}: if that is wrong, replace it there",
        code="enrol.code_used_for",
        site=site.name if site is not None else "",
        who=row.decided_by or "",
        field="code",
    )


def _counted(session: Session, who: Actor, source: str, now: datetime, wrong: _Wrong) -> Refusal:
    count_try(session, now, Try(now, who.name, source, wrong.enrolment))
    if wrong.enrolment is not None:
        session.get_one(Enrolment, wrong.enrolment).wrong_tries += 1
    return wrong.refusal
