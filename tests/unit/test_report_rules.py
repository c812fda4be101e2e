"""What a report is counted from: turns, lines, months, tables; when an incident opens by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from diemcau_controller.rules.actor import Actor, Role
from diemcau_controller.rules.attendance import Step, Turn, floor_turns, line_quality
from diemcau_controller.rules.csv_table import csv_table
from diemcau_controller.rules.incidents import (
    Kind,
    Outage,
    Shared,
    kind_of_event,
    may_note,
    may_see,
    opens,
    plan_outages,
    urgency,
)
from diemcau_controller.rules.month import month_of, read_month
from diemcau_controller.rules.refusals import Invalid

T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def out(site: str, seconds: float) -> Outage:
    return Outage(site, at(seconds))


# ── the floor ────────────────────────────────────────────────────────────────────────────────────


def test_turns_come_in_order_and_end_with_what_ends_them() -> None:
    turns = floor_turns(
        [
            ("a", Step(at(0), "floor_taken")),
            ("b", Step(at(30), "floor_taken")),
            ("a", Step(at(60), "floor_left")),
            ("b", Step(at(90), "dropped")),
            ("b", Step(at(91), "floor_left")),
            ("a", Step(at(120), "floor_taken")),
        ]
    )
    assert turns == [Turn("a", at(0), at(60)), Turn("b", at(30), at(90)), Turn("a", at(120), None)]
    assert [turn.seconds(at(150)) for turn in turns] == [60, 60, 30]


def test_a_turn_told_twice_is_one_and_a_clock_set_back_makes_none_negative() -> None:
    turns = floor_turns([("a", Step(at(10), "floor_taken")), ("a", Step(at(5), "floor_taken"))])
    assert turns == [Turn("a", at(10), None)]
    assert turns[0].seconds(at(0)) == 0
    assert floor_turns([("a", Step(at(10), "floor_taken")), ("a", Step(at(4), "floor_left"))]) == [
        Turn("a", at(10), at(10))
    ]
    assert floor_turns([("a", Step(at(1), "floor_left"))]) == []


def test_line_quality() -> None:
    assert line_quality([]) is None
    quality = line_quality([float(n) for n in range(1, 101)])
    assert quality is not None and (quality.median_ms, quality.p95_ms, quality.samples) == (50.5, 95.0, 100)
    alone = line_quality([12.34])
    assert alone is not None and alone.p95_ms == 12.3


# ── months and tables ────────────────────────────────────────────────────────────────────────────


def test_months_are_the_coordinators() -> None:
    month = read_month("2026-03", VIETNAM)
    assert month.begins == datetime(2026, 2, 28, 17, tzinfo=UTC)
    assert month.ends == datetime(2026, 3, 31, 17, tzinfo=UTC)
    assert (str(month.before), str(month.after)) == ("2026-02", "2026-04")
    assert (str(read_month("2026-01", VIETNAM).before), str(read_month("2026-12", VIETNAM).after)) == (
        "2025-12",
        "2027-01",
    )
    assert str(month_of(datetime(2026, 3, 31, 18, tzinfo=UTC), VIETNAM)) == "2026-04"
    for wrong in (
        "",
        "2026",
        "2026-13",
        "2026-00",
        "0001-01",
        "9999-12",
        "2026-3",
        "<script>",
        "２０２６-03",
    ):
        with pytest.raises(Invalid):
            read_month(wrong, VIETNAM)


def test_no_cell_is_a_formula() -> None:
    text = csv_table(["Tên", "Số"], [["=1+1", 3], ["+84", -2], ["@x", None], ["Đắk", 1.5], ['a"b\nc', "-"]])
    assert text.startswith("\ufeffTên,Số\r\n")
    lines = text.split("\r\n")
    assert lines[1:5] == ["'=1+1,3", "'+84,-2", "'@x,", "Đắk,1.5"]
    assert '"a""b\nc"' in text and text.endswith("'-\r\n")


# ── what opens an incident ───────────────────────────────────────────────────────────────────────


def test_what_events_are_signs_of() -> None:
    assert kind_of_event("camera_lost", {}) is Kind.NO_PICTURE
    assert kind_of_event("microphone_lost", {}) is Kind.NO_SOUND
    assert kind_of_event("process_ended", {"role": "screen"}) is Kind.SOFTWARE
    assert kind_of_event("process_ended", {"role": "media", "why": "janus_lost"}) is None, "the line's fault"
    assert kind_of_event("joined", {}) is None


def test_a_lost_camera_opens_at_once_a_dead_process_the_third_time() -> None:
    assert opens(Kind.NO_PICTURE, at(0), at(5), [])
    assert not opens(Kind.NO_PICTURE, at(0), at(3600), []), "old news from an outbox opens nothing"
    assert not opens(Kind.SOFTWARE, at(0), at(5), [at(-60)])
    assert opens(Kind.SOFTWARE, at(0), at(5), [at(-60), at(-300)])
    assert not opens(Kind.SOFTWARE, at(0), at(5), [at(-60), at(-900)]), "not within ten minutes"


def test_who_is_back_within_a_minute_was_not_lost() -> None:
    assert plan_outages([out("a", 0)], [], None, at(59)).alone == ()
    assert plan_outages([out("a", 0)], [], None, at(60)).alone == (out("a", 0),)
    assert plan_outages([out("a", 0)], ["a"], None, at(600)).alone == ()


def test_many_at_once_are_one_incident() -> None:
    many = [out(f"s{n}", n / 3) for n in range(300)]
    plan = plan_outages(many, [], None, at(61))
    assert plan.alone == () and len(plan.together) == 4, "those that are due"
    covered = [one.site for one in plan.together]
    later = plan_outages(many, covered, Shared(at(0), at(1)), at(400))
    assert later.alone == later.together == () and len(later.joining) == 296


def test_a_few_apart_stay_apart() -> None:
    apart = [out(f"s{n}", n * 130) for n in range(6)]
    plan = plan_outages(apart, [], None, at(2000))
    assert len(plan.alone) == 6 and not plan.together
    four = [out(f"s{n}", n) for n in range(4)]
    assert len(plan_outages(four, [], None, at(100)).alone) == 4
    five = plan_outages([*four, out("s4", 90)], [], None, at(100))
    assert len(five.together) == 4 and not five.alone, "the fifth counts before it is due"


def test_long_after_the_many_a_site_is_alone_again() -> None:
    plan = plan_outages([out("z", 5000)], [], Shared(at(0), at(10)), at(6000))
    assert plan.alone == (out("z", 5000),) and not plan.joining


def test_the_worst_comes_first() -> None:
    def key(kind: str, hours_ago: int = 0, *, in_meeting: bool = False, sites: int = 1) -> object:
        return urgency(kind, T0 - timedelta(hours=hours_ago), in_meeting=in_meeting, sites=sites)

    ordered = [
        key("other", in_meeting=True),
        key("connection", sites=9),
        key("connection", 5),
        key("connection", 1),
        key("no_sound"),
        key("other", 99),
    ]
    assert sorted(ordered, key=lambda one: one) == ordered  # type: ignore[arg-type, return-value]


def test_who_sees_and_who_writes() -> None:
    contractor = Actor("tin", Role.CONTRACTOR, frozenset({"a"}))
    assert may_see(contractor, ["z"], "tin") and not may_see(contractor, ["a"], None)
    bound = Actor("lan", Role.OPERATOR, frozenset({"a"}))
    assert may_see(bound, ["z", "a"], None) and not may_see(bound, ["z"], "lan")
    assert may_note(contractor, "tin") and may_note(bound, None)
    assert not may_note(Actor("xem", Role.VIEWER), None)
