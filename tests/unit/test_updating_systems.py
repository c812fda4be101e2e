"""A version that a whole system brings: into the other slot, started under the lease, kept or left, and power
cuts between any two steps lead to the same end."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from diemcau_agent.rules.lease import Planned
from diemcau_agent.rules.systems import Outcome, Seen, outcome, trouble_of
from diemcau_agent.rules.updating import Cue, Order, State, Step, Why
from diemcau_agent.updating import orders, releases
from diemcau_agent.updating.slots import Slots

from tests.system.updated_unit import NEW, NOW, OLD
from tests.unit.cut_short import cut_before
from tests.unit.slotted_box import BREAKS, BUNDLE, DEAD, SILENT, SlottedBox

# ── the rule ─────────────────────────────────────────────────────────────────────────────────────


def state(step: Step, *, back: bool = False) -> State:
    return State(step=step, order="o", version=NEW, former=OLD, system=NEW, back=back, at=NOW)


def seen(runs: str, *, good: bool = False, same: bool = False, chosen: bool = True, left: str = "") -> Seen:
    return Seen(runs=runs, good=good, same_start=same, chosen=chosen, left=left)


@pytest.mark.parametrize(
    ("step", "what", "cue", "why"),
    [
        (Step.FLIPPED, seen(NEW), Cue.LINKED, ""),
        (Step.FLIPPED, seen(OLD, same=True, chosen=False), None, ""),
        (Step.FLIPPED, seen(OLD, same=True), None, ""),  # told, and the box has not started again yet
        (Step.FLIPPED, seen(OLD, chosen=False), Cue.CUT, ""),
        (Step.FLIPPED, seen(OLD, chosen=False, left="fault of another order"), Cue.CUT, ""),
        (Step.FLIPPED, seen(OLD), Cue.FAILED, "boots"),
        (Step.FLIPPED, seen(OLD, left="fault camera_missing"), Cue.FAILED, "fault"),
        (Step.FLIPPED, seen("0.9.0"), Cue.FAILED, "boots"),
        (Step.GATING, seen(NEW), None, ""),
        (Step.GATING, seen(NEW, good=True), Cue.PASSED, ""),
        (Step.GATING, seen(OLD, good=True), Cue.FAILED, "boots"),
        (Step.GATING, seen(OLD, good=True, left="silent nobody"), Cue.FAILED, "silent"),
    ],
)
def test_what_runs_says_what_became_of_it(step: Step, what: Seen, cue: Cue | None, why: str) -> None:
    found = outcome(state(step), what)
    assert (found.cue, found.why) == (cue, why)


def test_who_was_to_go_back_and_could_not_still_runs_the_newer_one() -> None:
    assert outcome(state(Step.FLIPPED, back=True), seen(OLD)).cue is Cue.STAYED
    arrived = outcome(state(Step.FLIPPED, back=True), seen(NEW))
    assert arrived == Outcome(Cue.LINKED_BACK, Why.ORDERED)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("signature verification failed: Verify error: self-signed certificate", Why.SIGNATURE),
        ("Failed updating slot rootfs.1: failed to write: No space left on device", Why.DISK_FULL),
        ("Compatible mismatch: Expected 'diemcau-amd64' but bundle manifest has 'x'", Why.NO_WHEELS),
        ("Failed marking slot rootfs.1 non-bootable: bootloader", Why.LAYOUT),
        ("", Why.DAMAGED),
    ],
)
def test_what_rauc_says_is_a_word_that_releases_have(said: str, why: Why) -> None:
    assert trouble_of(said) is why


# ── the way of a system ──────────────────────────────────────────────────────────────────────────


@pytest.fixture
def box(tmp_path: Path) -> SlottedBox:
    return SlottedBox.flashed(tmp_path / "box")


def test_a_system_is_staged_in_the_background_and_started_when_it_is_wanted(box: SlottedBox) -> None:
    box.order(apply=False)
    assert box.go()
    assert (box.state.step, box.slot, box.runs) == (Step.STAGED, "A", OLD)
    assert Slots(box.places).other_holds() == NEW
    assert not list(box.places.systems.iterdir()), "what is in the slot takes no room a second time"
    box.start()
    assert box.slot == "A", "a power cut is no reason to start it"
    box.order()
    box.until_end()
    assert (box.state.step, box.slot, box.runs) == (Step.KEPT, "B", NEW)
    assert (box.state.fetched_bytes, box.installed) == (len(BUNDLE), 1)
    assert not box.places.order.exists() and not box.places.lease.exists()


@pytest.mark.parametrize(("does", "why"), [(BREAKS, "fault"), (SILENT, "silent"), (DEAD, "boots")])
def test_a_system_that_is_left_is_reported_and_not_tried_again(box: SlottedBox, does: str, why: str) -> None:
    box.does[NEW] = does
    order = box.order()
    box.until_end()
    assert (box.state.step, box.state.why, box.slot, box.runs) == (Step.BACK, why, "A", OLD)
    assert box.state.order == order.id and box.state.text
    box.start()
    assert box.go() and box.slot == "A"
    box.does[NEW] = "works"  # it was the room, and a person orders it once more
    orders.give(box.places, Order(id="again", version=NEW, apply=True), NOW)
    box.until_end()
    assert (box.state.step, box.slot, box.installed) == (Step.KEPT, "B", 1)


def test_no_meeting_is_cut_short_by_it(box: SlottedBox) -> None:
    meeting = Planned(
        id="m",
        opens_at=NOW + timedelta(minutes=110),
        ends_at=NOW + timedelta(hours=4),
        cap_at=NOW + timedelta(hours=5),
    )
    box.agenda(meeting)
    box.order()
    assert not box.go()
    assert (box.state.step, box.state.why, box.slot) == (Step.WAITING, "meeting", "A")
    assert Slots(box.places).other_holds() == NEW


def test_going_back_starts_the_system_from_before(box: SlottedBox) -> None:
    box.order()
    box.until_end()
    assert box.slot == "B"
    orders.give(box.places, orders.back(box.places), NOW)
    box.until_end()
    assert (box.state.step, box.state.why, box.slot, box.runs) == (Step.BACK, "ordered", "A", OLD)


def test_there_is_no_way_back_to_what_never_worked(box: SlottedBox) -> None:
    box.order(apply=False)
    assert box.go()
    with pytest.raises(orders.Busy):
        orders.back(box.places)


def test_the_system_that_runs_is_not_fetched_again(box: SlottedBox) -> None:
    box.order()
    box.until_end()
    orders.give(box.places, Order(id="again", version=NEW, apply=True), NOW)
    assert box.go()
    assert (box.state.step, len(box.served.begun_at)) == (Step.KEPT, 1)


def test_a_version_without_a_system_is_a_release_as_ever(box: SlottedBox) -> None:
    box.system = None
    path = box.places.wheels / "x"
    path.mkdir(parents=True)
    box.order(apply=False)
    assert box.go()
    assert box.state.system == "" and box.state.step is Step.REFUSED  # there are no wheels in this test
    assert box.state.why == "damaged"


def test_a_provisioned_machine_asks_for_no_system(box: SlottedBox) -> None:
    (box.places.root / "usr/lib/diemcau/image").unlink()
    box.with_hands(find_system=None)
    box.order(apply=False)
    assert box.go()
    assert box.state.system == ""


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────────


def test_a_line_that_breaks_off_goes_on_from_there(box: SlottedBox) -> None:
    box.served.cuts = [100_000, 1, 50_000]
    box.order()
    box.until_end()
    assert box.state.step is Step.KEPT
    assert box.served.begun_at == [0, 100_000, 100_001, 150_001]


def test_what_is_not_what_was_signed_is_refused(box: SlottedBox) -> None:
    box.served.bundle = BUNDLE[:-1] + b"!"
    box.order()
    assert box.go()
    assert (box.state.step, box.state.why, box.installed) == (Step.REFUSED, "damaged", 0)
    assert not list(box.places.systems.iterdir())


def test_what_rauc_refuses_is_refused(box: SlottedBox) -> None:
    box.rauc = "signature verification failed: Verify error: self-signed certificate"
    box.order()
    assert box.go()
    assert (box.state.step, box.state.why, box.state.text) == (Step.REFUSED, "signature", box.rauc)
    assert not list(box.places.systems.iterdir())


def test_a_full_disk_is_said(box: SlottedBox, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(box.places.root)._replace(free=len(BUNDLE))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    box.order()
    assert box.go()
    assert (box.state.step, box.state.why) == (Step.REFUSED, "disk_full")


def test_nobody_there_who_may(box: SlottedBox) -> None:
    box.as_root = False
    box.order()
    assert box.go()
    assert (box.state.step, box.state.why) == (Step.REFUSED, "layout")
    box.as_root = True
    orders.give(box.places, Order(id="stage", version=NEW), NOW)
    assert box.go()
    assert box.state.step is Step.STAGED
    box.as_root = False
    orders.give(box.places, Order(id="stage", version=NEW, apply=True), NOW)
    assert box.go()
    assert (box.state.step, box.state.why, box.slot) == (Step.REFUSED, "layout", "A")


def test_something_else_was_put_into_the_slot_meanwhile(box: SlottedBox) -> None:
    box.order(apply=False)
    assert box.go()
    (box.places.root / "data/rauc.status").write_text("[slot.rootfs.1]\nbundle.version=7.0.0\nstatus=ok\n")
    box.order()
    box.until_end()
    assert (box.state.step, box.slot, box.installed) == (Step.KEPT, "B", 2)


def test_somebody_started_the_other_system_by_hand(box: SlottedBox) -> None:
    box.order(apply=False)
    assert box.go()
    box.boot_loader({"order": "BA", "A": [1, 0], "B": [1, 0]})
    box.start()
    box.judge()
    box.order()
    box.until_end()
    assert (box.state.step, box.state.system, box.slot) == (Step.KEPT, "", "B")


# as RAUC 1.8 writes it
_STATUS = """[slot.rootfs.0]
activated.timestamp=2026-11-23T13:22:15Z
activated.count=1

[slot.rootfs.1]
bundle.compatible=diemcau-amd64
bundle.version=1.2.3
status=ok
sha256=9fc81c46abec6d19ecc9a0bb34590b1aa9a98dd6ac40670056a0f7ebf7785290
size=40960
installed.timestamp=2026-11-23T13:25:00Z
installed.count=1
"""


def test_what_a_slot_holds_is_what_rauc_wrote_there_or_what_was_flashed(box: SlottedBox) -> None:
    (box.places.root / "data/rauc.status").write_text(_STATUS)
    assert Slots(box.places).other_holds() == "1.2.3"
    (box.places.root / "proc/cmdline").write_text("rauc.slot=B")
    assert Slots(box.places).other_holds() == OLD
    assert Slots(box.places).proven_before() == (OLD, OLD)


@pytest.mark.parametrize(
    "text", ["", "[slot", "\x00\xff", "[slot.rootfs.1]\nbundle.version\nstatus=ok", "a=b"]
)
def test_a_status_nobody_understands_holds_nothing(box: SlottedBox, text: str) -> None:
    (box.places.root / "data/rauc.status").write_text(text)
    assert Slots(box.places).other_holds() == ""
    assert Slots(box.places).proven_before() is None


# ── power cuts ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("does", "end", "runs"), [("works", Step.KEPT, NEW), (BREAKS, Step.BACK, OLD)])
def test_a_power_cut_anywhere_leads_to_the_same_end(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    does: str,
    end: Step,
    runs: str,
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # the cut is of the process: the kernel lives on

    def box_at(root: Path) -> SlottedBox:
        found = SlottedBox(root)
        found.does[NEW] = does
        return found

    laid = SlottedBox.flashed(tmp_path / "laid")
    if does == BREAKS:  # until it is staged it is the same
        laid.order(apply=False)
        assert laid.go()
    laid.order()

    def prepare(number: int) -> Path:
        return Path(shutil.copytree(tmp_path / "laid", tmp_path / f"box-{number}", symlinks=True))

    def act(root: Path) -> None:
        again = box_at(root)
        again.start()
        again.until_end()

    cuts = 0
    # every second write, each a step of its own kind: here those before the renames, there the renames
    for number in range(1 if does == "works" else 2, 1000, 2):
        root = prepare(number)
        if not cut_before(number, root, act):
            break
        if number % 6 < 2:  # and once more on the way on
            cut_before(3 + number % 7, root, act)
        cuts += 1
        act(root)
        found = box_at(root)
        assert (found.state.step, releases.running(found.places)) == (end, runs), number
        assert found.slot == ("B" if runs == NEW else "A")
        assert not list(found.places.systems.iterdir())
        shutil.rmtree(root)
    with capsys.disabled():
        print(f"\npower cuts in a system that ends {end}: {cuts} points")
    assert cuts >= 30
