"""Enrolments step by step, wrong tries, papers, and two boxes with one identity: the rules alone."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from diemcau_controller.rules.clones import Found, Start, judge
from diemcau_controller.rules.enrolment import (
    LIFE,
    LIMITS,
    OPEN_STATES,
    TO_OPEN,
    Scope,
    State,
    Step,
    Try,
    after,
    ends_at,
    subjects_of,
    too_many,
)
from diemcau_controller.rules.vouchers import fault_of, id_on, is_ours, sealed
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


@given(st.lists(st.sampled_from(list(Step)), max_size=12))
def test_whatever_happens_what_is_over_stays_over(steps: list[Step]) -> None:
    state, approved_by = State.ASKED, 0
    for step in steps:
        reached = after(state, step)
        assert reached is None or state in OPEN_STATES
        approved_by += reached is State.APPROVED
        assert reached is not State.APPROVED or state is State.WAITING, "never before the nonce is opened"
        state = reached or state
    assert approved_by <= 1


def test_only_what_is_open_has_steps() -> None:
    ways = {(state, step) for state, step in product(State, Step) if after(state, step) is not None}
    assert len(ways) == 8 and {state for state, _ in ways} == OPEN_STATES


def test_who_never_opens_is_soon_over() -> None:
    assert ends_at(State.ASKED, NOW, NOW + LIFE) == NOW + TO_OPEN
    assert ends_at(State.WAITING, NOW, NOW + LIFE) == NOW + LIFE


tries = st.builds(
    Try,
    at=st.integers(0, 7200).map(lambda s: NOW - timedelta(seconds=s)),
    account=st.sampled_from(["lan", "hoa", "binh"]),
    source=st.sampled_from(["192.0.2.1", "192.0.2.2"]),
    enrolment=st.sampled_from([None, "e-1"]),
    paper=st.booleans(),
)


@given(st.lists(tries, max_size=80))
def test_too_many_is_what_a_plain_count_says(made: list[Try]) -> None:
    found = too_many(made, {}, NOW)
    for scope, limit in LIMITS.items():
        counted = [one for one in made if one.at > NOW - limit.within]
        for subject in {s for one in made for s in subjects_of(one) if s[0] is scope}:
            count = sum(subject in subjects_of(one) for one in counted)
            assert (subject in found) == (count >= limit.most)


@given(st.lists(tries, max_size=40), st.integers(0, 3600))
def test_more_tries_never_make_fewer_alarms_and_lifting_forgives_what_was(made: list[Try], ago: int) -> None:
    found = too_many(made, {}, NOW)
    assert too_many(made[: len(made) // 2], {}, NOW) <= found
    lifted = {subject: NOW - timedelta(seconds=ago) for subject in found}
    assert too_many(made, lifted, NOW) <= found
    assert too_many(made, dict.fromkeys(found, NOW), NOW) == frozenset()


def test_a_strangers_paper_locks_nobody_out_who_types_codes() -> None:
    papers = [Try(NOW, source="192.0.2.1", paper=True) for _ in range(200)]
    assert too_many(papers, {}, NOW) == {(Scope.VOUCHER, "192.0.2.1")}


# ── papers ───────────────────────────────────────────────────────────────────────────────────────

KEY = b"k" * 32
END = NOW + timedelta(days=7)


def test_a_paper_is_ours_only_as_it_was_sealed() -> None:
    text = sealed(KEY, "p1", "ea-kiet", "install", END)
    assert id_on(text) == "p1" and is_ours(KEY, f" {text}\n", "ea-kiet", "install", END)
    assert not is_ours(b"x" * 32, text, "ea-kiet", "install", END)
    assert not is_ours(KEY, text, "ea-tul", "install", END), "for another site"
    assert not is_ours(KEY, text, "ea-kiet", "replace", END), "for other work"
    assert not is_ours(KEY, text, "ea-kiet", "install", END + timedelta(days=1)), "good for longer"
    assert not is_ours(KEY, text.replace("p1", "p2"), "ea-kiet", "install", END)


@given(st.text(max_size=80))
def test_whatever_is_on_a_paper_is_ours_or_not(text: str) -> None:
    assert not is_ours(KEY, text, "ea-kiet", "install", END)
    assert "." not in id_on(text)


def test_when_a_paper_does_not_do() -> None:
    def fault(unit: str = "u1", at: datetime = NOW, **more: object) -> str:
        known = {"withdrawn": False, "used_by": None, "removed": False, "taken": False, **more}
        return fault_of(unit, at, expires_at=END, **known)  # type: ignore[arg-type]

    assert fault() == "" and fault(used_by="u1") == "", "the same unit may ask again"
    assert fault(used_by="u2") == "used" and fault(at=END) == "expired"
    assert fault(withdrawn=True, used_by="u2") == "withdrawn"
    assert fault(removed=True) == fault(taken=True) == "other_site"


# ── two boxes with one identity ──────────────────────────────────────────────────────────────────


class Box:
    """A machine with a unit's state folder in it: it counts each connection up, as the unit does."""

    def __init__(self, name: str, disk: str = "disk", count: int = 0) -> None:
        self.name, self.disk, self.count, self.boots = name, disk, count, 0
        self.boot = self.start()

    def start(self) -> str:
        self.boots += 1
        self.boot = f"{self.name}-{self.boots}"
        return self.boot

    def copy(self, name: str) -> Box:
        return Box(name, f"{self.disk} of {name}", self.count)


class Office:
    """What the controller remembers of the starts it saw."""

    def __init__(self) -> None:
        self.known: dict[str, Start] = {}
        self.time = NOW

    def connect(self, box: Box) -> Found | None:
        box.count += 1
        self.time += timedelta(seconds=3)
        seen = Start(box.boot, box.count, box.disk, box.name, self.time)
        found = judge(list(self.known.values()), seen)
        self.known[box.boot] = seen
        return found


@given(st.lists(st.sampled_from(["reconnect", "restart"]), max_size=30))
def test_one_box_is_never_taken_for_two(story: list[str]) -> None:
    office, box = Office(), Box("a")
    for happened in story:
        if happened == "restart":
            box.start()
        assert office.connect(box) is None


@given(st.integers(1, 20), st.integers(0, 20), st.integers(0, 3000))
def test_two_that_are_on_show_within_two_more_connections_each(before: int, alone: int, seed: int) -> None:
    """However far the copy counted on by itself, and whoever of the two comes next."""
    office, box = Office(), Box("a")
    for _ in range(before):
        office.connect(box)
    copy = box.copy("b")
    copy.count += alone
    chance = random.Random(seed)
    found = []
    for box_now in [copy, box] + [chance.choice([box, copy]) for _ in range(2)] + [copy, box]:
        found.append(office.connect(box_now))
    assert Found.TURNS in found[:3] or Found.COUNT_BACK in found[:3]


def test_a_card_in_another_box_is_recorded_and_nothing_else() -> None:
    office, box = Office(), Box("a")
    office.connect(box)
    box.name = "b"
    box.start()
    assert office.connect(box) is Found.MOVED
    assert office.connect(box) is None


def test_a_power_cut_may_take_the_last_number_with_it() -> None:
    office, box = Office(), Box("a")
    for _ in range(3):
        office.connect(box)
    box.count -= 1
    box.start()
    assert office.connect(box) is None, "the same disk in the same machine"


def test_told_again_by_the_broker_is_nothing_new() -> None:
    office, box = Office(), Box("a")
    office.connect(box)
    box.count -= 1
    assert office.connect(box) is None


@pytest.mark.parametrize("known", [("", ""), ("disk", "")])
def test_without_fingerprints_a_number_that_was_said_counts_as_a_copy(known: tuple[str, str]) -> None:
    first, again = (Start(boot, 5, *known, NOW) for boot in ("a", "b"))
    assert judge([first], again) is Found.COUNT_BACK
