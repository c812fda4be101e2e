"""Which meeting a unit attends, and which desired documents it takes."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from diemcau_agent.rules.schedule import attend, refusal, upcoming
from diemcau_wire.messages import Occurrence

T0 = datetime(2026, 3, 12, 1, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def meeting(id: str, starts: int, ends: int, **more: object) -> Occurrence:
    """A meeting from minute `starts` to `ends`, open 10 minutes before, capped 60 after."""
    return Occurrence.model_validate(
        {
            "id": id,
            "title": f"Giao ban {id}",
            "opens_at": T0 + (starts - 10) * MINUTE,
            "starts_at": T0 + starts * MINUTE,
            "ends_at": T0 + ends * MINUTE,
            "cap_at": T0 + (ends + 60) * MINUTE,
            "main_site": "main",
            "main_site_name": "Điểm cầu chính",
            "join": {"url": "wss://198.51.100.1:1", "room": id, "pin": "123456"},
            **more,
        }
    )


def chosen(found: Occurrence | None) -> str | None:
    return found.id if found else None


@pytest.mark.parametrize(
    ("minute", "expected"),
    [(-11, None), (-10, "a"), (0, "a"), (30, "a"), (119, "a"), (120, None)],
)
def test_a_meeting_counts_from_opening_to_cap(minute: int, expected: str | None) -> None:
    assert chosen(attend([meeting("a", 0, 60)], T0 + minute * MINUTE)) == expected


def test_of_overlapping_meetings_the_attended_wins_then_the_earlier_start() -> None:
    both = [meeting("b", 30, 90), meeting("a", 0, 60)]
    at = T0 + 40 * MINUTE
    assert chosen(attend(both, at)) == "a"
    assert chosen(attend(both, at, attended="b")) == "b"
    assert chosen(attend(both, at, over={"a"})) == "b"


def test_a_closed_meeting_is_not_attended() -> None:
    assert attend([meeting("a", 0, 60, closed=True)], T0) is None


def test_the_next_meeting() -> None:
    both = [meeting("b", 300, 360), meeting("a", 200, 260)]
    assert chosen(upcoming(both, T0)) == "a"
    assert upcoming(both, T0, timedelta(minutes=15)) is None
    assert chosen(upcoming(both, T0 + 185 * MINUTE, timedelta(minutes=15))) == "a"
    assert chosen(upcoming(both, T0 + 201 * MINUTE)) == "b"


@dataclass
class Rev:
    epoch: int
    rev: int
    generation: int = 1


@pytest.mark.parametrize(
    ("held", "offered", "reason"),
    [
        (None, Rev(1, 1), None),
        (Rev(1, 5), Rev(1, 5), None),
        (Rev(1, 5), Rev(1, 6), None),
        (Rev(1, 5), Rev(2, 1), None),
        (Rev(1, 5), Rev(1, 4), "older"),
        (Rev(2, 1), Rev(1, 99), "stale"),
        (Rev(2, 9), Rev(1, 3, generation=2), None),
    ],
)
def test_stale_documents_are_refused_with_a_reason(
    held: Rev | None, offered: Rev, reason: str | None
) -> None:
    refused = refusal(held, offered)
    assert (refused is None) if reason is None else (refused is not None and reason in refused)
