"""When a hall's television is ours, what is tried to make it so, and that it is given back."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from diemcau_agent.drivers.television_state import Power, TelevisionState
from diemcau_agent.rules import television as rules
from diemcau_agent.rules.television import TRIES, Keeping, Order, Outcome, Want, want
from diemcau_agent.unit import television as service
from diemcau_agent.unit.television import HallTelevision
from diemcau_wire.messages import Mode, SessionState
from hypothesis import given
from hypothesis import strategies as st

from .test_agent_session import Driver, in_meeting, meeting

ON, STANDBY = TelevisionState(Power.ON, None), TelevisionState(Power.STANDBY)
OURS, THEIRS = TelevisionState(Power.ON, True), TelevisionState(Power.ON, False)
TURNING_ON, SILENT = TelevisionState(Power.TURNING_ON), TelevisionState(Power.UNKNOWN)


# ── when ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("minutes", "wanted"),
    [
        (-300, Want.FREE),
        (-40, Want.HELD),
        (-26, Want.HELD),
        (-24, Want.OURS),
        (-5, Want.OURS),
        (30, Want.OURS),
    ],
)
def test_from_ten_minutes_before_a_meeting_opens(minutes: float, wanted: Want) -> None:
    one = meeting(opens=15)
    driver = Driver(one, start=minutes)
    assert want(driver.session, [one], driver.now) is wanted


def test_until_the_goodbye_is_over() -> None:
    one = meeting()
    driver = in_meeting(one)
    closed = one.model_copy(update={"closed": True})
    driver.take(driver.session.desired("a", [closed], driver.now))
    assert driver.session.state is SessionState.LEAVING
    assert want(driver.session, [closed], driver.now) is Want.OURS
    driver.until(10)
    assert want(driver.session, [closed], driver.now) is Want.FREE


def test_while_an_urgent_meeting_rings_and_not_when_it_was_declined() -> None:
    one = meeting("u", 0, 120, opens=1, urgent=True)
    driver = Driver(one, start=-1)
    assert want(driver.session, [one], driver.now) is Want.OURS
    driver.take(driver.session.decline("u", driver.now)[1])
    assert want(driver.session, [one], driver.now) is Want.FREE


def test_a_meeting_on_another_system_has_the_television() -> None:
    held = meeting("h", -30, 60, mode=Mode.ELSEWHERE, join=None)
    one = meeting(starts=10)
    driver = Driver(held, one, start=0)
    assert want(driver.session, [held, one], driver.now) is Want.HELD


# ── what is tried ────────────────────────────────────────────────────────────────────────────────


def test_a_slow_television_is_turned_on_once_and_shown_us() -> None:
    keeping = Keeping()
    keeping.wanted(Want.OURS)
    said = [
        keeping.see(state, float(second)) for second, state in enumerate([STANDBY] * 6 + [TURNING_ON] * 4)
    ]
    assert said == [Order.TURN_ON] + [None] * 9
    assert keeping.see(ON, 12.0) is Order.SHOW_US and keeping.see(OURS, 13.0) is None
    assert keeping.take_outcomes() == [Outcome("television_input", done=True)] and keeping.turned_on


def test_one_that_does_not_obey_is_given_up_and_said_once() -> None:
    keeping = Keeping()
    keeping.wanted(Want.OURS)
    orders = [order for second in range(3600) if (order := keeping.see(STANDBY, float(second)))]
    assert orders == [Order.TURN_ON] * TRIES
    assert keeping.take_outcomes() == [Outcome("television_off", done=False)]


def test_one_that_never_answers_is_told_blindly_and_given_up() -> None:
    keeping = Keeping()
    keeping.wanted(Want.OURS)
    orders = [order for second in range(3600) if (order := keeping.see(SILENT, float(second)))]
    assert orders == [Order.SHOW_US] * TRIES
    assert [outcome.what for outcome in keeping.take_outcomes()] == ["television_silent"]


def test_what_somebody_changes_in_the_meeting_is_put_back_once() -> None:
    keeping = Keeping()
    keeping.wanted(Want.OURS)
    assert keeping.see(OURS, 0.0) is None
    assert keeping.see(THEIRS, 60.0) is Order.SHOW_US
    assert keeping.see(OURS, 70.0) is None
    assert [keeping.see(THEIRS, float(second)) for second in range(100, 4000, 50)] == [None] * 78


def test_it_goes_back_to_standby_only_if_we_turned_it_on() -> None:
    keeping = Keeping()
    for first, order in ((OURS, None), (STANDBY, Order.STAND_BY)):
        keeping.wanted(Want.OURS)
        keeping.see(first, 0.0)
        keeping.wanted(Want.FREE)
        assert keeping.see(OURS, 20.0) is order
    assert keeping.see(STANDBY, 40.0) is None and not keeping.turned_on and not keeping.needs_look()


def test_nobody_loses_what_they_watch() -> None:
    keeping = Keeping(turned_on=True)
    assert keeping.needs_look() and keeping.see(THEIRS, 0.0) is None
    assert not keeping.turned_on and keeping.see(OURS, 20.0) is None
    keeping.wanted(Want.HELD)
    assert [keeping.see(state, 0.0) for state in (STANDBY, THEIRS, SILENT)] == [None] * 3


def test_one_a_remedy_turned_on_is_ours_to_turn_off() -> None:
    keeping = Keeping()
    keeping.wanted(Want.HELD)
    keeping.ordered_by_others(ON)
    assert not keeping.turned_on
    keeping.ordered_by_others(STANDBY)
    keeping.wanted(Want.FREE)
    assert keeping.see(ON, 0.0) is Order.STAND_BY


@given(
    st.lists(
        st.tuples(
            st.sampled_from(Want),
            st.builds(TelevisionState, st.sampled_from(Power), st.sampled_from([True, False, None])),
            st.floats(0, 60),
        ),
        max_size=60,
    )
)
def test_it_is_never_hurried_nor_touched_when_it_is_not_ours(steps: list[Any]) -> None:
    keeping, now_s, last, before = Keeping(), 0.0, -1e9, Want.FREE
    for wanted, state, pause_s in steps:
        now_s += pause_s
        keeping.wanted(wanted)
        turned_on = keeping.turned_on
        order = keeping.see(state, now_s)
        if wanted is not before:
            last = -1e9
        before = wanted
        if order is None:
            continue
        assert wanted is not Want.HELD
        assert (order is Order.STAND_BY) == (wanted is Want.FREE)
        assert order is not Order.STAND_BY or turned_on
        assert now_s - last >= rules.PATIENCE_S
        last = now_s


# ── the service ──────────────────────────────────────────────────────────────────────────────────


class Room:
    """A fake television, what is wanted of it, and the events."""

    def __init__(self, folder: Path, **effects: Any) -> None:
        self.path = folder / "tv.json"
        self.path.write_text(json.dumps({"power": "standby", "shows": 2, **effects}))
        self.want = Want.FREE
        self.events: list[dict[str, object]] = []
        self.television = HallTelevision(
            folder / "mark",
            control=lambda: f"fake:{self.path}",
            want=lambda: self.want,
            record=lambda kind, meeting, data: self.events.append(data),
        )

    def now(self, key: str) -> Any:
        return json.loads(self.path.read_text())[key]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "LOOK_S", 0.02)
    monkeypatch.setattr(rules, "WATCH_S", 0.02)
    monkeypatch.setattr(service, "_IDLE_S", 0.01)


async def until(true: Callable[[], bool]) -> None:
    for _ in range(2000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never became true")


def played(play: Callable[[], Any], room: Room) -> None:
    async def whole() -> None:
        running = asyncio.create_task(room.television.run())
        try:
            await play()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(whole())


def test_on_for_a_meeting_and_back_to_standby(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "PATIENCE_S", 0.1)
    room = Room(tmp_path, lag_s=0.1)

    async def play() -> None:
        await asyncio.sleep(0.1)
        assert room.now("power") == "standby"
        room.want = Want.OURS
        await until(lambda: room.now("power") == "on" and room.now("shows") == 1 and bool(room.events))
        assert room.events[0]["done"] is True and (tmp_path / "mark").exists()
        room.want = Want.FREE
        await until(lambda: room.now("power") == "standby" and not (tmp_path / "mark").exists())

    played(play, room)


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    (tmp_path / "mark").touch()
    room = Room(tmp_path, power="on", shows=1)

    async def play() -> None:
        await until(lambda: room.now("power") == "standby")

    played(play, room)


def test_what_a_check_asks(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.want = Want.HELD

    async def play() -> None:
        state = await room.television.state()
        assert state is not None and state.power is Power.STANDBY
        await room.television.turn_on()
        await room.television.show_us()
        assert await room.television.state() == TelevisionState(Power.ON, True, "TV")
        room.want = Want.FREE
        await until(lambda: room.now("power") == "standby")

    played(play, room)


def test_a_control_that_hangs_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_HANG_S", 0.05)
    room = Room(tmp_path, hang_s=0.3)

    async def play() -> None:
        for _ in range(2):
            with pytest.raises(OSError, match="hangs"):
                await room.television.state()
        room.path.write_text("{}")
        monkeypatch.setattr(service, "_HANG_S", 30.0)
        await asyncio.sleep(0.5)
        for _ in range(100):
            with contextlib.suppress(OSError):
                assert await room.television.state() is not None
                return
            await asyncio.sleep(0.1)
        raise AssertionError("it never came back")

    played(play, room)
