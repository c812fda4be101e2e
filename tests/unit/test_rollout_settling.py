"""What lies around a release is tried again where a meeting, announced in between, left no time for it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from diemcau_controller.actions.certificates import not_updated_since
from diemcau_controller.actions.rollouts.read import standing_of
from diemcau_controller.actions.rollouts.start import RolloutSpec, start_rollout
from diemcau_controller.actions.rollouts.steer import FreezeSpec, Verb, freeze, steer
from diemcau_controller.rules.rollout import SILENT
from diemcau_controller.rules.update_words import Word
from diemcau_controller.store.tables import OfferedRelease

from tests.unit.rollout_fleet import NEW, SYSTEM, ObedientUnits, SmallFleet, started

LATE, LATER = "u0001", "1.2.0"


class UnitsInAHurry(ObedientUnits):
    """`hurried` are those that have no time for what lies around the release."""

    def __init__(self, fleet: SmallFleet) -> None:
        super().__init__(fleet)
        self.hurried = {LATE}
        self.settled: list[str] = []

    def _words(self, kind: str, unit: str) -> list[Word]:
        words = [Word("kept", version=NEW)] if kind == "settle" else super()._words(kind, unit)
        words = [word for word in words if word.step != "settled"]
        if words[-1].step != "kept":
            return words
        if unit in self.hurried:
            again = self.fleet.clock + timedelta(hours=3)
            return [*words, Word("unsettled", "meeting", again, NEW, "its settings are still to come")]
        self.settled.append(unit)
        return [*words, Word("settled", version=NEW)]


@pytest.fixture
def fleet() -> Iterator[SmallFleet]:
    made = SmallFleet(4)
    yield made
    made.close()


def start(fleet: SmallFleet, version: str = NEW) -> str:
    return fleet.do(start_rollout(fleet, SYSTEM, RolloutSpec(version=version)))  # type: ignore[arg-type]


@pytest.fixture
def units(fleet: SmallFleet) -> UnitsInAHurry:
    return UnitsInAHurry(fleet)


@pytest.fixture
def rollout(fleet: SmallFleet, units: UnitsInAHurry) -> str:
    """One that is done, with a unit that had no time."""
    made = start(fleet)
    units.run_all(made)
    assert fleet.state_of(made) == "done" and set(fleet.states(made).values()) == {"done"}
    assert sorted(units.settled) == ["u0000", "u0002", "u0003"]
    return made


def tries(fleet: SmallFleet, rollout: str) -> list[str]:
    """Whom a step would work on for what lies around the release."""
    return started(fleet.step(rollout)[0], "settle")


def test_it_holds_nobody_up_and_is_brought_at_the_units_next_free_time(
    fleet: SmallFleet, units: UnitsInAHurry, rollout: str
) -> None:
    with fleet.read() as session:
        (late,) = [one for one in standing_of(fleet, session, SYSTEM, rollout).units if one.reason]  # type: ignore[arg-type]
        assert (late.row.unit_id, late.reason) == (LATE, "unsettled")
        assert not_updated_since(session, fleet.clock - timedelta(hours=1)) == [LATE]
    assert tries(fleet, rollout) == []
    fleet.clock += timedelta(hours=3)
    units.run_all(rollout)
    assert LATE not in units.settled, "it has no time yet, and says when"
    fleet.clock += timedelta(hours=3)
    units.hurried.clear()
    units.run_all(rollout)
    assert units.settled[-1] == LATE and fleet.state_of(rollout) == "done"
    with fleet.read() as session:
        assert not_updated_since(session, fleet.clock - timedelta(hours=10)) == []
    fleet.clock += timedelta(days=1)
    assert tries(fleet, rollout) == []
    assert len(units.flips) == 4, "nobody is flipped for it"


def test_a_try_of_which_nothing_is_heard_is_made_again_later(
    fleet: SmallFleet, units: UnitsInAHurry, rollout: str
) -> None:
    fleet.clock += timedelta(hours=3)
    assert tries(fleet, rollout) == [LATE]
    assert tries(fleet, rollout) == [], "it is under way"
    fleet.restart()
    assert tries(fleet, rollout) == []
    fleet.clock += timedelta(hours=6)
    assert tries(fleet, rollout) == [LATE]


def test_it_disturbs_no_more_than_a_flip(fleet: SmallFleet, units: UnitsInAHurry, rollout: str) -> None:
    fleet.clock += timedelta(hours=3)
    meeting = fleet.meet(["s0001"], timedelta(hours=1))
    assert tries(fleet, rollout) == []
    fleet.finish(meeting)
    urgent = fleet.meet(["s0000"], timedelta(0), urgent=True)
    assert tries(fleet, rollout) == []
    fleet.finish(urgent)
    fleet.change_unit(LATE, status="lost")
    assert tries(fleet, rollout) == []
    fleet.change_unit(LATE, status="online")
    assert tries(fleet, rollout) == [LATE]
    fleet.meet(["s0000"], timedelta(0), urgent=True)
    assert "settle" in {kind for _, kind in fleet.step(rollout)[1].cancel}


def test_frozen_days_and_a_newer_rollout_leave_it_alone(
    fleet: SmallFleet, units: UnitsInAHurry, rollout: str
) -> None:
    fleet.clock += timedelta(hours=3)
    spec = FreezeSpec(first=date(2026, 3, 2), last=date(2026, 3, 3), reason="Tết")
    fleet.do(freeze(fleet, SYSTEM, spec))  # type: ignore[arg-type]
    assert tries(fleet, rollout) == []
    fleet.clock += timedelta(days=3)

    def offer(session: object) -> None:
        session.add(  # type: ignore[attr-defined]
            OfferedRelease(version=LATER, sha256="0" * 64, offered_by="a", offered_at=fleet.clock)
        )

    fleet.commit(offer)
    newer = start(fleet, LATER)
    assert tries(fleet, rollout) == [] and sorted(started(fleet.step(newer)[0], "stage"))


def test_of_a_group_never_two_at_once() -> None:
    fleet = SmallFleet(4, {"g": [1, 2]})
    units = UnitsInAHurry(fleet)
    units.hurried = {"u0001", "u0002", "u0003"}
    rollout = start(fleet)
    units.run_all(rollout)
    fleet.clock += timedelta(hours=3)
    assert tries(fleet, rollout) == ["u0001", "u0003"]
    fleet.restart()
    assert tries(fleet, rollout) == ["u0002"]
    fleet.close()


def test_who_goes_back_is_not_settled(fleet: SmallFleet, units: UnitsInAHurry, rollout: str) -> None:
    fleet.clock += timedelta(hours=3)
    fleet.do(steer(fleet, SYSTEM, rollout, Verb.BACK))  # type: ignore[arg-type]
    units.run_all(rollout)
    assert set(fleet.states(rollout).values()) == {"back"} and LATE not in units.settled


@pytest.mark.parametrize("said_by", ["ansible", "unit", "nobody"])
def test_a_run_that_is_cut_short_after_the_flip_leaves_it_to_be_tried_again(
    fleet: SmallFleet, units: UnitsInAHurry, said_by: str
) -> None:
    rollout, since = start(fleet), fleet.clock
    run = ""
    while not run:
        actions, outside = fleet.step(rollout)
        for one in outside.runs:
            if started(actions, "apply"):
                run = one
            else:
                units.carry_out(one)
    (canary,) = started(actions, "apply")
    fleet.tell(run, canary, word=Word("flipped", version=NEW))
    fleet.change_unit(canary, version=NEW)
    if said_by == "ansible":
        fleet.tell(run, canary, word=Word("kept", version=NEW))
    fleet.restart()
    if said_by == "unit":
        fleet.report(canary, "update", step="kept", version=NEW)
    fleet.clock += SILENT + timedelta(minutes=10)
    units.hurried.clear()
    with fleet.read() as session:
        assert canary in not_updated_since(session, since)
    units.run_all(rollout)
    assert canary in units.settled and canary not in {unit for _, unit in units.flips}
    with fleet.read() as session:
        assert canary not in not_updated_since(session, since)


def test_a_flip_and_a_try_are_not_begun_together_in_a_group() -> None:
    fleet = SmallFleet(4, {"g": [0, 1, 2, 3]})
    units = UnitsInAHurry(fleet)
    units.hurried = {f"u{number:04}" for number in range(4)}
    rollout = start(fleet)
    for _ in range(60):
        fleet.clock += timedelta(hours=4)
        actions, outside = fleet.step(rollout)
        assert len(started(actions, "apply") + started(actions, "settle")) <= 1
        for run in outside.runs:
            units.carry_out(run)
        for unit in outside.ask:
            fleet.report(unit, "verdict", verdict="ready", findings=[])
    assert set(fleet.states(rollout).values()) == {"done"}
    fleet.close()


def test_a_try_does_not_hold_up_going_back(fleet: SmallFleet, units: UnitsInAHurry, rollout: str) -> None:
    fleet.clock += timedelta(hours=3)
    assert tries(fleet, rollout) == [LATE]
    fleet.do(steer(fleet, SYSTEM, rollout, Verb.BACK))  # type: ignore[arg-type]
    assert "settle" in {kind for _, kind in fleet.step(rollout)[1].cancel}


def test_a_rollout_that_was_under_way_may_have_brought_what_was_so_before(
    fleet: SmallFleet, units: UnitsInAHurry
) -> None:
    units.hurried.clear()
    rollout, began = start(fleet), fleet.clock
    fleet.clock += timedelta(minutes=1)
    units.run_all(rollout)
    with fleet.read() as session:
        assert not_updated_since(session, began) == []
        assert len(not_updated_since(session, began + timedelta(seconds=30))) == 4
