"""A rollout from its start to its end, step by step: rings, waves, gates, who waits and who failed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from diemcau_controller.actions.rollouts.read import standing_of
from diemcau_controller.actions.rollouts.start import RolloutSpec, add_units, start_rollout
from diemcau_controller.actions.rollouts.steer import (
    FreezeSpec,
    Verb,
    freeze,
    put_in_ring,
    thaw,
    try_again,
)
from diemcau_controller.rules.refusals import Conflict, Invalid
from diemcau_controller.rules.rings import ALL, CANARY, EARLY, Candidate, choose_rings
from diemcau_controller.rules.rollout import SILENT, SYSTEM_SILENT, At, tally
from diemcau_controller.rules.update_words import Word
from diemcau_controller.store.tables import OfferedRelease, Rollout, RolloutUnit, Unit
from sqlalchemy import select

from tests.unit.rollout_fleet import NEW, OLD, SYSTEM, ObedientUnits, SmallFleet, command, start, started

GROUPS = {"g": [0, 1, 2, 3], "h": [3, 4]}


@pytest.fixture
def fleet() -> Iterator[SmallFleet]:
    made = SmallFleet(20, GROUPS)
    for site, ring in (("s0000", CANARY), ("s0005", CANARY), ("s0001", EARLY), ("s0006", EARLY)):
        made.do(put_in_ring(made, SYSTEM, site, ring))  # type: ignore[arg-type]
    yield made
    made.close()


def heaps(fleet: SmallFleet, rollout: str) -> dict[str, int]:
    return tally(At(state) for state in fleet.states(rollout).values())


def test_a_good_release_reaches_everybody_ring_by_ring(fleet: SmallFleet) -> None:
    units, rollout = ObedientUnits(fleet), start(fleet)
    actions, outside = fleet.step(rollout)
    assert sorted(started(actions, "stage")) == [
        "u0000",
        "u0005",
    ]  # nobody else hears of it before they passed
    for run in outside.runs:
        units.carry_out(run)
    units.run_all(rollout, 100)
    assert heaps(fleet, rollout) == {"done": 20, "waiting": 0, "failed": 0, "back": 0, "skipped": 0}
    assert fleet.state_of(rollout) == "done"
    order = [unit for _, unit in units.flips]
    assert set(order[:2]) == {"u0000", "u0005"} and set(order[2:4]) == {"u0001", "u0006"}


def test_a_broken_release_touches_only_the_canaries(fleet: SmallFleet) -> None:
    units, rollout = ObedientUnits(fleet), start(fleet)
    units.broken = {f"u{number:04}" for number in range(20)}
    units.run_all(rollout)
    assert {unit for _, unit in units.flips} == {"u0000", "u0005"}
    assert heaps(fleet, rollout) == {"done": 0, "waiting": 18, "failed": 0, "back": 2, "skipped": 0}
    with fleet.read() as session:
        row = session.get_one(Rollout, rollout)
        assert (row.state, row.why) == ("paused", CANARY)


def test_who_is_away_waits_and_holds_nobody_up(fleet: SmallFleet) -> None:
    units, rollout = ObedientUnits(fleet), start(fleet)
    for number in (0, 1, 9):  # a canary, an early one, and another
        fleet.change_unit(f"u{number:04}", status="lost")
    units.run_all(rollout, 100)
    assert heaps(fleet, rollout) == {"done": 17, "waiting": 3, "failed": 0, "back": 0, "skipped": 0}
    assert fleet.state_of(rollout) == "running"
    fleet.clock += timedelta(days=90)
    fleet.change_unit("u0009", status="online")
    units.run_all(rollout)
    assert fleet.states(rollout)["u0009"] == At.DONE


def test_of_a_group_one_at_a_time(fleet: SmallFleet) -> None:
    rollout = start(fleet, sites=["s0002", "s0003", "s0004", "s0007"])
    # All four are in the ring of all; with no canary chosen among them, some are taken.
    units, waves = ObedientUnits(fleet), []
    for _ in range(60):
        actions, outside = fleet.step(rollout)
        waves += [started(actions, "apply")] if started(actions, "apply") else []
        for run in outside.runs:
            units.carry_out(run)
        for unit in outside.ask:
            fleet.report(unit, "verdict", verdict="ready", findings=[])
    assert sorted(unit for wave in waves for unit in wave) == ["u0002", "u0003", "u0004", "u0007"]
    for wave in waves:
        assert not {"u0002", "u0003"} <= set(wave) and not {"u0003", "u0004"} <= set(wave)


def test_silent_after_the_flip_has_failed_until_it_speaks(fleet: SmallFleet) -> None:
    units, rollout = ObedientUnits(fleet), start(fleet)
    units.silent = {"u0000"}
    units.run_all(rollout)
    assert fleet.states(rollout)["u0000"] == At.APPLYING
    fleet.clock += SILENT + timedelta(minutes=1)
    units.run_all(rollout)
    assert fleet.states(rollout)["u0000"] == At.FAILED and fleet.state_of(rollout) == "paused"
    fleet.change_unit("u0000", status="online", version=NEW)
    fleet.report("u0000", "update", step="kept", version=NEW)  # it was switched off right after the flip
    command(fleet, rollout, Verb.RESUME)
    units.run_all(rollout, 100)
    assert heaps(fleet, rollout)["done"] == 20


def test_a_machine_that_starts_again_with_a_whole_system_has_longer_to_speak(fleet: SmallFleet) -> None:
    (fleet.state.releases / "targets/systems" / NEW).mkdir(parents=True)
    units, rollout = ObedientUnits(fleet), start(fleet)
    units.silent = {"u0000"}
    units.run_all(rollout)
    fleet.clock += SILENT + timedelta(minutes=1)
    units.run_all(rollout)
    assert fleet.states(rollout)["u0000"] == At.APPLYING
    fleet.clock += SYSTEM_SILENT - SILENT
    units.run_all(rollout)
    assert fleet.states(rollout)["u0000"] == At.FAILED


def test_a_unit_that_gives_no_lease_waits(fleet: SmallFleet) -> None:
    units, rollout = ObedientUnits(fleet), start(fleet)
    units.busy = {"u0000"}
    units.run_all(rollout, 100)
    assert fleet.states(rollout)["u0000"] == At.WAITING and heaps(fleet, rollout)["done"] == 19
    units.busy = set()
    fleet.clock += timedelta(hours=3)
    units.run_all(rollout)
    assert fleet.state_of(rollout) == "done"


def test_one_that_waits_for_a_moment_and_goes_back_is_not_tried_on_and_on(fleet: SmallFleet) -> None:
    rollout, units = start(fleet, sites=["s0005", "s0009"]), ObedientUnits(fleet)
    units.run_all(rollout, 1)
    (run,) = fleet.step(rollout)[1].runs
    fleet.tell(run, "u0005", word=Word("fetching", version=NEW))
    fleet.report("u0005", "update", step="waiting", why="", version=NEW)  # its lease is a moment away
    fleet.step(rollout)
    assert fleet.states(rollout)["u0005"] == At.APPLYING
    for step, why in (("gating", ""), ("back", "fault")):
        fleet.report("u0005", "update", step=step, why=why, version=NEW)
    fleet.step(rollout)
    fleet.end(run, "failed")
    fleet.clock += timedelta(hours=1)
    units.run_all(rollout, 1)
    assert fleet.states(rollout) == {"u0005": At.BACK, "u0009": At.WAITING}
    assert fleet.state_of(rollout) == "paused"


@pytest.mark.parametrize(("last", "state"), [("back", At.BACK), ("kept", At.GATING)])
def test_an_order_it_still_has_is_carried_out_after_its_run(fleet: SmallFleet, last: str, state: At) -> None:
    rollout, units = start(fleet, sites=["s0005"]), ObedientUnits(fleet)
    units.run_all(rollout, 1)
    (run,) = fleet.step(rollout)[1].runs
    fleet.tell(run, "u0005", word=Word("fetching", version=NEW))
    fleet.end(run, "lost")
    seen = []
    for step in ("waiting", "flipped", last):
        fleet.report("u0005", "update", step=step, version=NEW)
        fleet.step(rollout)
        seen.append(fleet.states(rollout)["u0005"])
    assert seen == [At.WAITING, At.APPLYING, state]


def test_an_order_that_was_called_off_is_given_again_before_silence_counts(fleet: SmallFleet) -> None:
    rollout, units = start(fleet, sites=["s0005"]), ObedientUnits(fleet)
    units.run_all(rollout, 1)
    (run,) = fleet.step(rollout)[1].runs
    fleet.tell(run, "u0005", word=Word("idle", version=NEW))  # it was ordered to flip, and has not begun
    fleet.report("u0005", "update", step="idle", version=NEW)  # of an order before: a run says that itself
    fleet.step(rollout)
    fleet.end(run, "lost")  # the run was killed, and the order's time is over
    assert fleet.states(rollout) == {"u0005": At.APPLYING}
    fleet.report("u0005", "update", step="idle", version=OLD)
    fleet.report("u0005", "update", step="idle", version=NEW)
    fleet.step(rollout)
    assert fleet.states(rollout) == {"u0005": At.WAITING} and not fleet.step(rollout)[0]
    with fleet.read() as session:
        assert standing_of(fleet, session, SYSTEM, rollout).reasons == {"called_off": 1}  # type: ignore[arg-type]
    fleet.clock += timedelta(minutes=6)
    units.run_all(rollout)
    assert fleet.state_of(rollout) == "done"


def test_no_flip_near_a_meeting_on_a_frozen_day_or_while_an_urgent_one_calls(fleet: SmallFleet) -> None:
    rollout = start(fleet, sites=["s0005"])
    units = ObedientUnits(fleet)
    held = fleet.meet(["s0005"], timedelta(hours=1))
    units.run_all(rollout)
    assert fleet.states(rollout) == {"u0005": At.STAGED}
    fleet.finish(held)
    day = fleet.clock.astimezone(fleet.settings.zone).date()
    spec = FreezeSpec(first=day, last=day + timedelta(days=1), reason="Tết")
    number = fleet.do(freeze(fleet, SYSTEM, spec))  # type: ignore[arg-type]
    units.run_all(rollout)
    assert fleet.states(rollout) == {"u0005": At.STAGED}
    fleet.do(thaw(fleet, SYSTEM, number))  # type: ignore[arg-type]
    urgent = fleet.meet(["s0009"], timedelta(0), urgent=True)
    units.run_all(rollout)
    assert fleet.states(rollout) == {"u0005": At.STAGED}
    with fleet.read() as session:
        seen = standing_of(fleet, session, SYSTEM, rollout)  # type: ignore[arg-type]
        assert seen.reasons == {"urgent": 1} and seen.urgent
    fleet.finish(urgent)
    units.run_all(rollout)
    assert fleet.state_of(rollout) == "done"


def test_an_urgent_meeting_ends_the_run_of_those_not_reached_yet(fleet: SmallFleet) -> None:
    rollout = start(fleet)
    units = ObedientUnits(fleet)
    _, outside = fleet.step(rollout)
    units.carry_out(outside.runs[0])
    _, outside = fleet.step(rollout)
    (run,) = outside.runs
    fleet.tell(run, "u0000", word=Word("flipped"))
    fleet.meet(["s0009"], timedelta(0), urgent=True)
    _, outside = fleet.step(rollout)
    assert outside.cancel == {(rollout, "apply")}
    fleet.end(run, "cancelled")
    assert fleet.states(rollout)["u0000"] == At.APPLYING  # it is at it, and will say
    assert fleet.states(rollout)["u0005"] == At.STAGED


def test_canaries_pass_by_a_real_meeting_where_one_comes_soon(fleet: SmallFleet) -> None:
    rollout, units = start(fleet, sites=["s0005"]), ObedientUnits(fleet)
    held = fleet.meet(["s0005"], timedelta(hours=5))
    units.run_all(rollout)
    assert fleet.states(rollout) == {"u0005": At.GATING}
    fleet.report("u0005", "verdict", verdict="ready", findings=[])
    units.run_all(rollout)
    assert fleet.states(rollout) == {"u0005": At.GATING}  # a check alone does not do
    fleet.clock += timedelta(hours=5)
    fleet.report("u0005", "joined", meeting=held)
    fleet.clock += timedelta(hours=1)
    fleet.report("u0005", "left", meeting=held)
    units.run_all(rollout)
    with fleet.read() as session:
        (row,) = [one.row for one in standing_of(fleet, session, SYSTEM, rollout).units]  # type: ignore[arg-type]
    assert (row.state, row.proof) == (At.DONE, "meeting")


def test_a_check_that_finds_what_was_in_order_before_fails_it(fleet: SmallFleet) -> None:
    rollout = start(fleet, sites=["s0005"])
    units = ObedientUnits(fleet)
    broken = [{"what": "sound_silent", "weight": "not_ready"}]
    fleet.report("u0005", "verdict", verdict="not_ready", findings=broken)
    fleet.clock += timedelta(minutes=1)
    for _ in range(3):
        for run in fleet.step(rollout)[1].runs:
            units.carry_out(run)
    assert fleet.states(rollout) == {"u0005": At.GATING}
    line = {"what": "line_dead", "weight": "not_ready"}
    fleet.report("u0005", "verdict", verdict="not_ready", findings=[*broken, line])
    fleet.step(rollout)
    assert fleet.states(rollout) == {"u0005": At.DONE}  # it was broken before; and a line is never to blame


def test_a_camera_that_broke_fails_it(fleet: SmallFleet) -> None:
    rollout = start(fleet, sites=["s0005"])
    units = ObedientUnits(fleet)
    for _ in range(3):
        for run in fleet.step(rollout)[1].runs:
            units.carry_out(run)
    camera = {"what": "camera_black", "weight": "not_ready"}
    fleet.report("u0005", "verdict", verdict="not_ready", findings=[camera])
    fleet.step(rollout)
    assert fleet.states(rollout) == {"u0005": At.FAILED}


def test_a_controller_that_starts_anew_goes_on_from_the_tables(fleet: SmallFleet) -> None:
    rollout, units = start(fleet), ObedientUnits(fleet)
    _, outside = fleet.step(rollout)
    fleet.restart()  # in the middle of staging, of which nobody heard anything
    assert fleet.states(rollout)["u0000"] == At.WAITING
    units.run_all(rollout, 1)
    for _ in range(5):
        actions, outside = fleet.step(rollout)
        if started(actions, "apply"):
            break
        for run in outside.runs:
            units.carry_out(run)
    fleet.tell(outside.runs[0], "u0000", word=Word("flipped"))
    fleet.restart()  # in the middle of a flip
    fleet.change_unit("u0000", version=NEW)
    fleet.clock += SILENT + timedelta(minutes=1)
    units.run_all(rollout, 100)
    assert heaps(fleet, rollout)["done"] == 20


def test_rolled_back_who_had_it_gets_the_former_one(fleet: SmallFleet) -> None:
    rollout, units = start(fleet), ObedientUnits(fleet)
    fleet.change_unit("u0009", status="lost")
    units.run_all(rollout, 100)
    command(fleet, rollout, Verb.BACK)
    fleet.change_unit("u0003", status="lost")
    units.run_all(rollout, 100)
    assert heaps(fleet, rollout) == {"done": 0, "waiting": 1, "failed": 0, "back": 18, "skipped": 1}
    assert fleet.state_of(rollout) == "rolling_back"
    fleet.change_unit("u0003", status="online")
    units.run_all(rollout)
    assert fleet.state_of(rollout) == "stopped"


def test_pause_and_abort(fleet: SmallFleet) -> None:
    rollout, units = start(fleet), ObedientUnits(fleet)
    command(fleet, rollout, Verb.PAUSE)
    assert not fleet.step(rollout)[0]
    command(fleet, rollout, Verb.RESUME)
    units.run_all(rollout, 3)
    command(fleet, rollout, Verb.ABORT)
    left = heaps(fleet, rollout)
    assert left["skipped"] >= 18 and sum(left.values()) == 20
    with pytest.raises(Conflict):
        command(fleet, rollout, Verb.RESUME)


def test_one_at_a_time_and_only_what_is_offered(fleet: SmallFleet) -> None:
    first = start(fleet)
    with pytest.raises(Conflict):
        start(fleet)
    second = start(fleet, instead=True)
    assert fleet.state_of(first) == "stopped" and heaps(fleet, first)["skipped"] == 20
    ObedientUnits(fleet).run_all(second, 100)
    for version in ("1.2.0", OLD):
        with pytest.raises(Invalid):
            fleet.do(start_rollout(fleet, SYSTEM, RolloutSpec(version=version)))  # type: ignore[arg-type]

    def offer(session: Any) -> None:
        session.add(OfferedRelease(version=OLD, sha256="", offered_by="a", offered_at=fleet.clock))

    fleet.commit(offer)
    with pytest.raises(Invalid, match="no older version"):
        fleet.do(start_rollout(fleet, SYSTEM, RolloutSpec(version=OLD)))  # type: ignore[arg-type]


def test_a_unit_that_comes_later_takes_the_hop_too(fleet: SmallFleet) -> None:
    rollout, units = start(fleet), ObedientUnits(fleet)
    units.run_all(rollout, 100)

    def replace(session: Any) -> None:
        session.get_one(Unit, "u0007").site_id = None
        session.flush()
        session.add(Unit(id="u0999", site_id="s0007", status="online", version=OLD))

    fleet.commit(replace)
    added = fleet.commit(lambda session: add_units(session, session.get_one(Rollout, rollout), fleet.clock))
    assert added == 1 and fleet.state_of(rollout) == "running"
    units.run_all(rollout)
    assert fleet.states(rollout)["u0999"] == At.DONE and fleet.state_of(rollout) == "done"


def test_one_that_failed_is_tried_again_when_a_person_says_so(fleet: SmallFleet) -> None:
    rollout, units = start(fleet), ObedientUnits(fleet)
    units.broken = {"u0000"}
    units.run_all(rollout)
    units.broken = set()
    fleet.do(try_again(fleet, SYSTEM, rollout, "u0000"))  # type: ignore[arg-type]
    command(fleet, rollout, Verb.RESUME)
    units.run_all(rollout, 100)
    assert heaps(fleet, rollout)["done"] == 20


def test_without_a_window_for_a_week(fleet: SmallFleet) -> None:
    rollout, units = start(fleet), ObedientUnits(fleet)
    fleet.change_unit("u0005", status="lost")
    units.run_all(rollout, 100)
    fleet.clock += timedelta(days=8)
    with fleet.read() as session:
        seen = standing_of(fleet, session, SYSTEM, rollout)  # type: ignore[arg-type]
    assert [(one.row.unit_id, one.reason) for one in seen.overdue] == [("u0005", "away")]


def test_who_was_never_reached_was_never_asked_and_who_is_not_waited_for_is_skipped(
    fleet: SmallFleet,
) -> None:
    rollout, units = start(fleet), ObedientUnits(fleet)
    units.run_all(rollout, 1)
    _, outside = fleet.step(rollout)
    fleet.tell(outside.runs[0], "u0000", "unreachable")
    assert fleet.states(rollout)["u0000"] == At.WAITING
    command(fleet, rollout, Verb.ABORT)
    _, after = fleet.step(rollout)
    assert after.cancel == {(rollout, "apply")}
    fleet.end(outside.runs[0], "cancelled")
    assert set(fleet.states(rollout).values()) == {At.SKIPPED}


def test_a_refused_release_fails_and_an_unreachable_unit_is_tried_again(fleet: SmallFleet) -> None:
    rollout = start(fleet)
    _, outside = fleet.step(rollout)
    (run,) = outside.runs
    fleet.tell(run, "u0000", word=Word("refused", "signature", version=NEW))
    fleet.tell(run, "u0005", "unreachable")
    fleet.end(run)
    assert fleet.states(rollout)["u0000"] == At.FAILED and fleet.states(rollout)["u0005"] == At.WAITING
    with fleet.read() as session:
        (row,) = [
            one.row
            for one in standing_of(fleet, session, SYSTEM, rollout).units  # type: ignore[arg-type]
            if one.row.unit_id == "u0005"
        ]
        assert (row.why, row.tries) == ("unreachable", 1) and row.again_at is not None


def test_a_release_that_fails_before_its_first_wave_is_counted_in_the_whole_ring() -> None:
    fleet = SmallFleet(60)
    units, rollout = ObedientUnits(fleet), start(fleet)

    def refuse(session: Any) -> None:
        rows = session.scalars(select(RolloutUnit).where(RolloutUnit.ring == ALL).limit(2))
        for row in rows:
            row.state, row.why = At.FAILED.value, "disk_full"

    fleet.commit(refuse)
    units.run_all(rollout, 100)
    assert fleet.state_of(rollout) == "done" and heaps(fleet, rollout)["failed"] == 2
    fleet.close()


def test_a_person_may_go_on_without_a_canary_that_works(fleet: SmallFleet) -> None:
    units, rollout = ObedientUnits(fleet), start(fleet)
    units.broken = {"u0000", "u0005"}
    units.run_all(rollout)
    assert fleet.state_of(rollout) == "paused"
    command(fleet, rollout, Verb.RESUME)
    units.run_all(rollout, 100)
    assert heaps(fleet, rollout) == {"done": 18, "waiting": 0, "failed": 0, "back": 2, "skipped": 0}
    units.broken = {"u0005"}
    fleet.do(try_again(fleet, SYSTEM, rollout, "u0005"))  # type: ignore[arg-type]
    units.run_all(rollout)
    assert fleet.state_of(rollout) == "paused"  # that it failed before was accepted, not this


def test_what_is_done_here_for_a_unit_is_not_done_by_it(fleet: SmallFleet) -> None:
    rollout, units = start(fleet, sites=["s0005"]), ObedientUnits(fleet)
    units.run_all(rollout, 1)
    (run,) = fleet.step(rollout)[1].runs
    fleet.tell(run, "u0005", there=False)  # the guard of the run
    fleet.tell(run, "u0005", "unreachable")
    fleet.end(run, "failed")
    assert fleet.states(rollout) == {"u0005": At.WAITING}
    fleet.clock += timedelta(hours=1)
    units.run_all(rollout, 1)
    (run,) = fleet.step(rollout)[1].runs
    fleet.tell(run, "u0005", there=False)
    fleet.end(run, "cancelled")
    assert fleet.states(rollout) == {"u0005": At.STAGED}


def test_who_has_a_newer_release_by_now_is_not_taken_back(fleet: SmallFleet) -> None:
    rollout, units = start(fleet), ObedientUnits(fleet)
    units.run_all(rollout, 100)
    fleet.change_unit("u0003", version="1.2.0")
    command(fleet, rollout, Verb.BACK)
    states = fleet.states(rollout)
    assert states["u0003"] == At.DONE and set(states.values()) == {At.DONE, At.RETURNING}


def test_a_run_that_takes_back_ends_for_an_urgent_meeting_or_when_given_up(fleet: SmallFleet) -> None:
    rollout, units = start(fleet), ObedientUnits(fleet)
    units.run_all(rollout, 100)
    command(fleet, rollout, Verb.BACK)
    (run,) = fleet.step(rollout)[1].runs
    urgent = fleet.meet(["s0009"], timedelta(0), urgent=True)
    assert fleet.step(rollout)[1].cancel == {(rollout, "back")}
    fleet.finish(urgent)
    command(fleet, rollout, Verb.ABORT)
    assert fleet.step(rollout)[1].cancel == {(rollout, "back")}
    fleet.end(run, "cancelled")
    assert set(fleet.states(rollout).values()) == {At.SKIPPED}
    fleet.report("u0000", "update", step="back", why="ordered", version=OLD)  # it was on its way
    fleet.step(rollout)
    assert fleet.states(rollout)["u0000"] == At.BACK and heaps(fleet, rollout)["skipped"] == 19


def test_who_is_back_already_is_not_asked_to_go_back_again(fleet: SmallFleet) -> None:
    rollout, units = start(fleet, sites=["s0005"]), ObedientUnits(fleet)
    units.run_all(rollout, 100)
    command(fleet, rollout, Verb.BACK)
    (run,) = fleet.step(rollout)[1].runs
    fleet.change_unit("u0005", version=OLD)  # and its word is lost
    fleet.end(run, "lost")
    assert not fleet.step(rollout)[1].runs
    fleet.clock += SILENT + timedelta(minutes=1)
    units.run_all(rollout)
    assert fleet.states(rollout) == {"u0005": At.BACK} and fleet.state_of(rollout) == "stopped"


def test_a_unit_that_keeps_it_after_the_end_is_checked_too(fleet: SmallFleet) -> None:
    rollout, units = start(fleet, sites=["s0005"]), ObedientUnits(fleet)
    units.run_all(rollout, 1)
    (run,) = fleet.step(rollout)[1].runs
    fleet.tell(run, "u0005", word=Word("flipped"))
    command(fleet, rollout, Verb.ABORT)
    fleet.end(run, "cancelled")
    fleet.report("u0005", "update", step="kept", version=NEW)
    fleet.change_unit("u0005", version=NEW)
    assert fleet.step(rollout)[1].ask == ["u0005"]
    fleet.report("u0005", "verdict", verdict="ready", findings=[])
    units.run_all(rollout)
    assert fleet.states(rollout) == {"u0005": At.DONE}


def test_a_unit_that_moves_begins_anew_at_its_site(fleet: SmallFleet) -> None:
    rollout, units = start(fleet), ObedientUnits(fleet)
    fleet.change_unit("u0009", status="lost")
    units.run_all(rollout, 100)
    fleet.change_unit("u0007", site_id=None)
    fleet.change_unit("u0009", site_id="s0007")
    fleet.step(rollout)
    assert fleet.states(rollout)["u0009"] == At.SKIPPED
    added = fleet.commit(lambda session: add_units(session, session.get_one(Rollout, rollout), fleet.clock))
    assert added == 1 and fleet.states(rollout)["u0009"] == At.WAITING
    fleet.change_unit("u0009", status="online")
    units.run_all(rollout)
    assert fleet.states(rollout)["u0009"] == At.DONE and fleet.state_of(rollout) == "done"


def test_rings_are_filled_with_units_that_are_there() -> None:
    sites = [Candidate(f"s{one}", None, one % 2 == 0) for one in range(300)]
    rings = choose_rings(sites)
    counted = {
        ring: [site for site, given in rings.items() if given == ring] for ring in (CANARY, EARLY, ALL)
    }
    assert [len(counted[ring]) for ring in (CANARY, EARLY, ALL)] == [3, 30, 267]
    assert all(int(site[1:]) % 2 == 0 for site in counted[CANARY] + counted[EARLY])
    assert choose_rings([Candidate("only", None, False)]) == {"only": CANARY}


def test_a_freeze_has_days_in_order(fleet: SmallFleet) -> None:
    with pytest.raises(Invalid):
        wrong = FreezeSpec(first=date(2026, 5, 2), last=date(2026, 5, 1), reason="x")
        fleet.do(freeze(fleet, SYSTEM, wrong))  # type: ignore[arg-type]
