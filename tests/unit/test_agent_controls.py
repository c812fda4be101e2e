"""Mute, stop and a raised hand: what people in the hall decide wins over the floor."""

from datetime import UTC, datetime, timedelta

from diemcau_agent.rules.actions import Action, Emit, SendFloor, StartMedia
from diemcau_agent.rules.controls import Control, Controls
from diemcau_agent.rules.live import Live
from diemcau_agent.rules.session import Session
from diemcau_agent.rules.visit import Visit
from diemcau_wire.messages import Device, EventKind, Floor, Occurrence
from hypothesis import given
from hypothesis import strategies as st

T0 = datetime(2026, 3, 12, 1, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def meeting(id: str = "m", starts_s: float = 0, **more: object) -> Occurrence:
    start = T0 + starts_s * SECOND
    return Occurrence.model_validate(
        {
            "id": id,
            "title": "Giao ban",
            "opens_at": start,
            "starts_at": start,
            "ends_at": start + 3600 * SECOND,
            "cap_at": start + 7200 * SECOND,
            "main_site": "main",
            "main_site_name": "Điểm cầu chính",
            "join": {"url": "wss://198.51.100.1:1", "room": id, "pin": "123456"},
            **more,
        }
    )


def kinds(actions: list[Action]) -> list[str]:
    return [action.kind.value for action in actions if isinstance(action, Emit)]


def floors(actions: list[Action]) -> list[tuple[bool, bool, bool]]:
    return [(a.slots.speaking, a.mic, a.camera) for a in actions if isinstance(a, SendFloor)]


class InMeeting:
    """A unit of site `a` that has joined; `said` is what it kept of an earlier run."""

    def __init__(self, *said: tuple[str, EventKind, bool]) -> None:
        self.session = Session(chance=lambda: 0.0, visit=Visit("m", connected=False), controls=Controls(said))
        self.now = T0 + 10 * SECOND
        self.first = self.session.desired("a", [meeting()], self.now)
        while not any(isinstance(action, StartMedia) for action in self.first):
            self.now += SECOND
            self.first += self.session.tick(self.now)
        self.first += self.session.media_joined(100, self.now)

    def floor(self, seq: int, *speakers: str) -> list[Action]:
        message = Floor(unit="u1", meeting="m", seq=seq, speakers=list(speakers), at=self.now)
        return self.session.heard_floor(message, self.now)[1]

    def press(self, control: Control, on: bool | None = None) -> list[Action]:
        refused, actions = self.session.press(control, on, self.now)
        assert refused is None
        return actions


def test_a_mute_closes_the_microphone_and_keeps_the_floor() -> None:
    hall = InMeeting()
    assert kinds(hall.floor(1, "a")) == ["floor_taken"]
    muted = hall.press(Control.MUTE)
    assert kinds(muted) == ["local_mute"] and floors(muted) == [(True, False, True)]
    assert not hall.session.mic_open(hall.now)
    assert floors(hall.floor(2, "a")) == [], "the floor again opens nothing"
    assert floors(hall.floor(3, "b") + hall.floor(4, "a")) == [(False, False, True), (True, False, True)]
    freed = hall.press(Control.MUTE)
    assert kinds(freed) == ["local_mute"] and floors(freed) == [(True, True, True)]
    assert hall.press(Control.MUTE, on=False) == [], "it is not muted"


def test_a_stop_closes_both_and_outlives_every_fresh_process() -> None:
    hall = InMeeting()
    hall.floor(1, "a")
    assert floors(hall.press(Control.STOP)) == [(True, False, False)]
    hall.session.media_ended("janus_lost", "", hall.now)
    again: list[Action] = []
    while not floors(again):
        hall.now += SECOND
        again += hall.session.tick(hall.now)
    assert floors(again)[-1][1:] == (False, False) and hall.session.local.stopped


def test_a_power_cut_undoes_no_stop() -> None:
    hall = InMeeting(("m", EventKind.LOCAL_MUTE, True), ("m", EventKind.LOCAL_STOP, True))
    assert hall.session.local.stopped and floors(hall.first)[-1] == (False, False, False)
    assert InMeeting(("m", EventKind.LOCAL_STOP, True), ("m", EventKind.LOCAL_STOP, False)).session.local == (
        InMeeting().session.local
    )


def test_a_stop_ends_with_its_meeting() -> None:
    hall = InMeeting()
    hall.press(Control.STOP)
    hall.session.desired("a", [meeting(closed=True), meeting("next", 120)], hall.now)
    hall.now += 60 * SECOND
    hall.session.tick(hall.now)
    assert hall.session.meeting is not None and hall.session.meeting.id == "next"
    assert not hall.session.local.stopped


def test_an_urgent_meeting_between_does_not_undo_it() -> None:
    hall = InMeeting()
    hall.press(Control.STOP)
    urgent = meeting("urgent", 30, urgent=True)
    hall.session.desired("a", [meeting(), urgent], hall.now)
    while hall.session.meeting is None or hall.session.meeting.id != "urgent":
        hall.now += SECOND
        hall.session.tick(hall.now)
    assert not hall.session.local.stopped, "the urgent one was told of by its own chime and countdown"
    hall.session.desired("a", [meeting(), meeting("urgent", 30, urgent=True, closed=True)], hall.now)
    while hall.session.meeting is None or hall.session.meeting.id != "m":
        hall.now += SECOND
        hall.session.tick(hall.now)
    assert hall.session.local.stopped


def test_the_hand_goes_down_with_the_floor_and_only_in_a_meeting() -> None:
    hall = InMeeting()
    assert kinds(hall.press(Control.HAND)) == ["hand_raised"]
    assert kinds(hall.floor(1, "a")) == ["floor_taken", "hand_lowered"] and not hall.session.local.hand
    outside = Session(chance=lambda: 0.0)
    outside.desired("a", [meeting(starts_s=600)], T0)
    assert outside.press(Control.HAND, None, T0)[0] == "no_meeting_near"
    assert outside.press(Control.STOP, None, T0)[0] is None, "before the meeting it can be stopped already"
    idle = Session(chance=lambda: 0.0)
    assert idle.press(Control.MUTE, True, T0) == ("no_meeting_near", [])


@given(st.lists(st.tuples(st.sampled_from(["m", "n"]), st.sampled_from(list(Control)), st.booleans())))
def test_what_is_kept_is_what_was_said(presses: list[tuple[str, Control, bool]]) -> None:
    controls, said = Controls(), []
    for of, control, on in presses:
        for emit in controls.press(control, on, of):
            if "on" in emit.data:
                said.append((of, emit.kind, bool(emit.data["on"])))
    again = Controls(said)
    for of in ("m", "n"):
        before, after = controls.of(of), again.of(of)
        assert (before.muted, before.stopped) == (after.muted, after.stopped)


@given(st.lists(st.tuples(st.sampled_from([Device.CAMERA, Device.MICROPHONE]), st.sampled_from("+-!"))))
def test_every_opening_is_told_once_and_so_is_its_end(changes: list[tuple[Device, str]]) -> None:
    live, told = Live(), []
    for device, change in changes:
        emits = live.gone(None) if change == "!" else live.told(device, change == "+", None)
        told += [emit.kind.value for emit in emits]
    told += [emit.kind.value for emit in live.gone(None)]
    for device in ("camera", "microphone"):
        own = [kind for kind in told if kind.startswith(device)]
        assert own == [f"{device}_opened", f"{device}_closed"] * (len(own) // 2)


def test_a_hand_that_the_chair_lowers_goes_down_in_the_hall() -> None:
    hall = InMeeting()

    def says(hand: bool | None) -> bool:
        message = Floor(unit="u1", meeting="m", seq=1, speakers=["b"], hand=hand, at=hall.now)
        assert kinds(hall.session.heard_floor(message, hall.now)[1]) == []
        return hall.session.local.hand

    assert kinds(hall.press(Control.HAND)) == ["hand_raised"]
    assert says(False), "the controller has not heard of it yet"
    assert says(True)
    assert not says(False), "the chair lowered it"
    assert not says(False)
    assert says(True), "raised on a phone"
    assert kinds(hall.press(Control.HAND)) == ["hand_lowered"]
    assert not says(True), "the controller has not heard of it yet"
    assert not says(None) and not says(False)
    assert says(True)
