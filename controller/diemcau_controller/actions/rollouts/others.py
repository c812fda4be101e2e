"""The other rollouts beside one: at most one is live at a time, and a site's late units are taken in by the
newest that is about that site."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from ...rules.rollout import LIVE, State
from ...store.tables import Rollout, RolloutUnit


@dataclass(frozen=True, slots=True)
class Later:
    """What the rollouts are about that came after one: these sites, or every one."""

    sites: frozenset[str] = frozenset()
    everywhere: bool = False

    def about(self, site: str | None) -> bool:
        """Whether one of them is about this site."""
        return self.everywhere or site in self.sites


def live_besides(session: Session, rollout: Rollout) -> Rollout | None:
    """Another one that is live."""
    live = select(Rollout).where(Rollout.id != rollout.id, Rollout.state.in_([one.value for one in LIVE]))
    return session.scalars(live.limit(1)).first()


def newer_about(session: Session, rollout: Rollout, site: str) -> Rollout | None:
    """The newest of those that came later and are about this site."""
    units = select(RolloutUnit.rollout_id).where(RolloutUnit.site_id == site)
    newer = select(Rollout).where(
        Rollout.created_at > rollout.created_at, or_(Rollout.whole_fleet, Rollout.id.in_(units))
    )
    return session.scalars(newer.order_by(Rollout.created_at.desc()).limit(1)).first()


def later_than(session: Session, rollout: Rollout) -> Later:
    """What those are about that came later."""
    after = Rollout.created_at > rollout.created_at
    if session.scalars(select(Rollout.id).where(after, Rollout.whole_fleet).limit(1)).first() is not None:
        return Later(everywhere=True)
    rows = select(RolloutUnit.site_id).join(Rollout, Rollout.id == RolloutUnit.rollout_id).where(after)
    return Later(frozenset(session.scalars(rows.distinct())))


def last_word(session: Session) -> list[str]:
    """Rollouts that are done and may still take in a late unit: no later one is about all of their sites."""
    found, spoken_for = [], set[str]()
    rows = select(Rollout.id, Rollout.state, Rollout.whole_fleet).order_by(Rollout.created_at.desc())
    for rollout, state, whole_fleet in session.execute(rows):
        sites = set(
            session.scalars(select(RolloutUnit.site_id).where(RolloutUnit.rollout_id == rollout).distinct())
        )
        if state == State.DONE and (whole_fleet or not sites <= spoken_for):
            found.append(rollout)
        if whole_fleet:
            break
        spoken_for |= sites
    return found
