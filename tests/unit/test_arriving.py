"""How far a unit has come since it was approved: one step after the other, and what lasts too long."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from diemcau_controller.rules.arriving import Arrival, Stands, Step, arrived, steps

AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
JUST = Arrival(AT, fetched=False, connected=False, revision="away", verdict="", serves=True)
DONE, NOW, COMES = Stands.DONE, Stands.NOW, Stands.TO_COME


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, [DONE, NOW, COMES, COMES, COMES]),
        ({"fetched": True}, [DONE, DONE, NOW, COMES, COMES]),
        ({"connected": True}, [DONE, DONE, DONE, NOW, COMES]),
        ({"connected": True, "revision": "running"}, [DONE, DONE, DONE, DONE, NOW]),
        ({"connected": True, "revision": "running", "verdict": "ready"}, [DONE] * 5),
        # a verdict alone does not make it whole: the line fell meanwhile
        ({"fetched": True, "verdict": "ready"}, [DONE, DONE, NOW, COMES, COMES]),
    ],
)
def test_one_step_is_under_way(known: dict[str, object], expected: list[Stands]) -> None:
    found = steps(replace(JUST, **known), AT + timedelta(seconds=5))  # type: ignore[arg-type]
    assert list(found) == list(Step)
    assert list(found.values()) == expected


def test_what_lasts_too_long_is_late_and_what_cannot_go_on_is_wrong() -> None:
    later = AT + timedelta(minutes=10)
    assert steps(JUST, later)[Step.CERTIFICATE] is Stands.LATE
    refused = replace(JUST, connected=True, revision="refused")
    assert steps(refused, AT)[Step.CONFIGURED] is Stands.WRONG
    other = replace(JUST, serves=False)
    assert steps(other, AT)[Step.CERTIFICATE] is Stands.WRONG


def test_it_has_arrived_when_the_room_was_checked() -> None:
    whole = replace(JUST, connected=True, revision="running", verdict="not_ready")
    assert arrived(whole, AT)
    assert not arrived(replace(whole, verdict=""), AT)
