"""Take everything from a unit: another serves its site now, or none shall."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..adapters.authority import Authority
from ..config import Settings
from ..store.tables import Clone, Unit
from .certificates import revoke_certificates
from .controller import Controller, Letter
from .cut_off import cut_off, want_cut
from .desired import renew_schedule
from .room_picture import drop_room_pictures
from .rotate_pins import rotate_pins


def end_unit(
    session: Session, settings: Settings, now: datetime, unit: Unit, why: Literal["replaced", "revoked"]
) -> list[Letter]:
    """The part inside the transaction: site, certificates, PINs it knew, its way to send pictures.

    Gives the letters to the other halls, and the unit's own empty schedule. After the commit: :func:`ended`.
    """
    letters = rotate_pins(session, settings, now, unit)
    site = unit.site
    unit.site_id, unit.upload_token_hash = None, None
    unit.ended, unit.ended_at = why, now
    if site is not None:
        site.check_room = site.check_pin = site.check_secret = None
    revoke_certificates(session, unit.id, now, why)
    still_open = select(Clone).where(Clone.unit_id == unit.id, Clone.decided_at.is_(None))
    for clone in session.scalars(still_open):
        clone.decided_at, clone.verdict = now, "enrol_anew"
    want_cut(session, unit.id, now)
    session.flush()
    session.expire(unit, ["site"])
    if site is not None:
        session.expire(site, ["unit"])
    return letters + renew_schedule(session, settings, now, [unit])


async def ended(controller: Controller, unit_id: str) -> None:
    """What follows the commit: its connections are cut, its SSH key is on the list of those revoked."""
    cut_off(controller, unit_id)
    await drop_room_pictures(controller, unit_id)
    await asyncio.to_thread(write_revoked_hosts, controller)


def write_revoked_hosts(controller: Controller) -> None:
    """Write the list of SSH host keys that count no more, from the database."""
    with controller.database.read() as session:
        gone = select(Unit.ssh_host_key).where(Unit.ended.is_not(None), Unit.ssh_host_key.is_not(None))
        lines = [line for line in session.scalars(gone) if line is not None]
    authority = Authority(controller.state.authority, controller.now)
    authority.ensure()
    authority.ssh.write_revoked_hosts(lines)
