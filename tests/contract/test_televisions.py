"""What every television does, whatever switches it: the fake, the CEC driver on a bus of messages, and the
CEC driver on a real adapter where there is one.

For the last, DIEMCAU_TV_CEC names the television's side of a pair of adapters (vivid's /dev/cec0, with
`cec-ctl --tv` on it) and DIEMCAU_UNIT_CEC the unit's side.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from diemcau_agent.drivers.cec import CecTelevision, osd_name
from diemcau_agent.drivers.cec_adapter import TELEVISION, Answer, Opcode
from diemcau_agent.drivers.televisions import (
    Power,
    Television,
    TelevisionLost,
    TelevisionState,
    open_television,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.bus_television import HERE, BusTelevision

LAG_S = 40.0


class Stage(Protocol):
    """A television that can be handled from outside. It stands in standby at first, on another input."""

    television: Television

    def put_on(self) -> None: ...
    def change_input(self) -> None: ...
    def fall_silent(self) -> None: ...
    def end(self) -> None: ...


class FakeStage:
    def __init__(self, folder: Path) -> None:
        self._path = folder / "television.json"
        self._set(power="standby", shows=2, lag_s=0.2)
        opened = open_television(f"fake:{self._path}")
        assert opened is not None
        self.television: Television = opened

    def put_on(self) -> None:
        self._set(power="on")

    def change_input(self) -> None:
        self._set(shows=2)

    def fall_silent(self) -> None:
        self._set(answers=False)

    def end(self) -> None:
        self.television.close()

    def _set(self, **changes: object) -> None:
        before = json.loads(self._path.read_text()) if self._path.exists() else {}
        self._path.write_text(json.dumps({**before, **changes}))


class BusStage:
    def __init__(self) -> None:
        self.bus = BusTelevision()
        self.television: Television = CecTelevision(self.bus, answer_s=0.1)

    def put_on(self) -> None:
        self.bus.power = 0

    def change_input(self) -> None:
        self.bus.show_elsewhere()

    def fall_silent(self) -> None:
        self.bus.answers = False

    def end(self) -> None:
        self.television.close()


class RealStage:
    """vivid: the television is a cec-follower on the other side of the cable."""

    def __init__(self, theirs: str, ours: str) -> None:
        self._theirs = theirs
        self._follower: subprocess.Popen[bytes] | None = None
        self._ctl("--clear")
        self._ctl("--tv", "--osd-name", "TV")
        self._follow("--standby")
        opened = open_television(f"cec:{ours}")
        assert opened is not None
        self.television: Television = opened
        eventually(lambda: self.television.state().power is Power.STANDBY)

    def put_on(self) -> None:
        self._stop()
        self._follow()
        eventually(lambda: self.television.state().power is Power.ON)

    def change_input(self) -> None:
        self._ctl("--to", "15", "--active-source", "phys-addr=0.0.0.0")

    def fall_silent(self) -> None:
        self._stop()
        self._ctl("--clear")

    def end(self) -> None:
        self.television.close()
        self._stop()

    def _ctl(self, *arguments: str) -> None:
        subprocess.run(["cec-ctl", "-d", self._theirs, *arguments], check=True, capture_output=True)

    def _follow(self, *arguments: str) -> None:
        self._follower = subprocess.Popen(
            ["cec-follower", "-d", self._theirs, "-n", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _stop(self) -> None:
        if self._follower is not None:
            self._follower.terminate()
            self._follower.wait(10)
            self._follower = None


@pytest.fixture(params=["fake", "bus", "real"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    if request.param == "real" and "DIEMCAU_TV_CEC" not in os.environ:
        pytest.skip("no pair of CEC adapters here: DIEMCAU_TV_CEC, DIEMCAU_UNIT_CEC")
    made: Stage
    if request.param == "fake":
        made = FakeStage(tmp_path)
    elif request.param == "bus":
        made = BusStage()
    else:
        made = RealStage(os.environ["DIEMCAU_TV_CEC"], os.environ["DIEMCAU_UNIT_CEC"])
    yield made
    made.end()


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LAG_S
    while not true():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.05)


def test_it_stands_by_says_who_it_is_and_turns_on(stage: Stage) -> None:
    assert stage.television.state() == TelevisionState(Power.STANDBY, None, "TV")
    stage.television.turn_on()
    assert stage.television.state().power in (Power.STANDBY, Power.TURNING_ON, Power.ON)
    eventually(lambda: stage.television.state().power is Power.ON)


def test_it_shows_us_until_somebody_changes_the_input(stage: Stage) -> None:
    stage.put_on()
    stage.television.show_us()
    eventually(lambda: stage.television.state().ours is True)
    stage.change_input()
    eventually(lambda: stage.television.state().ours is False)
    stage.television.show_us()
    eventually(lambda: stage.television.state().ours is True)


def test_it_goes_to_standby(stage: Stage) -> None:
    stage.put_on()
    eventually(lambda: stage.television.state().power is Power.ON)
    stage.television.stand_by()
    eventually(lambda: stage.television.state().power is Power.STANDBY)


def test_what_it_does_when_nobody_answers(stage: Stage) -> None:
    stage.fall_silent()
    assert stage.television.state().power is Power.UNKNOWN
    for order in (stage.television.turn_on, stage.television.show_us, stage.television.stand_by):
        with pytest.raises(TelevisionLost) as lost:
            order()
        assert lost.value.why == "silent"


@pytest.mark.parametrize("control", ["lamp", "cec:nowhere", "fake:/nowhere", "fake:", "cec:/dev/null", ""])
def test_a_control_nobody_knows_is_said(control: str) -> None:
    with pytest.raises(TelevisionLost) as lost:
        open_television(control)
    assert lost.value.why in ("missing", "lost") and str(lost.value)


def test_no_television() -> None:
    assert open_television("none") is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"colour": 1}', '{"lag_s": "x"}', '{"plugged": false}', '{"shows": "2"}', "\x00"]
)
def test_a_fake_that_is_no_television(text: str, tmp_path: Path) -> None:
    (tmp_path / "tv").write_text(text)
    with pytest.raises(TelevisionLost, match=r"\w"):
        open_television(f"fake:{tmp_path / 'tv'}")


# ── what only a bus can do ───────────────────────────────────────────────────────────────────────


@pytest.fixture
def bus() -> BusTelevision:
    return BusTelevision()


@pytest.fixture
def cec(bus: BusTelevision) -> Iterator[CecTelevision]:
    made = CecTelevision(bus, answer_s=0.05)
    yield made
    made.close()


def test_states_lag(bus: BusTelevision, cec: CecTelevision) -> None:
    cec.turn_on()
    bus.power_after.extend([1, 1, 2])
    said = [cec.state().power for _ in range(4)]
    assert said == [Power.STANDBY, Power.STANDBY, Power.TURNING_ON, Power.ON]


def test_one_that_refuses_image_view_on_gets_text_view_on(bus: BusTelevision, cec: CecTelevision) -> None:
    bus.refuses.add(Opcode.IMAGE_VIEW_ON)
    cec.turn_on()
    assert cec.state().power is Power.ON


def test_one_that_refuses_both_says_so(bus: BusTelevision, cec: CecTelevision) -> None:
    bus.refuses |= {Opcode.IMAGE_VIEW_ON, Opcode.TEXT_VIEW_ON, Opcode.STANDBY}
    for order in (cec.turn_on, cec.show_us, cec.stand_by):
        with pytest.raises(TelevisionLost) as lost:
            order()
        assert lost.value.why == "refused"


def test_nobody_knows_whose_picture_it_is_until_we_have_said(bus: BusTelevision, cec: CecTelevision) -> None:
    bus.power = 0
    assert cec.state().ours is None
    cec.show_us()
    assert cec.state().ours is True
    bus.say(Opcode.STANDBY)
    eventually(lambda: cec.state().ours is None)


def test_a_source_answers_what_a_source_must(bus: BusTelevision, cec: CecTelevision) -> None:
    bus.say(Opcode.SET_STREAM_PATH, *HERE.to_bytes(2, "big"))
    bus.say(Opcode.REQUEST_ACTIVE_SOURCE)
    bus.say(Opcode.GIVE_DEVICE_POWER_STATUS)
    here = bytes([Opcode.ACTIVE_SOURCE, 0x10, 0x00])
    eventually(lambda: bus.from_us.count(here) == 2)
    eventually(lambda: bytes([Opcode.REPORT_POWER_STATUS, 0]) in bus.from_us)


def test_unplugged_and_plugged_in_again(bus: BusTelevision, cec: CecTelevision) -> None:
    bus.power = 0
    cec.show_us()
    bus.plugged = False
    for call in (cec.state, cec.turn_on, cec.show_us, cec.stand_by):
        with pytest.raises(TelevisionLost) as lost:
            call()
        assert lost.value.why == "missing"
    bus.plugged = True
    assert cec.state() == TelevisionState(Power.ON, None, "TV")


def test_the_adapter_is_closed_with_it(bus: BusTelevision) -> None:
    CecTelevision(bus, answer_s=0.05).close()
    eventually(lambda: bus.closed)
    unplugged = BusTelevision()
    unplugged.plugged = False
    with pytest.raises(TelevisionLost):
        CecTelevision(unplugged)
    assert unplugged.closed


@given(st.binary(max_size=15), st.binary(max_size=15))
def test_garbage_answers_are_refused(power: bytes, name: bytes) -> None:
    bus = BusTelevision()
    bus.says = {
        Opcode.GIVE_DEVICE_POWER_STATUS: Answer(True, body=power),
        Opcode.GIVE_OSD_NAME: Answer(True, body=name),
    }
    cec = CecTelevision(bus, answer_s=0.0)
    cec.close()
    state = cec.state()
    right = len(power) == 2 and power[0] == Opcode.REPORT_POWER_STATUS and power[1] < 4
    assert (state.power is not Power.UNKNOWN) is right
    assert state.name.isascii() and len(state.name) <= 14
    assert osd_name(Answer(True, body=name)).isprintable()


def test_garbage_on_the_bus_changes_nothing(bus: BusTelevision, cec: CecTelevision) -> None:
    bus.power = 0
    cec.show_us()
    for body in (b"", b"\x82", b"\x82\x10", b"\x80\x10\x00\x20", b"\xff" * 15, bytes(15)):
        bus.say(*body)
    bus.say(Opcode.GIVE_DEVICE_POWER_STATUS, sender=TELEVISION)
    eventually(lambda: bytes([Opcode.REPORT_POWER_STATUS, 0]) in bus.from_us)
    assert cec.state().ours is True
