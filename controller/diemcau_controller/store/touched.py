"""What a transaction changed of sites, areas and units: for what is kept of them in memory.

It is read off the session itself, so no use case can forget to tell. Whoever keeps something in memory hears
of it after the commit and before whoever asked for the change goes on: what follows reads the new state.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction

from .tables import Area, Desired, Newest, Site, Unit

_WATCHED = (Area, Site, Unit, Newest, Desired)


@dataclass
class Touched:
    """Ids of sites and units a transaction touched; `everything` when it cannot be said which."""

    sites: set[str] = field(default_factory=set)
    units: set[str] = field(default_factory=set)
    everything: bool = False

    def __bool__(self) -> bool:
        return self.everything or bool(self.sites or self.units)

    def add(self, other: Touched) -> None:
        """Take in what another transaction touched."""
        self.sites |= other.sites
        self.units |= other.units
        self.everything = self.everything or other.everything


def watch(session: Session) -> Touched:
    """Note from now on what is changed through this session."""
    touched = Touched()

    @event.listens_for(session, "after_flush")
    def flushed(session: Session, context: UOWTransaction) -> None:
        for row in (*session.new, *session.dirty, *session.deleted):
            if isinstance(row, Site):
                touched.sites.add(row.id)
            elif isinstance(row, Unit):
                touched.units.add(row.id)
            elif isinstance(row, Newest | Desired):
                touched.units.add(row.unit)
            elif isinstance(row, Area):
                touched.everything = True

    @event.listens_for(session, "do_orm_execute")
    def executed(state: ORMExecuteState) -> None:
        if state.is_insert or state.is_update or state.is_delete:
            mapper = state.bind_mapper
            if mapper is None or mapper.class_ in _WATCHED:
                touched.everything = True

    return touched
