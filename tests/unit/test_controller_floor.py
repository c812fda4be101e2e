"""The floor, attendance and presence."""

from datetime import UTC, datetime, timedelta

import pytest
from diemcau_controller.rules import floor, hands, naming, presence
from diemcau_controller.rules.attendance import Step, attendance
from diemcau_controller.rules.floor import Floor
from diemcau_controller.rules.refusals import Conflict, Invalid

SITES = ("a", "b", "c", "d")


def test_a_meeting_starts_with_the_main_site() -> None:
    assert floor.default("a") == Floor(0, ("a",))


def test_grant_gives_it_to_one_site_alone() -> None:
    assert floor.grant(Floor(4, ("a", "c")), "b", SITES, "a") == Floor(5, ("b",))


def test_add_up_to_three_in_order() -> None:
    now = floor.grant(Floor(0, ("a",)), "b", SITES, "a", add=True)
    now = floor.grant(now, "b", SITES, "a", add=True)
    now = floor.grant(now, "c", SITES, "a", add=True)
    assert now == Floor(3, ("a", "b", "c"))
    with pytest.raises(Conflict):
        floor.grant(now, "d", SITES, "a", add=True)


def test_who_is_not_invited_does_not_get_it() -> None:
    with pytest.raises(Invalid, match="x is not invited"):
        floor.grant(Floor(0, ()), "x", SITES, "a")


def test_when_nobody_is_left_the_main_site_has_it() -> None:
    assert floor.end(Floor(1, ("b", "c")), "b", "a") == Floor(2, ("c",))
    assert floor.end(Floor(2, ("c",)), "c", "a") == Floor(3, ("a",))
    assert floor.end(Floor(2, ("c", "b")), None, "a") == Floor(3, ("a",))


def test_mute_all_and_back() -> None:
    silent = floor.mute_all(Floor(7, ("b",)))
    assert silent == Floor(8, ())
    assert floor.grant(silent, "c", SITES, "a", add=True) == Floor(9, ("c",))


# ── open discussion ──────────────────────────────────────────────────────────────────────────────


def test_a_discussion_goes_on_with_those_who_speak() -> None:
    assert floor.open_discussion(Floor(3, ("a", "b"))) == Floor(4, ("a", "b"), open=True)


def test_in_a_discussion_a_grant_is_beside_the_others() -> None:
    now = floor.grant(Floor(0, ("a",), open=True), "b", SITES, "a")
    assert now == Floor(1, ("a", "b"), open=True)


def test_the_oldest_speaker_gives_way_but_never_the_main_site() -> None:
    full = Floor(0, ("a", "b", "c"), open=True)
    assert floor.grant(full, "d", SITES, "a").speakers == ("a", "c", "d")
    assert floor.grant(full, "d", SITES, "b").speakers == ("b", "c", "d")
    assert floor.grant(full, "c", SITES, "a").speakers == ("a", "b", "c")


def test_those_who_wait_are_let_in_while_there_is_room() -> None:
    talk = Floor(5, ("a",), open=True)
    assert floor.admit(talk, ["b", "a", "c", "d"]) == Floor(6, ("a", "b", "c"), open=True)
    assert floor.admit(talk, []) is talk
    full = Floor(5, ("a", "b", "c"), open=True)
    assert floor.admit(full, ["d"]) is full
    assert floor.admit(floor.end(full, "b", "a"), ["d"]).speakers == ("a", "c", "d")


def test_outside_a_discussion_nobody_is_let_in() -> None:
    quiet = Floor(5, ("a",))
    assert floor.admit(quiet, ["b"]) is quiet


def test_silence_and_the_chair_end_a_discussion() -> None:
    talk = Floor(5, ("b", "c"), open=True)
    assert floor.mute_all(talk) == Floor(6, ())
    assert floor.close_discussion(talk, "a") == Floor(6, ("a",))


def test_a_question_is_one_line_and_not_too_long() -> None:
    assert hands.question("  Xin hỏi\n\x00 về\tđường ") == "Xin hỏi về đường"
    assert hands.question("Tie\u0302\u0301ng") == "Tiếng"
    with pytest.raises(Invalid, match="301 letters"):
        hands.question("ờ" * 301)


# ── attendance ───────────────────────────────────────────────────────────────────────────────────

START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


def steps(*told: tuple[int, str]) -> list[Step]:
    return [Step(START + timedelta(minutes=minute), kind) for minute, kind in told]


def minutes(of: list[Step], end: int = 60) -> tuple[float, int, bool]:
    known = attendance(of)
    return known.total(START + timedelta(minutes=end)) / timedelta(minutes=1), known.drop_outs, known.left


def test_never_there() -> None:
    known = attendance([])
    assert not known.joined and not known.present and minutes([]) == (0, 0, False)


def test_there_from_beginning_to_end() -> None:
    assert minutes(steps((0, "joined"), (60, "left"))) == (60, 0, True)


def test_dropped_and_back() -> None:
    assert minutes(steps((0, "joined"), (10, "dropped"), (12, "rejoined"), (60, "left"))) == (58, 1, True)


def test_dropped_then_left_ends_once() -> None:
    assert minutes(steps((0, "joined"), (10, "dropped"), (30, "left"))) == (10, 1, True)


def test_cut_off_without_a_word() -> None:
    assert minutes(steps((0, "joined"), (20, "joined"), (60, "left"))) == (60, 1, True)


def test_open_at_the_end() -> None:
    known = attendance(steps((5, "joined")))
    assert known.present and not known.left
    assert minutes(steps((5, "joined"))) == (55, 0, False)


# ── presence and names ───────────────────────────────────────────────────────────────────────────


def test_a_will_of_an_earlier_connection_does_not_count() -> None:
    assert presence.counts("lost", "n2", "n2")
    assert not presence.counts("lost", "n1", "n2")
    assert not presence.counts("offline", "n1", "n2")
    assert presence.counts("online", "n3", "n2")
    assert presence.counts("lost", "n1", None)


def test_silence_counts_only_while_we_listen() -> None:
    heard = START
    assert not presence.silent(heard, 10, START, START + timedelta(seconds=30))
    assert presence.silent(heard, 10, START, START + timedelta(seconds=31))
    assert not presence.silent(heard, 10, START + timedelta(seconds=20), START + timedelta(seconds=31))
    assert presence.silent(None, 10, START, START + timedelta(seconds=31))


def test_ids_from_vietnamese_names() -> None:
    assert naming.slug("Xã Đắk R'lấp") == "xa-dak-r-lap"
    assert naming.slug("Huyện ủy – UBND") == "huyen-uy-ubnd"
    assert naming.slug("…") == ""
    assert len(naming.slug("điểm cầu " * 20)) <= 40
