"""What shall be done: written by `diemcau-agent update stage`, `apply`, `back` and `cancel`, done by `go`."""

from __future__ import annotations

import uuid
from datetime import datetime
from pathlib import Path

from diemcau_agent.rules.updating import ENDS, Order, State, from_before, taken
from diemcau_agent.unit.state_folder import remove

from . import records, releases
from .places import Places
from .slots import Slots


class Busy(Exception):
    """The order cannot be taken; the text is one sentence that says what to do."""


def give(places: Places, offered: Order, now: datetime) -> Order:
    """Take an order; the one that holds now. Raises :class:`Busy` and OSError."""
    with records.locked(_lock(places)):
        state = records.read(State, places.state) or State(at=now)
        held = records.read(Order, places.order)
        order = taken(state, held, offered)
        if order is None:
            assert held is not None
            raise Busy(
                f"release {held.version} is under way ({state.step}); wait for its end, or cancel it with "
                "`diemcau-agent update cancel`."
            )
        records.write(places.order, order)
        return order


def back(places: Places, *, holder: str | None = None, until: datetime | None = None) -> Order:
    """The order to go back to the release that ran before, in this system or with the one before. Raises
    :class:`Busy` when none is kept."""
    state = records.read(State, places.state)
    running = releases.running(places) or ""
    kept = [version for version in releases.complete(places) if version != running]
    former = from_before(kept, running, state.former if state is not None else "")
    if former is None and (before := Slots(places).proven_before()) is not None:
        former = before[1]
    if former is None:
        raise Busy("no release from before is kept on this unit; stage and apply the one it shall have.")
    return Order(id=new_id(), version=former, apply=True, back=True, holder=holder, until=until)


def cancel(places: Places, now: datetime) -> bool:
    """Cancel what is under way; False when nothing is. Raises :class:`Busy` when it is too late."""
    with records.locked(_lock(places)):
        state = records.read(State, places.state) or State(at=now)
        held = records.read(Order, places.order)
        if held is None or (state.step in ENDS and state.order == held.id):
            return False
        if state.order == held.id and state.step not in ENDS and not state.cancellable:
            raise Busy("it runs already; it is kept, or goes back by itself, within minutes.")
        records.write(places.order, held.model_copy(update={"cancelled": True}))
        return True


def done(places: Places, order: Order) -> None:
    """Forget an order that came to its end, unless another one has taken its place."""
    with records.locked(_lock(places)):
        held = records.read(Order, places.order)
        if held is not None and held.id == order.id:
            remove(places.order)


def new_id() -> str:
    """A name for an order."""
    return uuid.uuid4().hex[:12]


def _lock(places: Places) -> Path:
    return places.folder / "order.lock"
