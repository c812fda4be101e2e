"""A unit brings a paper that prepares its site: it is admitted by itself, or waits like any other."""

from __future__ import annotations

from datetime import datetime

from diemcau_wire.enrolment import What
from sqlalchemy.orm import Session

from ..rules.actor import Actor, Role
from ..rules.enrolment import Scope, Try
from ..rules.refusals import Refusal
from ..rules.vouchers import fault_of, id_on, is_ours
from ..store.tables import Enrolment, Site, Voucher
from .admit import Admitted, admit
from .controller import Controller
from .vouchers import voucher_key
from .wrong_tries import TooManyTries, count_try, need_no_alarm


def admit_by_voucher(
    session: Session, controller: Controller, row: Enrolment, now: datetime
) -> Admitted | None:
    """Admit the unit if it brought a paper that does; else note why, and it waits for somebody.

    A paper that is not ours is a wrong try of the address it came from.
    """
    if row.voucher is None:
        return None
    try:
        need_no_alarm(session, [(Scope.VOUCHER, row.source)])
    except TooManyTries:
        row.reason = "enrol.too_many"
        return None
    voucher = session.get(Voucher, id_on(row.voucher))
    key = voucher_key(controller)
    if voucher is None or not is_ours(key, row.voucher, voucher.site_id, voucher.what, voucher.expires_at):
        count_try(session, now, Try(now, source=row.source, paper=True))
        row.reason = "enrol.voucher_unknown"
        return None
    site = session.get_one(Site, voucher.site_id)
    fault = fault_of(
        row.unit_id,
        now,
        expires_at=voucher.expires_at,
        withdrawn=voucher.withdrawn_at is not None,
        used_by=voucher.used_by,
        removed=site.removed_at is not None,
        taken=voucher.what == What.INSTALL and site.unit is not None and site.unit.id != row.unit_id,
    )
    if fault:
        row.reason = f"enrol.voucher_{fault}"
        return None
    who = Actor(f"voucher:{voucher.id}", Role.OPERATOR, frozenset({site.id}))
    # A paper for a replacement whose site has lost its unit meanwhile installs.
    what = What(voucher.what) if site.unit is not None else What.INSTALL
    try:
        with session.begin_nested():
            admitted = admit(session, controller, who, row, site, what, now)
    except Refusal as refusal:
        row.reason = refusal.code
        return None
    voucher.used_at, voucher.used_by = now, row.unit_id
    return admitted
