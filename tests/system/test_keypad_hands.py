"""A key pressed in a hall is a hand in its meeting."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from diemcau_controller.services.keypad_hands import KeypadHands
from diemcau_wire.messages import EventKind

from .office import Office, event, furnished, meeting


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with furnished(tmp_path) as made:
        yield made


def hands(office: Office, occurrence: str) -> list[tuple[str, str]]:
    return [(one["site"], one["text"]) for one in office.get(f"meetings/{occurrence}/hands")]


def test_hands_of_the_keypad_are_hands_of_the_meeting(office: Office) -> None:
    occurrence = meeting(office, sites=["huyen", "ea-kiet"])
    office.later(minutes=31)
    keypads = KeypadHands(office.controller)

    def press(seq: int, kind: EventKind, **late: float) -> None:
        office.hear(event(office, seq, kind, occurrence))
        office.later(**late)
        asyncio.run(keypads.look())

    asyncio.run(keypads.look())
    press(1, EventKind.HAND_RAISED)
    assert hands(office, occurrence) == [("ea-kiet", "")]
    asked = {"site": "ea-kiet", "text": "Xin hỏi về đê"}
    assert office.http.post(f"/api/v1/meetings/{occurrence}/hands", json=asked).is_success
    press(2, EventKind.HAND_RAISED)
    assert hands(office, occurrence) == [("ea-kiet", "Xin hỏi về đê")]
    press(3, EventKind.HAND_LOWERED)
    press(4, EventKind.HAND_LOWERED)  # twice is once
    assert hands(office, occurrence) == []
    press(5, EventKind.HAND_RAISED, minutes=10)  # told after the line was back: too late to be meant now
    assert hands(office, occurrence) == []
    assert {one["who"] for one in office.get("audit?action=hand.raise")["changes"]} >= {"hall:ea-kiet"}
