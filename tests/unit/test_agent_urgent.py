"""Urgent meetings at a unit: ring, join, decline, take the hall and give it back; halls held by others."""

from datetime import timedelta
from typing import Any

import pytest
from diemcau_agent.rules.actions import StartChime, StartMedia
from diemcau_agent.rules.ringing import RING
from diemcau_agent.rules.session import Session
from diemcau_agent.rules.view import show
from diemcau_agent.rules.visit import Visit
from diemcau_wire.messages import Occurrence, SessionState

from .test_agent_session import Driver, at, in_meeting, meeting

S = SessionState


def urgent(id: str = "u", starts: float = 0, **more: Any) -> Occurrence:
    return meeting(id, starts, starts + 120, opens=1, urgent=True, **more)


def view_of(driver: Driver, *meetings: Occurrence) -> dict[str, Any]:
    return show(driver.session, None, meetings, unit="u1", link=True, mic_open=False, now=driver.now)


def test_an_idle_hall_rings_for_a_minute_and_joins() -> None:
    driver = Driver(urgent(), start=-1)
    assert driver.chime and view_of(driver)["view"] == "countdown"
    assert view_of(driver)["urgent"]["joins_at"] == "2026-03-12T01:00:00Z"
    assert driver.session.state is S.COUNTDOWN and driver.session.occupied(driver.now)
    driver.until(-0.01)
    assert driver.chime and not driver.media
    driver.until(0.04)
    assert driver.media and not driver.chime
    driver.join()
    assert driver.events == [("joined", "u")] and view_of(driver)["urgent"] is None


def test_a_hall_that_hears_of_it_late_is_still_told_for_a_minute() -> None:
    driver = Driver(start=10)
    driver.take(driver.session.desired("a", [urgent()], driver.now))
    (chime,) = [action for action in driver.actions if isinstance(action, StartChime)]
    assert chime == StartChime(RING.total_seconds(), in_meeting=False)
    driver.until(10.99)
    assert not driver.media
    driver.until(11.05)
    assert driver.media


def test_a_unit_whose_clock_is_behind_rings_when_its_clock_says_so() -> None:
    driver = Driver(urgent(), start=-1.2)
    assert not driver.chime and driver.session.state is S.COUNTDOWN
    driver.until(-0.5)
    assert driver.chime and not driver.media
    driver.until(0.05)
    assert driver.media


def test_an_urgent_meeting_takes_the_hall_and_gives_it_back() -> None:
    ordinary = meeting()
    driver = in_meeting(ordinary)
    driver.until(5)
    driver.take(driver.session.desired("a", [ordinary, urgent(starts=6)], driver.now))
    assert driver.chime and driver.session.state is S.IN_MEETING
    assert driver.actions[-1] == StartChime(60, in_meeting=True)
    assert view_of(driver)["view"] == "countdown" and view_of(driver)["meeting"]["id"] == "m"
    driver.until(6.1)
    driver.join()
    assert driver.events == [("joined", "m"), ("left", "m"), ("joined", "u")]
    driver.until(10)
    closed = urgent(starts=6, closed=True)
    driver.take(driver.session.desired("a", [ordinary, closed], driver.now))
    driver.until(10.2)
    driver.join()
    assert driver.events[3:] == [("left", "u"), ("joined", "m")], "without another check"


@pytest.mark.parametrize("which", [None, "u"])
def test_a_hall_that_declines_stays_where_it_is(which: str | None) -> None:
    ordinary = meeting()
    driver = in_meeting(ordinary)
    driver.until(5)
    driver.take(driver.session.desired("a", [ordinary, urgent(starts=6)], driver.now))
    assert driver.session.decline("other", driver.now) == ("not_ringing", [])
    refused, actions = driver.session.decline(which, driver.now)
    driver.take(actions)
    assert refused is None and not driver.chime
    driver.until(8)
    assert driver.events == [("joined", "m"), ("declined", "u")]
    assert driver.session.meeting == ordinary and view_of(driver)["view"] == "meeting"


def test_what_was_declined_can_ring_again() -> None:
    driver = Driver(urgent(), start=-1)
    driver.take(driver.session.decline(None, driver.now)[1])
    driver.until(5)
    assert driver.session.state is S.IDLE and not driver.media
    assert driver.session.ring_again("m", driver.now) == ("not_declined", [])
    driver.take(driver.session.ring_again("u", driver.now)[1])
    assert driver.chime
    driver.until(6.1)
    assert driver.media


def test_after_a_restart_a_declined_one_stays_declined_and_a_joined_one_is_joined_at_once() -> None:
    declined = Driver(urgent(), start=1, declined=["u"])
    assert declined.session.state is S.IDLE and not declined.chime
    joined = Driver(urgent(), start=1, visit=Visit("u", connected=True))
    assert not joined.chime
    joined.until(1.05)
    assert joined.media


def test_of_two_urgent_meetings_the_later_one_calls_and_the_other_is_joined_again_without_ringing() -> None:
    first, second = urgent("u"), urgent("w", starts=10)
    driver = Driver(first, start=-1)
    driver.until(0.1)
    driver.join()
    driver.until(9)
    driver.take(driver.session.desired("a", [first, second], driver.now))
    assert driver.chime
    driver.until(10.1)
    driver.join()
    driver.take(driver.session.desired("a", [first, urgent("w", starts=10, closed=True)], driver.now))
    driver.until(10.4)
    driver.join()
    assert driver.events == [
        ("joined", "u"), ("left", "u"), ("joined", "w"), ("left", "w"), ("joined", "u"),
    ]  # fmt: skip
    assert sum(isinstance(action, StartChime) for action in driver.actions) == 2


def test_a_fresh_media_process_goes_on_with_the_chime() -> None:
    ordinary = meeting()
    driver = in_meeting(ordinary)
    driver.take(driver.session.desired("a", [ordinary, urgent(starts=0)], driver.now))
    driver.until(-0.9)
    driver.take(driver.session.media_ended("internal", "", driver.now))
    driver.until(-0.8)
    kinds = [type(action) for action in driver.actions]
    assert kinds[-1] is StartChime and kinds.count(StartMedia) == 2


def test_a_check_gives_way_to_an_urgent_meeting() -> None:
    driver = Driver(start=-1, checks=False)
    driver.take(driver.session.ask_check(driver.now)[1])
    assert driver.check
    driver.take(driver.session.desired("a", [urgent()], driver.now))
    assert driver.chime and not driver.check
    assert driver.session.ask_check(driver.now) == ("ringing", [])


def test_an_urgent_meeting_that_is_called_off_stops_ringing() -> None:
    driver = Driver(urgent(), start=-1)
    driver.take(driver.session.desired("a", [urgent(closed=True)], driver.now))
    assert not driver.chime and driver.session.state is S.IDLE


def test_the_clock_being_set_makes_no_ring_longer() -> None:
    driver = Driver(urgent(), start=-1)
    driver.session.clock_stepped(timedelta(hours=1))
    driver.now += timedelta(hours=1)
    driver.until(60.03)
    assert driver.media


@pytest.mark.parametrize("mode", ["elsewhere", "in_person"])
def test_a_meeting_elsewhere_or_in_person_only_holds_the_hall(mode: str) -> None:
    held = meeting("h", 0, 60, mode=mode, join=None)
    following = meeting("n", 60, 90, opens=10)
    driver = Driver(held, following, start=-1)
    assert view_of(driver, held, following)["next"]["mode"] == mode
    driver.until(30, 5)
    assert driver.session.state is S.IDLE and driver.actions == []
    assert view_of(driver)["view"] == "held" and view_of(driver)["held"]["mode"] == mode
    assert driver.session.occupied(driver.now)
    assert driver.session.ask_check(driver.now) == ("held", [])
    driver.until(59.9, 5)
    assert driver.actions == [], "the next meeting waits for the end of this one"
    assert view_of(driver)["view"] == "held"
    driver.until(60.2)
    assert driver.media or driver.check


def test_an_urgent_meeting_reaches_a_held_hall() -> None:
    driver = Driver(meeting("h", 0, 60, mode="in_person", join=None), urgent(starts=20), start=19)
    assert driver.chime and view_of(driver)["view"] == "countdown"
    driver.until(20.1)
    assert driver.media


def test_the_phone_page_is_shown_from_half_an_hour_before_opening() -> None:
    one = meeting(phone="https://192.0.2.1/h/m/a/t")
    driver = Driver(one, start=-33)
    assert view_of(driver, one)["phone"] == ""
    driver.until(-31, 10)
    assert view_of(driver, one)["phone"] == one.phone
    assert Session(chance=lambda: 0.0).occupied(at(0)) is False
