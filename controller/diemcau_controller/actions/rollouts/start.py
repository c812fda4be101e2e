"""Start a rollout: a version that was offered, to all units or to those of some sites."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from diemcau_wire.messages import SiteId
from diemcau_wire.release import Version, order
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from ...rules.actor import Actor
from ...rules.board import connected
from ...rules.refusals import Conflict, Invalid
from ...rules.rings import ALL, CANARY, Candidate, choose_rings
from ...rules.rollout import LIVE, At, State, Turn
from ...store.tables import OfferedRelease, Rollout, RolloutUnit, Site, SiteRing, Unit
from ..audit import record
from ..controller import Controller
from ..scope import area_and_below, need_area, site_for
from .advance import open_ring, turn
from .hear import heard_from
from .others import later_than, live_besides
from .steer import need_whole_fleet


class RolloutSpec(BaseModel):
    """A rollout to start. Without `sites` and `areas` it is for every unit. `instead`: the one that runs is
    given up for it, and its waiting units take this hop only."""

    model_config = ConfigDict(extra="forbid")
    version: Version
    sites: Annotated[list[SiteId], Field(max_length=20_000)] = []
    areas: Annotated[list[str], Field(max_length=1000)] = []
    wave: Annotated[int, Field(ge=1, le=500)] = 50
    tolerated_percent: Annotated[int, Field(ge=0, le=50)] = 5
    meeting_wait_h: Annotated[int, Field(ge=0, le=336)] = 72
    instead: bool = False


async def start_rollout(controller: Controller, who: Actor, spec: RolloutSpec) -> str:
    """Start one, and give its id. Raises :class:`Conflict` while another runs, :class:`Invalid` for a version
    that is not offered or would be a step back."""
    need_whole_fleet(who)
    rollout = await controller.write(lambda session: _start(session, who, spec, controller.now()))
    controller.news.tell("rollout", rollout=rollout)
    return rollout


def add_units(session: Session, rollout: Rollout, now: datetime) -> int:
    """Take in units that came to serve a site of this rollout since it began; how many.

    A rollout for some sites takes a site's new unit, one for all takes new sites, too. A unit that was
    skipped because it left its site begins anew at the one it serves now. Of several
    the newest that is about a site takes them in; one that is done begins again for them once no other one
    is live.
    """
    later = later_than(session, rollout)
    rows = select(RolloutUnit.unit_id, RolloutUnit.site_id, RolloutUnit.state, RolloutUnit.why)
    known, sites, left = set(), set(), set()
    for unit_id, site, state, why in session.execute(rows.where(RolloutUnit.rollout_id == rollout.id)):
        known.add(unit_id)
        sites.add(site)
        if state == At.SKIPPED and why == "replaced":
            left.add(unit_id)
    here = select(Unit).join(Site, Site.id == Unit.site_id).where(Site.removed_at.is_(None))
    late = [
        unit
        for unit in session.scalars(here)
        if (unit.id not in known or unit.id in left) and (rollout.whole_fleet or unit.site_id in sites)
        if not later.about(unit.site_id)
    ]
    for unit in late:
        if unit.id in left:
            session.delete(session.get_one(RolloutUnit, (rollout.id, unit.id)))
            session.flush()
    _put_in(session, rollout, late, now)
    if late:
        session.flush()
        open_ring(session, rollout, rollout.ring, now)
    if rollout.state == State.DONE and _waits(session, rollout) and live_besides(session, rollout) is None:
        rollout.state, rollout.ended_at = State.RUNNING.value, None
    return len(late)


def _waits(session: Session, rollout: Rollout) -> bool:
    waiting = select(RolloutUnit.unit_id).where(
        RolloutUnit.rollout_id == rollout.id, RolloutUnit.state == At.WAITING.value
    )
    return session.scalars(waiting.limit(1)).first() is not None


def _start(session: Session, who: Actor, spec: RolloutSpec, now: datetime) -> str:
    _need_offered(session, spec.version)
    _make_way(session, spec, now)
    units = _targets(session, who, spec)
    if not units:
        raise Invalid(
            "no unit is meant: `diemcau unit list` shows those there are",
            code="rollouts.no_units",
            field="sites",
        )
    rollout = Rollout(
        id="r" + secrets.token_hex(4),
        version=spec.version,
        state=State.RUNNING.value,
        why="",
        ring=CANARY,
        wave=spec.wave,
        tolerated_percent=spec.tolerated_percent,
        meeting_wait_h=spec.meeting_wait_h,
        whole_fleet=not spec.sites and not spec.areas,
        heard=heard_from(session),
        created_by=who.name,
        created_at=now,
        started_at=now,
    )
    session.add(rollout)
    session.flush()
    _put_in(session, rollout, units, now)
    session.flush()
    open_ring(session, rollout, CANARY, now)
    record(
        session,
        who,
        now,
        "rollout.start",
        f"rollout:{rollout.id}",
        after={"version": spec.version, "units": len(units), "wave": spec.wave},
    )
    return rollout.id


def _need_offered(session: Session, version: str) -> None:
    offered = session.get(OfferedRelease, version)
    if offered is None or offered.withdrawn_at is not None:
        raise Invalid(
            f"release {version} is not offered: `diemcau release list` shows those that are",
            code="rollouts.not_offered",
            field="version",
            version=version,
        )
    newest = max(
        session.scalars(select(Rollout.version).where(Rollout.state == State.DONE)),
        key=order,
        default=version,
    )
    if order(version) < order(newest):
        raise Invalid(
            f"the fleet had {newest} already: units take no older version by a rollout; roll that one back",
            code="rollouts.older",
            field="version",
            version=newest,
        )


def _make_way(session: Session, spec: RolloutSpec, now: datetime) -> None:
    for former in session.scalars(select(Rollout).where(Rollout.state.in_([one.value for one in LIVE]))):
        if not spec.instead:
            raise Conflict(
                f"rollout {former.id} of {former.version} is under way: end it, or start this one instead",
                code="rollouts.another_runs",
                version=former.version,
            )
        turn(session, former, Turn(State.STOPPED, "superseded"), now)
    session.flush()  # before there is another live one


def _targets(session: Session, who: Actor, spec: RolloutSpec) -> list[Unit]:
    here = select(Unit).join(Site, Site.id == Unit.site_id).where(Site.removed_at.is_(None))
    units = [unit for unit in session.scalars(here) if unit.site_id is not None and who.sees(unit.site_id)]
    if not spec.sites and not spec.areas:
        return units
    wanted = {site_for(session, who, site).id for site in spec.sites}
    for area in spec.areas:
        need_area(session, who, area)
        inside = select(Site.id).where(Site.area_id.in_(area_and_below(session, area)))
        wanted |= set(session.scalars(inside))
    return [unit for unit in units if unit.site_id in wanted]


def _put_in(session: Session, rollout: Rollout, units: Iterable[Unit], now: datetime) -> None:
    serving = [(unit.site_id, unit) for unit in units if unit.site_id is not None]
    chosen = {site: ring for site, ring in session.execute(select(SiteRing.site_id, SiteRing.ring))}
    members = select(RolloutUnit.site_id, RolloutUnit.ring).where(RolloutUnit.rollout_id == rollout.id)
    had = {site: ring for site, ring in session.execute(members)}
    if had:  # who comes later is no canary by chance
        rings = {site: had.get(site, chosen.get(site, ALL)) for site, _ in serving}
    else:
        rings = choose_rings(
            Candidate(site, chosen.get(site), connected(unit.status)) for site, unit in serving
        )
    for site, unit in serving:
        has_it = unit.version == rollout.version
        session.add(
            RolloutUnit(
                rollout_id=rollout.id,
                unit_id=unit.id,
                site_id=site,
                ring=rings[site],
                state=At.DONE.value if has_it else At.WAITING.value,
                why="had_it" if has_it else "",
                since=now,
                from_version=unit.version or "",
                faults=[],
                tail=[],
            )
        )
