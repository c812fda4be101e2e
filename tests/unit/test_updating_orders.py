"""Orders to the updater that cross: called off, too late, given while it ends, on a disk that is full."""

from __future__ import annotations

import contextlib
import errno
import json
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from diemcau_agent import cli
from diemcau_agent.rules.updating import Order, Step
from diemcau_agent.updating import leases, orders, records, releases
from diemcau_agent.updating.download import Store
from diemcau_agent.updating.line import Line
from diemcau_wire.messages import Part
from diemcau_wire.release import Release, write_release

from tests.system.updated_unit import NEW, NOW, OLD, UpdatedUnit, release_of, wheel

NEXT = "1.2.0"
CONTENT = b"the agent"
AGENT = wheel("diemcau-agent", CONTENT)


@pytest.fixture
def unit(tmp_path: Path) -> UpdatedUnit:
    """At 1.0.0; the wheels of what it is ordered are there, so it needs no line."""

    def find(places: object, line: object, version: str, *_: object) -> Release:
        path = Store(made.places.wheels).path(AGENT)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENT)
        return release_of(version, [AGENT])

    laid = release_of(OLD, [AGENT])
    made = UpdatedUnit.laid(tmp_path, laid, find=find, line=lambda _: cast(Line, None))
    return made


def order(unit: UpdatedUnit, version: str, *, apply: bool = True, until: datetime | None = None) -> None:
    offered = Order(id=orders.new_id(), version=version, apply=apply, until=until)
    orders.give(unit.places, offered, unit.hands.now())


def at_new(unit: UpdatedUnit) -> None:
    order(unit, NEW)
    assert unit.go()
    assert (unit.state.step, unit.running) == (Step.KEPT, NEW)


def status(unit: UpdatedUnit, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert cli.main(["update", "status", "--root", str(unit.places.root), "--json"]) == 0
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    return said


def stage_and_call_off(unit: UpdatedUnit, version: str) -> None:
    order(unit, version, apply=False)
    assert unit.go()
    assert unit.state.step is Step.STAGED
    assert orders.cancel(unit.places, NOW)
    assert unit.go()
    assert unit.state.step is Step.IDLE


def test_back_never_goes_forward_to_what_never_ran(unit: UpdatedUnit) -> None:
    stage_and_call_off(unit, NEW)
    with pytest.raises(orders.Busy, match="stage and apply"):
        orders.back(unit.places)
    at_new(unit)
    stage_and_call_off(unit, NEXT)
    orders.give(unit.places, orders.back(unit.places), NOW)
    assert unit.go()
    assert (unit.state.step, unit.running, releases.proven(unit.places)) == (Step.BACK, OLD, OLD)


def test_one_that_was_called_off_stays_until_the_next_is(unit: UpdatedUnit) -> None:
    at_new(unit)
    stage_and_call_off(unit, NEXT)
    assert releases.complete(unit.places) == [NEXT, NEW, OLD]
    stage_and_call_off(unit, "1.3.0")
    assert releases.complete(unit.places) == ["1.3.0", NEW, OLD]


def test_what_is_only_staged_makes_way_also_for_the_way_back(unit: UpdatedUnit) -> None:
    at_new(unit)
    order(unit, NEXT, apply=False)
    assert unit.go()
    orders.give(unit.places, orders.back(unit.places), NOW)
    assert unit.go()
    assert (unit.state.step, unit.running) == (Step.BACK, OLD)


def test_an_order_that_is_late_is_not_done_any_more(unit: UpdatedUnit) -> None:
    unit.agenda(in_meeting="m")
    order(unit, NEW, until=NOW + timedelta(minutes=15))
    assert not unit.go()
    assert unit.state.step is Step.WAITING
    unit.agenda()
    unit.seconds = 3 * 24 * 3600
    assert unit.go()
    assert (unit.state.step, unit.running, unit.restarts) == (Step.IDLE, OLD, 0)
    assert "wanted until" in unit.state.text
    assert not unit.places.order.exists()
    assert releases.complete(unit.places) == [NEW, OLD]  # for the next run, which need not fetch it


def test_one_that_comes_late_while_the_room_is_checked_is_not_flipped(unit: UpdatedUnit) -> None:
    unit.says = {OLD: None}  # it answers no check: that takes two minutes
    order(unit, NEW, until=NOW + timedelta(minutes=1))
    assert unit.go()
    assert (unit.state.step, unit.running) == (Step.IDLE, OLD)
    assert not unit.places.lease.exists()


def test_an_order_given_while_the_last_one_ends_is_done(
    unit: UpdatedUnit, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    release, begun = leases.release, []

    def while_it_ends(*what: Any) -> bool:
        if not begun:
            begun.append(NEXT)
            order(unit, NEXT)
            said = status(unit, capsys)
            assert (said["step"], said["version"], said["ordered"]) == ("idle", NEXT, NEXT)
        return release(*what)

    order(unit, NEW)
    monkeypatch.setattr(leases, "release", while_it_ends)
    assert unit.go()
    assert begun
    assert (unit.state.step, unit.running) == (Step.KEPT, NEXT)
    assert status(unit, capsys)["step"] == "kept"


@pytest.mark.parametrize(
    ("found", "step", "runs"), [((), Step.KEPT, NEW), (("camera_frozen",), Step.BACK, OLD)]
)
def test_a_disk_that_a_release_filled_does_not_close_the_way_back(
    unit: UpdatedUnit, monkeypatch: pytest.MonkeyPatch, found: tuple[str, ...], step: Step, runs: str
) -> None:
    write = records.write

    def full(path: Path, document: Part) -> None:
        if path == unit.places.state and unit.running == NEW and unit.places.wheels.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, document)

    monkeypatch.setattr(records, "write", full)
    unit.says = {NEW: found}
    order(unit, NEW)
    assert unit.go()
    assert (unit.state.step, unit.running) == (step, runs)
    assert not unit.places.wheels.exists()
    unit.with_hands(install=lambda *_: None)
    monkeypatch.undo()
    order(unit, NEXT, apply=False)  # and what was removed is fetched again
    unit.go()
    assert Store(unit.places.wheels).path(AGENT).is_file()


def test_a_disk_that_stays_full_is_said(unit: UpdatedUnit, capsys: pytest.CaptureFixture[str]) -> None:
    at_new(unit)
    shutil.rmtree(unit.places.wheels)

    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "write", no_room)
        assert cli.main(["update", "apply", NEXT, "--root", str(unit.places.root)]) == 1
    said = capsys.readouterr().err
    assert "make room" in said and "run this as" not in said


# ── a disk that lied about what it had written ───────────────────────────────────────────────────


def torn(unit: UpdatedUnit) -> None:
    unit.places.manifest(NEW).write_bytes(b"")


def lost(unit: UpdatedUnit) -> None:
    shutil.rmtree(unit.places.release(NEW))


@pytest.mark.parametrize("harm", [torn, lost])
@pytest.mark.parametrize("step", [Step.FLIPPED, Step.GATING])
def test_a_release_that_a_power_cut_damaged_leads_back(
    unit: UpdatedUnit, harm: Callable[[UpdatedUnit], None], step: Step
) -> None:
    kept = records.write

    def cut(path: Path, document: Part) -> None:
        if step is Step.FLIPPED and getattr(document, "step", None) is Step.GATING:
            raise RuntimeError  # the link shows to it, and that is not written down yet
        kept(path, document)

    unit.says = {NEW: "busy"}
    order(unit, NEW)
    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(RuntimeError):
        patch.setattr(records, "write", cut)
        unit.go()
    assert (unit.state.step, unit.running) == (step, NEW)
    harm(unit)
    unit.boot, unit.runs = "boot-2", ""
    assert unit.go()
    assert (unit.state.step, unit.state.why) == (Step.BACK, "boots")
    assert (unit.running, releases.proven(unit.places)) == (OLD, OLD)


# ── an image's two systems: one folder of orders, releases of their own ──────────────────────────


def start_other_system(unit: UpdatedUnit, *versions: str) -> None:
    """The boot loader took the other one: it runs the first of these."""
    unit.places.opt.rename(unit.places.opt.with_name("slot-before"))
    for version in versions:
        path = unit.places.manifest(version)
        path.parent.mkdir(parents=True)
        path.write_bytes(write_release(release_of(version, [AGENT])))
    for link in (unit.places.current, unit.places.proven):
        releases.show(unit.places, link, versions[0])
    unit.boot, unit.runs = "boot-2", versions[0]


def test_what_was_staged_in_one_system_is_fetched_in_the_other(unit: UpdatedUnit) -> None:
    order(unit, NEW, apply=False)
    assert unit.go()
    start_other_system(unit, "0.9.0")
    order(unit, NEW)
    assert unit.go()
    assert (unit.state.step, unit.running, unit.state.former) == (Step.KEPT, NEW, "0.9.0")


def test_what_was_staged_and_does_not_work_leads_back_to_what_this_system_ran(unit: UpdatedUnit) -> None:
    order(unit, NEW, apply=False)
    assert unit.go()
    start_other_system(unit, "0.9.0", NEW)
    unit.says = {NEW: ("camera_missing",)}
    order(unit, NEW)
    assert unit.go()
    assert unit.state.step is Step.BACK
    assert (unit.running, releases.proven(unit.places)) == ("0.9.0", "0.9.0")


def test_what_the_other_system_brings_is_there_already(unit: UpdatedUnit) -> None:
    order(unit, NEW, apply=False)
    assert unit.go()
    start_other_system(unit, NEW)
    order(unit, NEW)
    assert unit.go()
    assert (unit.state.step, unit.running) == (Step.KEPT, NEW)


def test_a_gate_that_the_other_system_finds_open_touches_nothing_of_it(unit: UpdatedUnit) -> None:
    unit.says = {NEW: "busy"}
    order(unit, NEW)
    assert not unit.go()
    assert unit.state.step is Step.GATING
    start_other_system(unit, "0.9.0")
    assert unit.go()
    assert (unit.state.step, unit.state.why) == (Step.BACK, "boots")
    assert (unit.running, releases.proven(unit.places)) == ("0.9.0", "0.9.0")


def test_a_way_back_that_was_cut_short_touches_nothing_of_the_other_system(unit: UpdatedUnit) -> None:
    unit.says = {NEW: None}
    order(unit, NEW)
    kept = records.write

    def cut(path: Path, document: Part) -> None:
        kept(path, document)
        if getattr(document, "why", "") == "silent":
            raise RuntimeError

    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(records, "write", cut)
        unit.go()
    start_other_system(unit, "0.9.0")
    assert unit.go()
    assert (unit.state.step, unit.state.why, unit.running) == (Step.BACK, "silent", "0.9.0")
