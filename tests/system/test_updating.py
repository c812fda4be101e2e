"""A unit is updated: old or new, never neither, and what went wrong is said in a word."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from diemcau_agent import cli
from diemcau_agent.rules.lease import Planned
from diemcau_agent.rules.updating import Order, Step, Why
from diemcau_agent.this_boot import boot_id
from diemcau_agent.updating import orders, records, releases
from diemcau_agent.updating.download import Store
from diemcau_agent.updating.trouble import Trouble
from diemcau_wire.release import TARGETS_PATH, Arch, Release, wheel_path

from tests.system.release_server import ReleaseServer
from tests.system.updated_unit import NEW, NOW, OLD, UpdatedUnit, refusing, release_of, wheel
from tests.unit.cut_short import cut_before, cut_short

pytestmark = pytest.mark.namespace

CHANCE = random.Random(6)
AGENT = CHANCE.randbytes(60_000)
FIRST, SECOND = wheel("diemcau-agent", b"the agent as it was"), wheel("diemcau-agent", AGENT, "1.1")
NUMPY_CONTENT = CHANCE.randbytes(900_000)
NUMPY = wheel("numpy", NUMPY_CONTENT)


@dataclass
class Scene:
    """A unit at release 1.0.0 and a server that has 1.1.0."""

    unit: UpdatedUnit
    server: ReleaseServer
    release: Release
    files: dict[str, bytes]

    def find(self, *_: object) -> Release:
        return self.release


@pytest.fixture
def files() -> dict[str, bytes]:
    """What the server has."""
    return {TARGETS_PATH + wheel_path(one): data for one, data in ((SECOND, AGENT), (NUMPY, NUMPY_CONTENT))}


@pytest.fixture
def server(files: dict[str, bytes]) -> Iterator[ReleaseServer]:
    made = ReleaseServer(files)
    yield made
    made.close()


@pytest.fixture
def scene(tmp_path: Path, server: ReleaseServer, files: dict[str, bytes]) -> Scene:
    made = Scene.__new__(Scene)
    made.server, made.files, made.release = server, files, release_of(NEW, [SECOND, NUMPY])
    made.unit = UpdatedUnit.laid(
        tmp_path / "unit", release_of(OLD, [FIRST, NUMPY]), find=made.find, line=server.line
    )
    return made


# ── the way it goes ──────────────────────────────────────────────────────────────────────────────


def test_a_release_is_fetched_installed_applied_and_kept(scene: Scene) -> None:
    unit = scene.unit
    unit.order()
    assert unit.go()
    assert (unit.state.step, unit.running, releases.proven(unit.places)) == (Step.KEPT, NEW, NEW)
    assert unit.runs == NEW
    assert unit.restarts == 1
    assert releases.complete(unit.places) == [NEW, OLD]  # the old one is kept
    assert not unit.places.order.exists()
    assert not unit.places.lease.exists()
    assert unit.go()  # nothing more to do


def test_staging_goes_on_beside_a_meeting_and_the_flip_waits_for_its_end(scene: Scene) -> None:
    unit = scene.unit
    hour = timedelta(hours=1)
    meeting = Planned(id="m", opens_at=NOW - hour, ends_at=NOW + hour, cap_at=NOW + 2 * hour)
    unit.agenda(meeting, in_meeting="m")
    unit.order()
    assert not unit.go()
    state = unit.state
    assert (state.step, state.why, state.meeting) == (Step.WAITING, "meeting", "m")
    assert state.again_at is not None
    assert unit.running == OLD
    unit.agenda(left_at=NOW)
    unit.seconds = 3600
    assert unit.go()
    assert unit.state.step is Step.KEPT


def test_only_what_changed_travels(scene: Scene) -> None:
    unit, store = scene.unit, Store(scene.unit.places.wheels)
    store.path(NUMPY).parent.mkdir(parents=True)  # as provisioning lays it there
    store.path(NUMPY).write_bytes(NUMPY_CONTENT)
    unit.order()
    assert unit.go()
    whole = sum(one.size for one in scene.release.parts)
    assert scene.server.body_bytes == SECOND.size < 0.1 * whole


def test_an_older_kept_release_goes_when_the_next_is_kept(scene: Scene) -> None:
    unit = scene.unit
    unit.order()
    unit.go()
    scene.release = release_of("1.2.0", [SECOND, NUMPY])
    unit.order("1.2.0")
    assert unit.go()
    assert releases.complete(unit.places) == ["1.2.0", NEW]


def test_the_lease_is_given_back_before_old_releases_are_removed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit, prune, leased = scene.unit, releases.prune, []

    def removes(*what: Any) -> None:
        leased.append(unit.places.lease.exists())
        prune(*what)

    monkeypatch.setattr(releases, "prune", removes)
    unit.order()
    assert unit.go()
    assert leased and not any(leased)


def test_a_person_goes_back_to_the_release_that_is_kept(scene: Scene) -> None:
    unit = scene.unit
    unit.order()
    unit.go()
    orders.give(unit.places, orders.back(unit.places), NOW)
    assert unit.go()
    unit.pause(1)
    assert (unit.state.step, unit.state.why) == (Step.BACK, "ordered")
    assert (unit.running, releases.proven(unit.places), unit.runs) == (OLD, OLD, OLD)
    assert releases.complete(unit.places) == [NEW, OLD]


# ── the gate ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("before", "after", "step", "why"),
    [
        ((), ("camera_frozen",), Step.BACK, "fault"),
        (("camera_frozen",), ("camera_frozen",), Step.KEPT, ""),
        ((), ("line_down", "janus_unreachable"), Step.KEPT, ""),
        ((), None, Step.BACK, "silent"),
        ((), ("check_incomplete",), Step.BACK, "silent"),
        (None, (), Step.KEPT, ""),  # the old unit process was dead; the new one works
    ],
)
def test_what_the_gate_keeps(
    scene: Scene, before: tuple[str, ...] | None, after: tuple[str, ...] | None, step: Step, why: str
) -> None:
    unit = scene.unit
    unit.says = {OLD: before, NEW: after}
    unit.order()
    began = unit.seconds
    assert unit.go()
    assert (unit.state.step, unit.state.why) == (step, why)
    assert unit.running == (NEW if step is Step.KEPT else OLD)
    unit.pause(1)
    assert unit.runs == unit.running  # it was started again
    if step is Step.BACK:
        assert unit.seconds - began < 180 + 130
        assert releases.complete(unit.places) == [OLD]


def test_a_gate_waits_for_the_meeting_the_unit_is_in(scene: Scene) -> None:
    unit = scene.unit
    unit.says = {NEW: "busy"}
    unit.order()
    assert not unit.go()
    assert (unit.state.step, unit.state.why, unit.running) == (Step.GATING, "busy", NEW)
    unit.says = {}
    assert unit.go()
    assert unit.state.step is Step.KEPT


def test_a_machine_that_never_gets_through_the_gate_goes_back(scene: Scene) -> None:
    unit = scene.unit
    unit.says = {NEW: "busy"}
    unit.order()
    unit.go()
    for number in range(3):
        unit.boot = f"again-{number}"
        assert not unit.go()
    unit.boot = "once-more"
    assert unit.go()
    assert (unit.state.step, unit.state.why, unit.running) == (Step.BACK, "boots", OLD)


# ── power cuts ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("works", "staged", "end", "runs"), [(True, False, Step.KEPT, NEW), (False, True, Step.BACK, OLD)]
)
def test_a_power_cut_before_any_write_leaves_the_old_or_the_new(
    tmp_path: Path,
    server: ReleaseServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    works: bool,
    staged: bool,
    end: Step,
    runs: str,
) -> None:
    """The way back is cut from `staged` on: before that it is the same."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # the cut is of the process: the kernel lives on
    release = release_of(NEW, [SECOND, NUMPY])

    def unit_at(root: Path) -> UpdatedUnit:
        unit = UpdatedUnit(root, find=lambda *_: release, line=server.line)
        unit.says = {NEW: () if works else ("camera_frozen",)}
        unit.runs = unit.running or ""  # every boot starts what the link shows to
        return unit

    laid = UpdatedUnit.laid(
        tmp_path / "laid", release_of(OLD, [FIRST, NUMPY]), find=unit_at, line=server.line
    )
    if staged:
        laid.order(apply=False)
        assert unit_at(tmp_path / "laid").go()
    laid.order()

    def prepare(number: int) -> Path:
        return Path(shutil.copytree(tmp_path / "laid", tmp_path / f"unit-{number}", symlinks=True))

    def act(root: Path) -> None:
        unit_at(root).go()

    cuts = 0
    for number, root in cut_short(prepare, act):
        for again in (2, 5):  # and twice more on the way on
            unit_at(root).is_whole()
            cuts += 1
            cut_before(again, root, act)
        unit_at(root).is_whole()
        assert unit_at(root).go(), number
        assert (unit_at(root).state.step, unit_at(root).running) == (end, runs), number
        unit_at(root).is_whole()
        shutil.rmtree(root)
    with capsys.disabled():
        print(f"\npower cuts in an update that ends {end}: {cuts // 2} points, three times each: old or new")
    assert cuts // 2 >= 30


# ── the line ─────────────────────────────────────────────────────────────────────────────────────


def test_five_cuts_cost_nothing(scene: Scene) -> None:
    scene.server.cuts = [100_000, 1, 250_000, 300_000, 60_000]
    scene.unit.order(apply=False)
    assert scene.unit.go()
    assert scene.unit.state.step is Step.STAGED
    assert scene.server.body_bytes <= 1.1 * (SECOND.size + NUMPY.size)


def test_a_dead_line_is_waited_for_and_staging_goes_on_where_it_was(scene: Scene) -> None:
    scene.server.cuts = [10_000]
    scene.unit.order(apply=False)
    scene.server.status = 503
    assert not scene.unit.go()
    assert (scene.unit.state.step, scene.unit.state.why) == (Step.FETCHING, "unreachable")
    scene.server.status = None
    assert scene.unit.go()
    assert scene.unit.state.step is Step.STAGED


def test_no_faster_than_allowed_and_slower_beside_a_meeting(scene: Scene) -> None:
    unit, bits = scene.unit, 8 * (SECOND.size + NUMPY.size)
    unit.order(apply=False, rate_bps=200_000)
    unit.go()
    assert unit.seconds >= 0.99 * bits / 200_000


def test_beside_a_meeting_it_is_slower(scene: Scene) -> None:
    unit, bits = scene.unit, 8 * (SECOND.size + NUMPY.size)
    unit.agenda(in_meeting="m")
    unit.order(apply=False)
    unit.go()
    assert unit.seconds >= 0.99 * bits / 64_000


# ── bad input ────────────────────────────────────────────────────────────────────────────────────


def damaged_wheel(scene: Scene) -> None:
    path = TARGETS_PATH + wheel_path(SECOND)
    scene.files[path] = bytes(reversed(scene.files[path]))


def truncated_wheel(scene: Scene) -> None:
    path = TARGETS_PATH + wheel_path(SECOND)
    scene.files[path] = scene.files[path][:-100]


def missing_wheel(scene: Scene) -> None:
    del scene.files[TARGETS_PATH + wheel_path(SECOND)]


def other_python(scene: Scene) -> None:
    scene.release = release_of(NEW, [SECOND, NUMPY], python="3.99")


def other_machine(scene: Scene) -> None:
    scene.release = release_of(NEW, [SECOND.model_copy(update={"arch": Arch.ARM64})])


def full_disk(scene: Scene) -> None:
    def install(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    scene.unit.with_hands(install=install)


def too_large(scene: Scene) -> None:
    parts = [NUMPY.model_copy(update={"name": f"part-{n}", "size": 2**31}) for n in range(300)]
    scene.release = release_of(NEW, [SECOND, *parts])


def does_not_start(scene: Scene) -> None:
    def install(*given: Any) -> None:
        raise Trouble(Why.DOES_NOT_START, "ModuleNotFoundError: No module named 'paho'")

    scene.unit.with_hands(install=install)


def no_layout(scene: Scene) -> None:
    scene.unit.places.current.unlink()
    scene.unit.places.current.symlink_to(".")


def forged(scene: Scene) -> None:
    scene.unit.with_hands(find=refusing(Trouble(Why.SIGNATURE, "root was signed by 1/2 keys")))


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (damaged_wheel, "damaged"),
        (truncated_wheel, "damaged"),
        (missing_wheel, "damaged"),
        (other_python, "python"),
        (other_machine, "no_wheels"),
        (full_disk, "disk_full"),
        (too_large, "disk_full"),
        (does_not_start, "does_not_start"),
        (no_layout, "layout"),
        (forged, "signature"),
    ],
)
def test_what_goes_no_further_says_why(scene: Scene, spoil: Callable[[Scene], None], why: str) -> None:
    spoil(scene)
    scene.unit.order()
    assert scene.unit.go()
    state = scene.unit.state
    assert (state.step, state.why) == (Step.REFUSED, why), state.text
    assert state.text
    assert releases.complete(scene.unit.places) == [OLD]
    assert not scene.unit.places.order.exists()  # the next order is free to come


def test_an_older_release_is_refused(scene: Scene) -> None:
    scene.unit.order("0.9.0")
    scene.unit.go()
    assert (scene.unit.state.step, scene.unit.state.why) == (Step.REFUSED, "older")


@pytest.mark.parametrize(("clock_ok", "why"), [(True, "expired"), (False, "clock")])
def test_what_is_expired_is_tried_again(scene: Scene, clock_ok: bool, why: str) -> None:
    unit = scene.unit
    unit.with_hands(find=refusing(Trouble(Why.EXPIRED, "timestamp.json is expired")))
    unit.agenda(clock_ok=clock_ok)
    unit.order()
    assert not unit.go()
    assert (unit.state.step, unit.state.why) == (Step.FETCHING, why)
    told = unit.state.seq
    assert not unit.go()
    assert unit.state.seq == told  # the coordinator hears of it once


def test_without_an_agenda_it_waits(scene: Scene) -> None:
    scene.unit.places.agenda.unlink()
    scene.unit.order()
    assert not scene.unit.go()
    assert (scene.unit.state.step, scene.unit.state.why) == (Step.WAITING, "agenda")


# ── the commands ─────────────────────────────────────────────────────────────────────────────────


def say(scene: Scene, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = cli.main([*words, "--root", str(scene.unit.places.root), "--json"])
    out = capsys.readouterr().out
    return code, json.loads(out) if out else {}


def test_orders_by_the_command_line(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    assert say(scene, capsys, "update", "stage", NEW)[0] == 0
    assert say(scene, capsys, "update", "stage", NEW)[0] == 0  # the same again
    assert say(scene, capsys, "update", "stage", "newest")[0] == 1
    assert scene.unit.go()
    code, said = say(scene, capsys, "update", "status", "--wait", "0")
    assert (code, said["step"], said["version"], said["running"]) == (0, "staged", NEW, OLD)
    assert say(scene, capsys, "update", "apply", NEW, "--within", "900")[0] == 0
    assert say(scene, capsys, "update", "stage", "9.9.9")[0] == 1  # two at once
    assert scene.unit.go()
    assert say(scene, capsys, "update", "status")[1]["step"] == "kept"
    assert say(scene, capsys, "update", "back")[0] == 0
    assert say(scene, capsys, "update", "cancel")[1] == {"cancelled": True}
    assert scene.unit.go()
    assert scene.unit.running == NEW


def test_a_lease_by_the_command_line(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.unit.agenda(written_at="2020-01-01T00:00:00Z", until="2090-01-01T00:00:00Z", boot=boot_id())
    assert say(scene, capsys, "lease", "ask", "--needs", "300")[0] == 0
    assert say(scene, capsys, "lease", "take", "--needs", "300", "--holder", "a")[1]["go"] is True
    code, said = say(scene, capsys, "lease", "take", "--needs", "300", "--holder", "b")
    assert (code, said["go"], said["why"]) == (75, False, "taken")
    assert say(scene, capsys, "lease", "release", "--holder", "b")[1] == {"released": False}
    assert say(scene, capsys, "lease", "release", "--holder", "a")[1] == {"released": True}
    assert say(scene, capsys, "lease", "take", "--needs", "99999", "--holder", "b")[0] == 1


def test_only_one_updater_works(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    held = records.lock_alone(scene.unit.places.folder / "lock")
    assert held is not None
    assert say(scene, capsys, "update", "go") == (0, {"running": True})
    os.close(held)


def test_a_cancelled_order_leaves_the_running_release(scene: Scene) -> None:
    scene.unit.agenda(in_meeting="m")
    scene.unit.order()
    scene.unit.go()
    assert orders.cancel(scene.unit.places, NOW)
    assert scene.unit.go()
    assert (scene.unit.state.step, scene.unit.running) == (Step.IDLE, OLD)


def test_garbage_in_its_files_is_no_order(scene: Scene) -> None:
    for path in (scene.unit.places.order, scene.unit.places.state, scene.unit.places.lease):
        path.write_bytes(b"\xff{")
    assert scene.unit.go()
    assert records.read(Order, scene.unit.places.order) is None
