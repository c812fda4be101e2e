"""Let a unit serve a site, in place of the one that did."""

from __future__ import annotations

from diemcau_wire import is_unit_id
from sqlalchemy.orm import Session

from ..adapters.authority import Authority, IssuedCertificate, NotOurs
from ..rules.actor import Actor
from ..rules.refusals import Conflict, Invalid
from ..store.tables import Binding, Unit
from .audit import record
from .certificates import record_certificate
from .controller import Controller, Letter
from .desired import renew_schedule
from .desired_config import renew_config
from .room_picture import drop_room_pictures
from .scope import site_for


async def bind_unit(
    controller: Controller, who: Actor, unit_id: str, site_id: str, certificate: str | None = None
) -> int:
    """Bind the unit to the site with a new epoch, and give that epoch.

    The unit that served the site before is told an empty schedule and serves nothing. Binding again what is
    bound already changes nothing. `certificate` (PEM) is what the authority issued to the unit: it is written
    down, so that it can be revoked.
    """
    if not is_unit_id(unit_id):
        raise Invalid(f"{unit_id[:60]!r} is not a unit id: it is in the unit's identity/coordinator.json")

    issued = _issued(controller, unit_id, certificate) if certificate is not None else None

    def change(session: Session) -> tuple[int, list[Letter]]:
        site = site_for(session, who, site_id)
        unit = session.get(Unit, unit_id)
        if unit is None:
            unit = Unit(id=unit_id)
            session.add(unit)
            session.flush()
        if issued is not None:
            record_certificate(session, unit_id, issued.serial, issued.issued_at, issued.not_after)
        if unit.site_id == site_id:
            return unit.epoch, []
        if unit.site_id is not None:
            raise Conflict(
                f"unit {unit_id} serves another site: put another unit there first",
                code="units.serves_another",
                unit=unit_id,
            )
        now = controller.now()
        letters: list[Letter] = []
        former = site.unit
        if former is not None:
            former.site_id = None
            session.flush()
            letters += renew_schedule(session, controller.settings, now, [former])
        site.epoch += 1
        unit.epoch = site.epoch
        unit.site_id = site_id
        record(
            session,
            who,
            now,
            "unit.bind",
            f"site:{site_id}",
            before={"unit": former.id if former is not None else None},
            after={"unit": unit_id},
        )
        session.add(Binding(site_id=site_id, epoch=site.epoch, unit_id=unit_id, bound_at=now))
        session.flush()
        session.expire(site)
        session.expire(unit)
        letters += renew_config(session, controller.settings, [unit])
        letters += renew_schedule(session, controller.settings, now, [unit])
        return unit.epoch, letters

    epoch, letters = await controller.write(change)
    controller.send(letters)
    await drop_room_pictures(controller, unit_id)  # they are of the hall it stood in
    controller.news.tell("site", site=site_id, unit=unit_id)
    return epoch


def _issued(controller: Controller, unit_id: str, certificate: str) -> IssuedCertificate:
    try:
        issued = Authority(controller.state.authority).recognise(certificate)
    except NotOurs as error:
        raise Invalid(f"{error}: send the unit's identity/unit.crt") from None
    if issued.unit != unit_id:
        raise Invalid(f"that certificate is of {issued.unit}, not of {unit_id}")
    return issued
