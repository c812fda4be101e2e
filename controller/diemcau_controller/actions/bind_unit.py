"""Let a unit serve a site, in place of the one that did."""

from __future__ import annotations

from datetime import datetime

from diemcau_wire import is_unit_id
from sqlalchemy.orm import Session

from ..adapters.authority import Authority, IssuedCertificate, NotOurs
from ..config import Settings
from ..rules.actor import Actor
from ..rules.refusals import Conflict, Invalid
from ..store.tables import Binding, Site, Unit
from .audit import record
from .certificates import record_certificate
from .controller import Controller, Letter
from .desired import renew_schedule
from .desired_config import renew_config
from .end_unit import end_unit, ended
from .room_picture import drop_room_pictures
from .scope import site_for


async def bind_unit(
    controller: Controller, who: Actor, unit_id: str, site_id: str, certificate: str | None = None
) -> int:
    """Bind a unit whose key was made here to the site with a new epoch, and give that epoch.

    The unit that served the site before serves nothing from then on and is locked out. Binding again what is
    bound already changes nothing. `certificate` (PEM) is what the authority issued to the unit: it is written
    down, so that it can be revoked.
    """
    if not is_unit_id(unit_id):
        raise Invalid(f"{unit_id[:60]!r} is not a unit id: it is in the unit's identity/coordinator.json")
    issued = _issued(controller, unit_id, certificate) if certificate is not None else None
    now = controller.now()

    def change(session: Session) -> tuple[int, str | None, list[Letter]]:
        site = site_for(session, who, site_id)
        unit = known_unit(session, unit_id)
        if issued is not None:
            record_certificate(
                session, unit_id, issued.serial, issued.issued_at, issued.not_after, issued.pem_chain
            )
        if unit.site_id == site_id:
            return unit.epoch, None, []
        former, letters = bind(session, controller.settings, now, unit, site)
        before, after = {"unit": former}, {"unit": unit_id}
        record(session, who, now, "unit.bind", f"site:{site_id}", before=before, after=after)
        return unit.epoch, former, letters

    epoch, former, letters = await controller.write(change)
    await bound(controller, unit_id, site_id, former, letters)
    return epoch


def known_unit(session: Session, unit_id: str) -> Unit:
    """The row of a unit, made if there is none."""
    unit = session.get(Unit, unit_id)
    if unit is None:
        unit = Unit(id=unit_id)
        session.add(unit)
        session.flush()
    return unit


def bind(
    session: Session, settings: Settings, now: datetime, unit: Unit, site: Site
) -> tuple[str | None, list[Letter]]:
    """The part inside the transaction: the unit serves the site with a new epoch.

    Gives the unit that did before, which is ended, and the letters to send. Raises :class:`Conflict` for a
    unit that serves another site, or whose key has ended.
    """
    if unit.site_id is not None:
        raise Conflict(
            f"unit {unit.id} serves another site: put another unit there first",
            code="units.serves_another",
            unit=unit.id,
        )
    need_not_ended(unit)
    letters: list[Letter] = []
    former = site.unit
    if former is not None:
        letters += end_unit(session, settings, now, former, "replaced")
    site.epoch += 1
    unit.epoch, unit.site_id = site.epoch, site.id
    session.add(Binding(site_id=site.id, epoch=site.epoch, unit_id=unit.id, bound_at=now))
    session.flush()
    session.expire(site)
    session.expire(unit)
    letters += renew_config(session, settings, [unit])
    letters += renew_schedule(session, settings, now, [unit])
    return former.id if former is not None else None, letters


def need_not_ended(unit: Unit) -> None:
    """Refuse a unit whose key serves nothing any more."""
    if unit.ended == "revoked":
        raise Conflict(
            f"unit {unit.id} was revoked: it can come back only with a new key, which it makes when it has "
            "heard of this",
            code="enrol.revoked",
            unit=unit.id,
        )
    if unit.ended is not None:
        raise Conflict(
            f"unit {unit.id} was replaced: it can come back only with a new key, which it makes when it has "
            "heard of this",
            code="enrol.replaced",
            unit=unit.id,
        )


async def bound(
    controller: Controller, unit_id: str, site_id: str, former: str | None, letters: list[Letter]
) -> None:
    """What follows the commit of :func:`bind`."""
    controller.send(letters)
    if former is not None:
        await ended(controller, former)
        controller.news.tell("unit", unit=former, site=None, status="offline")
    await drop_room_pictures(controller, unit_id)  # they are of the hall it stood in
    controller.news.tell("site", site=site_id, unit=unit_id)


def _issued(controller: Controller, unit_id: str, certificate: str) -> IssuedCertificate:
    try:
        issued = Authority(controller.state.authority, controller.now).recognise(certificate)
    except NotOurs as error:
        raise Invalid(f"{error}: send the unit's identity/unit.crt") from None
    if issued.unit != unit_id:
        raise Invalid(f"that certificate is of {issued.unit}, not of {unit_id}")
    return issued
