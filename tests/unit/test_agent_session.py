"""The session state machine: from countdown to goodbye, with everything that goes wrong between."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from diemcau_agent.checks import Finding
from diemcau_agent.rules.actions import (
    Action,
    Emit,
    EndCheck,
    SendFloor,
    StartCheck,
    StartChime,
    StartMedia,
    StopChime,
    StopMedia,
)
from diemcau_agent.rules.session import Session
from diemcau_agent.rules.transitions import TRANSITIONS, Cue
from diemcau_agent.rules.verdict import Verdict
from diemcau_agent.rules.view import show
from diemcau_agent.rules.visit import Visit
from diemcau_agent.screen.show import parse_show
from diemcau_wire.messages import EventKind, Floor, Occurrence, SessionState
from hypothesis import given, settings
from hypothesis import strategies as st

T0 = datetime(2026, 3, 12, 1, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
S = SessionState


def at(minute: float) -> datetime:
    return T0 + minute * MINUTE


def meeting(id: str = "m", starts: float = 0, ends: float = 60, opens: float = 2, **more: Any) -> Occurrence:
    return Occurrence.model_validate(
        {
            "id": id,
            "title": "Giao ban",
            "opens_at": at(starts - opens),
            "starts_at": at(starts),
            "ends_at": at(ends),
            "cap_at": at(ends + 60),
            "main_site": "main",
            "main_site_name": "Điểm cầu chính",
            "join": {"url": "wss://198.51.100.1:1", "room": id, "pin": "123456"},
            **more,
        }
    )


class Driver:
    """Obeys a session and writes down what it was told. With `checks` a check finds nothing, at once."""

    def __init__(
        self, *meetings: Occurrence, me: str = "a", start: float = -60, checks: bool = True, **more: Any
    ) -> None:
        self.session = Session(chance=lambda: 0.5, **more)
        self.now = at(start)
        self.checks = checks
        self.events: list[tuple[str, str | None]] = []
        self.verdicts: list[str] = []
        self.actions: list[Action] = []
        self.media = False
        self.check = False
        self.chime = False
        self.me = me
        self.take(self.session.desired(me, meetings, self.now))

    def take(self, actions: list[Action]) -> list[Action]:
        for action in actions:
            match action:
                case Emit(EventKind.VERDICT, _, data):
                    self.verdicts.append(data["verdict"])
                case Emit(kind, of, _):
                    self.events.append((kind.value, of))
                case StartMedia():
                    assert not self.check, "two processes want the camera"
                    self.media = True
                case StopMedia():
                    self.media = False
                case StartCheck():
                    assert not self.media, "two processes want the camera"
                    self.check = True
                case EndCheck():
                    self.check = False
                case StartChime(_, in_meeting):
                    assert in_meeting is self.media and not self.check
                    self.chime = True
                case StopChime(in_meeting):
                    assert in_meeting is self.media
                    self.chime = False
                case SendFloor():
                    assert self.media
        self.actions += actions
        if actions:
            view_of(self)
        return actions

    def until(self, minute: float, step_s: float = 0.25) -> None:
        while self.now < at(minute):
            self.now = min(self.now + timedelta(seconds=step_s), at(minute))
            self.tick()

    def tick(self) -> list[Action]:
        if self.check and self.checks:
            self.checked()
        if self.session.state is S.IN_MEETING and self.media:
            self.take(self.session.media_stats([("main", 100)], self.now))
        return self.take(self.session.tick(self.now))

    def checked(self, *findings: str) -> None:
        self.check = False
        self.take(self.session.checked([Finding(f) for f in findings], self.now))

    def join(self) -> None:
        assert self.media
        self.take(self.session.media_joined(700, self.now))

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events]


def in_meeting(*meetings: Occurrence, **more: Any) -> Driver:
    driver = Driver(*(meetings or (meeting(),)), **more)
    driver.until(-2.9, 10)
    driver.until(-1.9)
    driver.join()
    assert driver.session.state is S.IN_MEETING
    return driver


def view_of(driver: Driver) -> dict[str, Any]:
    line = show(driver.session, None, [], unit="u1", link=True, mic_open=False, now=driver.now)
    parse_show(line)  # whatever happens, the screen must understand it
    return line


def test_every_transition_is_listed_and_anything_else_does_nothing() -> None:
    for state in S:
        for cue in Cue:
            session = Session(chance=lambda: 0.0)
            session.state = state
            assert session._move(cue) is ((state, cue) in TRANSITIONS)
            assert session.state is TRANSITIONS.get((state, cue), state)


def test_from_countdown_to_goodbye() -> None:
    driver = Driver(meeting())
    driver.until(-16, 10)
    assert driver.session.state is S.IDLE and view_of(driver)["view"] == "idle"
    driver.until(-15, 10)
    assert driver.session.state is S.COUNTDOWN and view_of(driver)["view"] == "countdown"
    assert driver.session.readiness.verdict is Verdict.READY
    driver.until(-2.001)
    assert not driver.media
    driver.until(-1.9)
    assert driver.media and driver.session.state is S.JOINING
    driver.join()
    assert view_of(driver)["view"] == "meeting"
    driver.until(10, 5)
    driver.take(driver.session.desired("a", [meeting(closed=True)], driver.now))
    assert not driver.media and view_of(driver)["view"] == "goodbye"
    driver.until(10.2)
    assert driver.session.state is S.IDLE and view_of(driver)["view"] == "idle"
    assert driver.kinds() == ["joined", "left"]


def test_a_meeting_that_begins_at_once_is_joined_without_a_check() -> None:
    driver = Driver(meeting(opens=0), start=-0.1)
    driver.until(0.05)
    assert driver.media and not any(isinstance(action, StartCheck) for action in driver.actions)


def test_a_check_that_runs_when_the_meeting_opens_gives_way() -> None:
    driver = Driver(meeting(opens=0), start=-1, checks=False)
    assert driver.check
    driver.until(0.05)
    assert driver.media and not driver.check
    assert EndCheck(judge=True) in driver.actions


def test_no_check_in_a_meeting_nor_between_its_faults() -> None:
    driver = in_meeting()
    before = sum(isinstance(action, StartCheck) for action in driver.actions)
    driver.take(driver.session.media_ended("janus_lost", "", driver.now))
    driver.until(5, 1)
    assert sum(isinstance(action, StartCheck) for action in driver.actions) == before


def test_a_fault_brings_fresh_media_until_the_end() -> None:
    driver = in_meeting()
    driver.take(driver.session.media_ended("no_media", "", driver.now))
    assert driver.session.state is S.RECONNECTING and not driver.media
    driver.until(-1.8)
    assert driver.media
    for _ in range(5):
        driver.take(driver.session.media_ended("janus_lost", "", driver.now))
        driver.until((driver.now - T0) / MINUTE + 0.3)
        assert driver.media
    driver.join()
    assert driver.kinds() == ["joined", "dropped", "rejoined"]


def test_media_that_falls_silent_or_never_joins_is_replaced() -> None:
    driver = in_meeting()
    for _ in range(33):
        driver.now += timedelta(seconds=0.25)
        driver.take(driver.session.tick(driver.now))
    assert driver.session.state is S.RECONNECTING
    driver.until(-1.5)
    assert driver.media
    driver.until(-1.1)
    assert sum(isinstance(action, StartMedia) for action in driver.actions) == 3


def test_without_restart_media_that_ended_stays_ended() -> None:
    driver = in_meeting(restart=False)
    driver.take(driver.session.media_ended("ended", "exit code -9", driver.now))
    driver.until(5, 1)
    assert not driver.media and driver.session.state is S.RECONNECTING
    driver.take(driver.session.desired("a", [meeting(closed=True)], driver.now))
    assert driver.kinds() == ["joined", "dropped", "left"]


def test_overrun_is_not_cut_and_ends_at_the_cap() -> None:
    driver = in_meeting()
    driver.until(119.9, 5)
    assert driver.session.state is S.IN_MEETING
    driver.until(120, 5)
    assert driver.events[-1] == ("left", "m")


def test_overrun_ends_when_the_main_site_has_been_gone_for_ten_minutes_after_the_end() -> None:
    driver = in_meeting()
    driver.until(55, 5)

    def without_main(minute: float) -> None:
        while driver.now < at(minute):
            driver.now += timedelta(seconds=5)
            driver.take(driver.session.media_stats([("b", 50), ("main", None)], driver.now))
            driver.take(driver.session.media_stats([("main", 60_000)], driver.now))

    without_main(69.8)
    assert driver.session.state is S.IN_MEETING
    driver.take(driver.session.media_stats([("main", 40)], driver.now))
    without_main(79.5)
    assert driver.session.state is S.IN_MEETING
    without_main(80)
    assert driver.events[-1] == ("left", "m")
    driver.until(90, 5)
    assert driver.session.state is S.IDLE, "it does not go back to a meeting it left for good"


def test_the_main_site_does_not_wait_for_itself() -> None:
    driver = in_meeting(me="main")
    for _ in range(85 * 12):
        driver.now += timedelta(seconds=5)
        driver.take(driver.session.media_stats([(None, None)], driver.now))
    assert driver.session.state is S.IN_MEETING


def test_the_floor() -> None:
    driver = in_meeting()

    def say(seq: int, *speakers: str) -> None:
        message = Floor(unit="u1", meeting="m", seq=seq, speakers=list(speakers), at=driver.now)
        _, actions = driver.session.heard_floor(message, driver.now)
        driver.take(actions)

    assert driver.session.slots(driver.now).video == ("main", None)
    say(1, "b")
    assert driver.actions[-1] == SendFloor(driver.session.slots(driver.now), mic=False, camera=True)
    assert driver.session.slots(driver.now).video == ("b", "main")
    say(2, "a")
    assert driver.session.slots(driver.now).speaking and driver.kinds()[-1] == "floor_taken"
    say(1, "b")
    assert driver.session.slots(driver.now).speaking, "an older message does not count"
    driver.until(-1.5)
    assert driver.session.slots(driver.now).speaking
    driver.until(-1.3)
    assert driver.session.slots(driver.now).video == ("main", None), "30 s of silence: the default floor"
    assert driver.kinds()[-1] == "floor_left"


def test_a_unit_that_was_cut_off_says_so_when_it_is_back() -> None:
    driver = Driver(meeting(), start=20, visit=Visit("m", connected=True))
    driver.until(20.1)
    assert driver.media, "no check before going back"
    driver.join()
    assert driver.events == [("dropped", "m"), ("rejoined", "m")]

    late = Driver(meeting(), start=300, visit=Visit("m", connected=True))
    late.until(300.1)
    assert late.events == [("dropped", "m"), ("left", "m")]


def test_the_attended_meeting_is_finished_before_the_next() -> None:
    driver = in_meeting(meeting("m", 0, 60), meeting("n", 30, 90))
    driver.until(40, 5)
    assert driver.session.meeting is not None and driver.session.meeting.id == "m"
    driver.take(driver.session.desired("a", [meeting("n", 30, 90)], driver.now))
    driver.until(40.2)
    assert driver.media
    driver.join()
    assert driver.events[-2:] == [("left", "m"), ("joined", "n")]


def test_shutdown_leaves_the_meeting_and_starts_nothing_again() -> None:
    driver = in_meeting()
    driver.take(driver.session.shutdown(driver.now))
    driver.until(5, 1)
    assert not driver.media and driver.kinds()[-1] == "left"


def test_a_check_somebody_asked_for() -> None:
    driver = Driver(checks=False)
    refused, actions = driver.session.ask_check(driver.now)
    driver.take(actions)
    assert refused is None and driver.check
    assert driver.session.ask_check(driver.now) == (None, [])
    driver.checked("microphone_quiet")
    assert driver.verdicts == ["remark"]
    assert in_meeting().session.ask_check(at(-1))[0] == "in_meeting"


def test_a_check_that_never_answers_is_ended() -> None:
    driver = Driver(checks=False)
    driver.take(driver.session.ask_check(driver.now)[1])
    driver.until(-58, 1)
    assert not driver.check and not driver.session.checking


@pytest.mark.parametrize("by", [timedelta(hours=-2), timedelta(days=3)])
def test_a_clock_that_is_set_in_a_meeting_disturbs_no_timer(by: timedelta) -> None:
    always = meeting(starts=0, ends=60 * 24 * 9, opens=60 * 24)
    driver = Driver(always, start=0, visit=Visit("m", connected=False))
    driver.until(0.1)
    driver.join()
    driver.session.clock_stepped(by)
    driver.now += by
    driver.tick()
    assert driver.session.state is S.IN_MEETING
    driver.take(driver.session.media_ended("internal", "", driver.now))
    driver.session.clock_stepped(-by)
    driver.now -= by
    driver.until(0.2)
    assert driver.media


STEPS = st.lists(
    st.one_of(
        st.floats(0.1, 400).map(lambda s: ("wait", s)),
        st.sampled_from(
            [
                *("joined", "fault", "camera_on", "camera_off", "lost", "checked"),
                *("restart", "preflight", "decline", "ring", "plugged", "postpone"),
            ]
        ).map(lambda what: (what, 0)),
        st.lists(st.sampled_from(["a", "b", "main"]), max_size=3, unique=True).map(lambda s: ("floor", s)),
        st.sampled_from(
            [
                *((), ("m",), ("m", "n"), ("n",), ("m closed",), ("m closed", "n closed")),
                *(("m", "urgent"), ("urgent", "n"), ("m", "held"), ("m", "n", "held", "urgent", "u closed")),
            ]
        ).map(lambda ids: ("desired", ids)),
    ),
    max_size=60,
)
MEETINGS: dict[str, Callable[[], Occurrence]] = {
    "m": lambda: meeting("m", 0, 20),
    "n": lambda: meeting("n", 15, 40),
    "m closed": lambda: meeting("m", 0, 20, closed=True),
    "n closed": lambda: meeting("n", 15, 40, closed=True),
    "urgent": lambda: meeting("u", 5, 30, opens=1, urgent=True),
    "u closed": lambda: meeting("v", 6, 30, opens=1, urgent=True, closed=True),
    "held": lambda: meeting("h", 25, 45, mode="in_person"),
}
FOLLOWS = {
    None: {"joined"},
    "joined": {"dropped", "left"},
    "dropped": {"rejoined", "left"},
    "rejoined": {"dropped", "left"},
    "left": {"joined"},
}


@settings(max_examples=300, deadline=None)
@given(STEPS, st.booleans())
def test_whatever_happens_events_alternate_and_a_second_look_finds_nothing_to_do(
    steps: list[tuple[str, Any]], restart: bool
) -> None:
    driver = Driver(meeting("m", 0, 20), meeting("n", 15, 40), start=-16, restart=restart, checks=False)
    session, seq = driver.session, 0
    for what, value in steps:
        match what:
            case "wait":
                driver.now += timedelta(seconds=value)
                driver.tick()
            case "joined":
                driver.take(session.media_joined(1, driver.now))
            case "fault":
                driver.take(session.media_ended("internal", "", driver.now))
            case "camera_on" | "camera_off":
                driver.take(session.camera(what == "camera_on", "none", driver.now))
            case "lost":
                driver.take(session.device_lost(EventKind.CAMERA_LOST, "lost", ""))
            case "checked":
                if driver.check:
                    driver.checked()
            case "restart":
                driver.take(session.restart_media(driver.now)[1])
            case "preflight":
                driver.take(session.ask_check(driver.now)[1])
            case "plugged":
                driver.take(session.plugged(driver.now))
            case "postpone":
                driver.take(session.postpone_check(driver.now)[1])
            case "decline":
                driver.take(session.decline(None, driver.now)[1])
            case "ring":
                driver.take(session.ring_again("u", driver.now)[1])
            case "floor":
                seq += 1
                message = Floor(unit="u1", meeting="m", seq=seq, speakers=value, at=driver.now)
                driver.take(session.heard_floor(message, driver.now)[1])
            case "desired":
                driver.take(session.desired("a", [MEETINGS[id]() for id in value], driver.now))
        assert driver.take(session.tick(driver.now)) == []
        assert driver.media == session.media_due
        view_of(driver)
    visits = [event for event in driver.events if event[0] in FOLLOWS]
    last: str | None = None
    where: str | None = None
    for kind, of in visits:
        assert kind in FOLLOWS[last], visits
        assert kind == "joined" or of == where, visits
        last, where = kind, of
    for pair in (("camera_opened", "camera_closed"), ("floor_taken", "floor_left")):
        kinds = [kind for kind in driver.kinds() if kind in pair]
        assert kinds == [pair[i % 2] for i in range(len(kinds))]


@pytest.mark.parametrize("chance", [0.0, 0.999])
def test_joining_is_spread_but_never_by_more_than_two_seconds(chance: float) -> None:
    driver = Driver(meeting())
    driver.session = Session(chance=lambda: chance)
    driver.take(driver.session.desired("a", [meeting()], driver.now))
    driver.until(-2.9, 10)
    driver.until(-2 + 2 / 60)
    assert driver.media


def test_a_lost_device_is_told_once_until_it_is_back() -> None:
    driver = Driver()
    for what, back in (
        (EventKind.CAMERA_LOST, lambda: driver.session.camera(True, "none", driver.now)),
        (EventKind.MICROPHONE_LOST, lambda: driver.session.microphone(True)),
    ):
        told = [emit for _ in range(3) for emit in driver.session.device_lost(what, "missing", "unplugged")]
        assert [emit.kind for emit in told] == [what]
        assert told[0].data == {"why": "missing", "text": "unplugged"}
        back()
        assert [emit.kind for emit in driver.session.device_lost(what, "lost", "again")] == [what]
