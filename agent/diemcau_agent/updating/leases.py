"""The lease that is taken on this unit: by the updater, or by whoever works on the machine otherwise."""

from __future__ import annotations

from datetime import datetime

from diemcau_agent.rules.lease import Agenda, Go, Lease, Wait, may
from diemcau_agent.unit.state_folder import remove

from . import records
from .places import Places


def ask(
    places: Places, holder: str, needs_s: float, now: datetime, *, boot: str, booted_s: float
) -> Go | Wait:
    """Might `holder` work for so long now, in this start of the machine? Nothing is taken."""
    agenda, held = records.read(Agenda, places.agenda), records.read(Lease, places.lease)
    return may(agenda, now, needs_s, held=held, holder=holder, boot=boot, booted_s=booted_s)


def take(
    places: Places, holder: str, needs_s: float, now: datetime, *, boot: str, booted_s: float
) -> Go | Wait:
    """Take the lease if work may begin now, or take it for longer. Raises OSError."""
    with records.locked(places.folder / "lease.lock"):
        answer = ask(places, holder, needs_s, now, boot=boot, booted_s=booted_s)
        if isinstance(answer, Go):
            records.write(places.lease, Lease(holder=holder, until=answer.until))
        return answer


def release(places: Places, holder: str) -> bool:
    """Give the lease back; False when it was not this holder's. Raises OSError."""
    with records.locked(places.folder / "lease.lock"):
        held = records.read(Lease, places.lease)
        if held is None or held.holder != holder:
            return False
        remove(places.lease)
        return True
