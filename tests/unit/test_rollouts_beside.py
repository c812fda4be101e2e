"""Several rollouts, one after the other: never two live, and who takes a late unit in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from diemcau_controller.actions.rollouts.others import last_word
from diemcau_controller.actions.rollouts.start import RolloutSpec, add_units, start_rollout
from diemcau_controller.actions.rollouts.steer import Verb, steer, try_again
from diemcau_controller.rules.refusals import Conflict
from diemcau_controller.rules.rollout import At
from diemcau_controller.store.tables import Rollout, RolloutUnit, Site, Unit
from sqlalchemy.exc import IntegrityError

from tests.unit.rollout_fleet import NEW, OLD, SYSTEM, ObedientUnits, SmallFleet


@pytest.fixture
def fleet() -> Iterator[SmallFleet]:
    made = SmallFleet(20)
    yield made
    made.close()


def start(fleet: SmallFleet, **more: Any) -> str:
    return fleet.do(start_rollout(fleet, SYSTEM, RolloutSpec(version=NEW, **more)))  # type: ignore[arg-type]


def command(fleet: SmallFleet, rollout: str, verb: Verb) -> None:
    fleet.do(steer(fleet, SYSTEM, rollout, verb))  # type: ignore[arg-type]


def test_a_done_one_wakes_for_one_unit_only_while_it_is_the_newest(fleet: SmallFleet) -> None:
    first, units = start(fleet), ObedientUnits(fleet)

    def fail(session: Any) -> None:
        session.get_one(RolloutUnit, (first, "u0009")).state = At.FAILED.value

    units.run_all(first, 100)
    fleet.commit(fail)
    fleet.clock += timedelta(days=1)
    second = start(fleet)
    with pytest.raises(Conflict, match="under way"):
        fleet.do(try_again(fleet, SYSTEM, first, "u0009"))  # type: ignore[arg-type]
    command(fleet, second, Verb.ABORT)
    with pytest.raises(Conflict, match="came later"):
        fleet.do(try_again(fleet, SYSTEM, first, "u0009"))  # type: ignore[arg-type]
    assert fleet.state_of(first) == "done"


def test_two_are_never_live_whatever_wakes_one(fleet: SmallFleet) -> None:
    first, units = start(fleet), ObedientUnits(fleet)
    units.run_all(first, 100)
    fleet.clock += timedelta(days=1)
    second = start(fleet)
    units.run_all(second)
    fleet.change_unit("u0003", status="lost")
    fleet.change_unit("u0005", site_id=None)
    command(fleet, first, Verb.BACK)

    def replace(session: Any) -> None:
        session.add(Unit(id="u0999", site_id="s0005", status="online", version=OLD))

    def late_of(rollout: str) -> int:
        return fleet.commit(
            lambda session: add_units(session, session.get_one(Rollout, rollout), fleet.clock)
        )

    fleet.commit(replace)
    assert late_of(second) == 1 and fleet.state_of(second) == "done", "the other one goes back now"
    units.run_all(first, 100)
    fleet.change_unit("u0003", status="online")
    units.run_all(first, 100)
    assert fleet.state_of(first) == "stopped"
    assert late_of(second) == 0 and fleet.state_of(second) == "running", "its turn has come"
    fleet.report("u0003", "update", step="kept", version=NEW)  # late: of before it went back
    fleet.commit(lambda session: setattr(session.get_one(RolloutUnit, (first, "u0003")), "state", "failed"))
    fleet.step(first)
    assert fleet.states(first)["u0003"] == At.GATING and fleet.state_of(first) == "stopped"

    def wake(session: Any) -> None:
        session.get_one(Rollout, first).state = "paused"

    with pytest.raises(IntegrityError):
        fleet.commit(wake)


def test_of_those_done_only_the_newest_takes_late_units_in(fleet: SmallFleet) -> None:
    first, units = start(fleet), ObedientUnits(fleet)
    units.run_all(first, 100)
    fleet.clock += timedelta(days=1)
    command(fleet, start(fleet), Verb.ABORT)

    def join(session: Any) -> int:
        session.add(Site(id="s0999", name="New", contacts=[]))
        session.flush()
        session.add(Unit(id="u0999", site_id="s0999", status="online", version=OLD))
        session.flush()
        return add_units(session, session.get_one(Rollout, first), fleet.clock)

    assert fleet.commit(join) == 0 and fleet.state_of(first) == "done"


def test_a_later_one_for_one_site_leaves_the_others_to_the_one_before(fleet: SmallFleet) -> None:
    first, units = start(fleet, tolerated_percent=50), ObedientUnits(fleet)
    units.run_all(first, 100)

    def fail(session: Any) -> None:
        for unit in ("u0007", "u0009"):
            session.get_one(RolloutUnit, (first, unit)).state = At.FAILED.value

    fleet.commit(fail)
    fleet.clock += timedelta(days=1)
    second = start(fleet, sites=["s0007"])
    units.run_all(second, 100)

    fleet.change_unit("u0007", site_id=None)

    def join(session: Any) -> None:
        session.add(Site(id="s0999", name="New", contacts=[]))
        session.flush()
        for unit, site in (("u0998", "s0007"), ("u0999", "s0999")):
            session.add(Unit(id=unit, site_id=site, status="online", version=OLD))

    def take_in(rollout: str) -> None:
        fleet.commit(lambda session: add_units(session, session.get_one(Rollout, rollout), fleet.clock))

    fleet.commit(join)
    with fleet.read() as session:
        assert last_word(session) == [second, first]
    take_in(first)
    units.run_all(first, 100)
    assert fleet.states(first)["u0999"] == At.DONE and "u0998" not in fleet.states(first)
    take_in(second)
    assert "u0999" not in fleet.states(second) and fleet.states(second)["u0998"] == At.WAITING
    units.run_all(second, 100)
    with pytest.raises(Conflict, match="came later"):
        fleet.do(try_again(fleet, SYSTEM, first, "u0007"))  # type: ignore[arg-type]
    fleet.do(try_again(fleet, SYSTEM, first, "u0009"))  # type: ignore[arg-type]
    assert fleet.state_of(first) == "running"
