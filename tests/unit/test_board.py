"""What the board says in one word, and whom to call first."""

from __future__ import annotations

import pytest
from diemcau_controller.rules.board import STANDINGS, TONES, WORST_FIRST, Invited, line_of, risk, state_of


@pytest.mark.parametrize(
    ("status", "session", "verdict", "state"),
    [
        (None, None, None, "no_unit"),
        ("never", None, None, "never"),
        ("lost", "in_meeting", "ready", "lost"),
        ("silent", "in_meeting", "ready", "silent"),
        ("online", "in_meeting", "not_ready", "in_meeting"),
        ("online", "reconnecting", "ready", "in_meeting"),
        ("online", "idle", "remark", "remark"),
        ("online", None, None, "unknown"),
        ("online", None, "a word of tomorrow", "unknown"),
        ("a status of tomorrow", None, "ready", "unknown"),
    ],
)
def test_a_state(status: str | None, session: str | None, verdict: str | None, state: str) -> None:
    assert state_of(status, session, verdict) == state


def test_every_state_has_a_tone_and_a_standing() -> None:
    assert set(WORST_FIRST) == set(TONES) == set(STANDINGS)


def test_a_line() -> None:
    assert [line_of("online", ms) for ms in (20, 149.9, 150, 400, None)] == [
        "good",
        "good",
        "slow",
        "poor",
        "unknown",
    ]
    assert line_of("lost", 20) == "unknown", "what was measured before the line broke says nothing"


def invited(site: str, state: str, *, inside: bool = False, reachable: bool = True) -> Invited:
    return Invited(site, site.upper(), state, inside, reachable)


def test_before_a_meeting() -> None:
    found = risk(
        [
            invited("a", "ready"),
            invited("b", "lost", reachable=False),
            invited("c", "lost"),
            invited("d", "not_ready"),
            invited("e", "no_unit"),
            invited("f", "remark"),
            invited("main", "remark"),
        ],
        "main",
        opened=False,
    )
    assert found.call == ("main", "d", "c", "b", "f")
    assert found.standings == {"ready": 1, "lost": 2, "look": 3, "no_unit": 1} and found.total == 7


def test_once_it_is_open_who_is_not_there_is_called() -> None:
    found = risk(
        [invited("main", "in_meeting", inside=True), invited("a", "ready"), invited("b", "no_unit")],
        "main",
        opened=True,
    )
    assert (found.inside, found.total, found.call) == (1, 3, ("a",))
