"""A system that was just installed: does the room work with it?"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from diemcau_agent.rules.updating import Check
from diemcau_agent.updating import records
from diemcau_agent.updating.places import Places
from diemcau_agent.updating.slot_gate import BROKEN, NOT_NOW, PASSED, gate

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Unit:
    """A unit process: whenever somebody waits, it answers the question there is with its next check."""

    def __init__(self, root: Path) -> None:
        self.places = Places(root)
        for folder in (self.places.shared, self.places.requests, self.places.release("1.0.0")):
            folder.mkdir(parents=True)
        self.places.coordinator.write_text("{}")
        self.answers: list[tuple[str, tuple[str, ...]]] = []
        self.clock = 0.0

    def knew(self, *found: str) -> None:
        self._write("from-before", "", found)

    def pause(self, seconds: float) -> None:
        self.clock += seconds
        question = self.places.requests / "check"
        if question.exists() and self.answers:
            self._write(question.read_text(), *self.answers.pop(0))

    def _write(self, question: str, busy: str, found: tuple[str, ...]) -> None:
        records.write(
            self.places.check, Check(at=NOW, version="1.0.0", answers=question, busy=busy, found=found)
        )

    def gate(self) -> int:
        return gate(self.places, pause=self.pause, seconds=lambda: self.clock)


@pytest.fixture
def unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Unit:
    monkeypatch.setattr("diemcau_agent.updating.releases.running", lambda places: "1.0.0")
    return Unit(tmp_path)


def test_a_room_in_which_nothing_is_wrong_passes(unit: Unit) -> None:
    unit.answers = [("", ())]
    assert unit.gate() == PASSED


def test_what_broke_sends_the_system_back(unit: Unit) -> None:
    unit.knew()
    unit.answers = [("", ("camera_missing",))]
    assert unit.gate() == BROKEN


def test_what_was_broken_before_does_not(unit: Unit) -> None:
    unit.knew("camera_missing")
    unit.answers = [("", ("camera_missing",))]
    assert unit.gate() == PASSED


def test_the_line_has_no_say(unit: Unit) -> None:
    unit.answers = [("", ("line_down", "camera_unreachable"))]
    assert unit.gate() == PASSED


def test_nobody_answers(unit: Unit) -> None:
    assert unit.gate() == BROKEN


def test_a_meeting_comes_first(unit: Unit) -> None:
    unit.answers = [("meeting", ())]
    assert unit.gate() == NOT_NOW


def test_a_check_that_was_ended_is_asked_for_again(unit: Unit) -> None:
    unit.answers = [("", ("check_incomplete",)), ("", ())]
    assert unit.gate() == PASSED


def test_a_box_that_serves_no_hall_has_no_room(unit: Unit) -> None:
    unit.places.coordinator.unlink()
    assert unit.gate() == PASSED
