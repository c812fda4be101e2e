"""Who is seen and heard at a site, and how a check becomes a verdict."""

from datetime import UTC, datetime, timedelta

import pytest
from diemcau_agent.checks import Finding
from diemcau_agent.rules.floor import HeldFloor, Slots, hold, refusal, slots
from diemcau_agent.rules.verdict import Verdict, judge
from diemcau_wire.messages import Floor
from hypothesis import given
from hypothesis import strategies as st

T0 = datetime(2026, 3, 12, 1, 0, tzinfo=UTC)
SITES = st.sampled_from(["main", "a", "b", "c", "d"])


def said(seq: int, *speakers: str, meeting: str = "m") -> Floor:
    return Floor(unit="u1", meeting=meeting, seq=seq, speakers=list(speakers), at=T0)


@pytest.mark.parametrize(
    ("me", "speakers", "expected"),
    [
        ("a", ("main",), Slots(("main", None), ("main",), False)),
        ("a", ("b",), Slots(("b", "main"), ("b",), False)),
        ("b", ("b",), Slots(("main", None), (), True)),
        ("main", ("b",), Slots(("b", None), ("b",), False)),
        ("main", ("main",), Slots((None, None), (), True)),
        ("a", (), Slots(("main", None), (), False)),
        ("main", (), Slots((None, None), (), False)),
        ("c", ("main", "a", "b"), Slots(("b", "main"), ("main", "a", "b"), False)),
        ("b", ("main", "a", "b"), Slots(("a", "main"), ("main", "a"), True)),
        ("a", ("b", "main"), Slots(("main", None), ("b", "main"), False)),
    ],
)
def test_slots(me: str, speakers: tuple[str, ...], expected: Slots) -> None:
    assert slots(me, "main", speakers) == expected


@given(SITES, st.lists(SITES, max_size=3, unique=True))
def test_slots_never_hold_oneself_nor_anybody_twice(me: str, speakers: list[str]) -> None:
    found = slots(me, "main", tuple(speakers))
    seen = [site for site in found.video if site]
    assert me not in seen and me not in found.audio
    assert len(set(seen)) == len(seen)
    assert found.video[0] is not None or found.video[1] is None
    assert found.speaking is (me in speakers)
    assert me == "main" or "main" in seen


def test_a_floor_message_counts_for_this_meeting_and_in_order_only() -> None:
    held = hold(HeldFloor(), said(5, "a"), T0)
    assert refusal(held, said(5, "a"), "m") is None
    assert refusal(held, said(6), "m") is None
    assert "older" in (refusal(held, said(4), "m") or "")
    assert "meeting other" in (refusal(held, said(9, meeting="other"), "m") or "")
    assert refusal(held, said(9), None) is not None


def test_names_are_kept_over_floor_messages() -> None:
    first = Floor(unit="u1", meeting="m", seq=1, speakers=["a"], names={"a": "Xã An"}, at=T0)
    held = hold(hold(HeldFloor(), first, T0), said(2), T0 + timedelta(seconds=1))
    assert held.names == {"a": "Xã An"} and held.speakers == ()


@pytest.mark.parametrize(
    ("findings", "verdict", "instruction"),
    [
        ([], Verdict.READY, ""),
        (["microphone_quiet"], Verdict.REMARK, "microphone_quiet"),
        (["microphone_silent", "camera_missing"], Verdict.NOT_READY, "camera_missing"),
        (["camera_black", "janus_unreachable"], Verdict.NOT_READY, "janus_unreachable"),
        (["check_incomplete"], Verdict.UNKNOWN, ""),
        (["check_incomplete", "disk_full"], Verdict.REMARK, "disk_full"),
        (["something_newer"], Verdict.REMARK, "something_newer"),
    ],
)
def test_findings_become_one_verdict_and_one_instruction(
    findings: list[str], verdict: Verdict, instruction: str
) -> None:
    readiness = judge([Finding(what) for what in findings])
    assert (readiness.verdict, readiness.instruction) == (verdict, instruction)
