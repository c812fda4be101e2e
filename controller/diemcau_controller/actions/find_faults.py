"""What failed most among the sites somebody may see, in an area and a period; and what was told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules.actor import Actor
from ..rules.refusals import NotFound
from ..store.tables import Notice
from .controller import Controller
from .fleet import Fleet
from .read_checks import Failing, checks_of, most_failing

PERIODS = (7, 30, 90, 365)
_NOTICES = 50


@dataclass(frozen=True, slots=True)
class Faults:
    """`failing` by number of days, `checks` how many came out how, in the days from `first` to `last`;
    `sites` how many sites these are."""

    first: date
    last: date
    failing: Sequence[Failing]
    checks: Mapping[str, int]
    sites: int


def find_faults(
    controller: Controller, session: Session, fleet: Fleet, who: Actor, area: str | None, days: int
) -> Faults:
    """The faults of the last `days` days, today included. Raises :class:`NotFound` for an unknown area."""
    if area is not None and area not in fleet.areas:
        raise NotFound(f"there is no area {area[:80]}", code="board.area_unknown", field="area", area=area)
    inside = [site.id for site in fleet.of(who) if area is None or area in site.areas]
    last = controller.now().astimezone(controller.settings.zone).date()
    first = last - timedelta(days=days - 1)
    sites = frozenset(inside)
    return Faults(
        first,
        last,
        most_failing(session, sites, first, last),
        checks_of(session, sites, first, last),
        len(inside),
    )


def find_notices(session: Session, who: Actor) -> list[Notice]:
    """The newest messages that are about a site in scope."""
    newest = session.scalars(select(Notice).order_by(Notice.number.desc()).limit(10 * _NOTICES))
    return [one for one in newest if who.sees_any(one.sites)][:_NOTICES]
