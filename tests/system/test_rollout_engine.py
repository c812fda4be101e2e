"""The rollout's service with its runs, over the real database: a fleet, a third of it away."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from diemcau_controller.actions.rollouts.hands import HostEvent, Run
from diemcau_controller.actions.rollouts.start import RolloutSpec, start_rollout
from diemcau_controller.rules.actor import SYSTEM
from diemcau_controller.rules.refusals import Conflict
from diemcau_controller.store.tables import RolloutRun

from .office import Office
from .simulated_fleet import NEW, SimulatedFleet

COUNT = 90


@pytest.mark.parametrize("broken", [False, True])
def test_done_waiting_and_failed_are_all(tmp_path: Path, broken: bool) -> None:
    office = Office(tmp_path)
    fleet = SimulatedFleet(office, COUNT, broken=broken)

    async def roll_out() -> str:
        rollout = await start_rollout(office.controller, SYSTEM, RolloutSpec(version=NEW, wave=20))
        await fleet.run_until_quiet()
        return rollout

    rollout = asyncio.run(roll_out())
    counts = office.get(f"rollouts/{rollout}")["counts"]
    canaries = {unit for unit, _, ring in fleet.states() if ring == "canary"}
    assert sum(counts.values()) == COUNT
    if broken:
        assert fleet.flipped == canaries and counts["back"] == len(canaries) == 1
        assert office.get(f"rollouts/{rollout}")["state"] == "paused"
    else:
        assert (counts["done"], counts["waiting"]) == (63, 27) and len(fleet.flipped) == 63
    office.close()


def test_of_two_that_are_started_at_a_time_one_is_live(tmp_path: Path) -> None:
    office = Office(tmp_path)
    SimulatedFleet(office, 10, away=0)

    async def start_two(instead: bool) -> list[str | BaseException]:
        spec = RolloutSpec(version=NEW, instead=instead)
        both = (start_rollout(office.controller, SYSTEM, spec) for _ in range(2))
        return await asyncio.gather(*both, return_exceptions=True)

    def live() -> list[str]:
        return [one["id"] for one in office.get("rollouts") if one["state"] == "running"]

    made, refused = asyncio.run(start_two(False))
    assert isinstance(refused, Conflict) and live() == [made]
    _, newest = asyncio.run(start_two(True))
    assert live() == [newest]
    office.close()


def test_playbooks_that_cannot_be_unpacked_fail_on_each_unit_and_it_pauses(tmp_path: Path) -> None:
    office = Office(tmp_path)
    fleet = SimulatedFleet(office, 10, away=0)

    reached: list[str] = []

    def unpack(version: str, folder: Path) -> Path:
        raise EOFError("the archive ends in the middle")

    async def way(unit: str, folder: Path) -> Mapping[str, Any]:
        reached.append(unit)
        return {}

    async def roll_out() -> str:
        rollout = await start_rollout(office.controller, SYSTEM, RolloutSpec(version=NEW, wave=20))
        fleet.engine._unpack, fleet.engine._reach = unpack, way
        await fleet.run_until_quiet()
        return rollout

    found = office.get(f"rollouts/{asyncio.run(roll_out())}")
    (failed,) = found["failed"]
    assert found["state"] == "paused" and found["counts"]["waiting"] == 9
    assert (failed["why"], failed["tail"]) == ("task", ["the archive ends in the middle"])
    assert not reached, "nobody was even asked to dial in"
    office.close()


def test_a_run_is_ended_once_and_until_its_last_row(tmp_path: Path) -> None:
    office = Office(tmp_path)
    fleet = SimulatedFleet(office, 10, away=0)
    begun, cut = asyncio.Event(), []

    class Tidy:
        async def carry_out(self, run: Run, hear: Callable[[HostEvent], None]) -> str:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.1)  # a second word to end would end this
                cut.append(run.kind)
            return "ran"

    async def roll_out() -> None:
        await start_rollout(office.controller, SYSTEM, RolloutSpec(version=NEW, wave=20))
        fleet.engine._hands = Tidy()
        await fleet.engine.look()
        await asyncio.wait_for(begun.wait(), 60)
        (run_id,) = fleet.engine._runs
        for _ in range(3):
            fleet.engine._cancel(run_id)
            await asyncio.sleep(0.01)
        await asyncio.gather(*fleet.engine._runs.values())
        with office.database.read() as session:
            assert session.get_one(RolloutRun, run_id).outcome == "cancelled"

    asyncio.run(roll_out())
    assert cut == ["stage"]
    office.close()


def test_a_service_that_ends_in_the_middle_of_a_run_goes_on_when_it_begins_anew(tmp_path: Path) -> None:
    office = Office(tmp_path)
    fleet = SimulatedFleet(office, 10, away=0)
    begun = asyncio.Event()

    class Hanging:
        async def carry_out(self, run: Run, hear: Callable[[HostEvent], None]) -> str:
            begun.set()
            await asyncio.Event().wait()
            return "ran"

    async def roll_out() -> None:
        await start_rollout(office.controller, SYSTEM, RolloutSpec(version=NEW, wave=20))
        fleet.engine._hands = Hanging()
        service = asyncio.create_task(fleet.engine.run())
        await asyncio.wait_for(begun.wait(), 60)
        service.cancel()
        await asyncio.gather(service, return_exceptions=True)
        fleet.engine._hands = fleet
        await fleet.run_until_quiet()

    asyncio.run(roll_out())
    assert Counter(state for _, state, _ in fleet.states()) == {"done": 10}
    office.close()
