"""The border: what the unit may ask to be shown, and what is refused."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest
from diemcau_agent.ipc import Garbage
from diemcau_agent.rules.verdict import Verdict
from diemcau_agent.screen.gallery import COMMON, VIEWS
from diemcau_agent.screen.show import Contact, Slot, View, parse_show

MEETING = copy.deepcopy({**COMMON, **VIEWS["meeting-two"]})


def changed(path: str, value: Any) -> dict[str, Any]:
    line = copy.deepcopy(MEETING)
    *parents, last = path.split(".")
    part: Any = line
    for parent in parents:
        part = part[parent]
    part[last] = value
    return line


def test_a_whole_line() -> None:
    show = parse_show(MEETING)
    assert (show.view, show.verdict, show.link) == (View.MEETING, Verdict.READY, True)
    assert show.meeting is not None
    assert show.meeting.slots == (Slot("cuor-dang", "Xã Cuôr Đăng"), Slot("main", "UBND xã Quảng Phú"))
    assert show.meeting.starts_at == datetime(2026, 3, 12, 1, tzinfo=UTC)
    assert not show.meeting.mic_open and show.meeting.camera


def test_the_least_there_can_be() -> None:
    show = parse_show({"type": "show", "view": "idle", "language": "en"})
    assert show.site is None and show.next is None and show.meeting is None
    assert show.coordinator == Contact("", "") and show.verdict is Verdict.UNKNOWN


def test_what_a_check_and_the_hall_add() -> None:
    show = parse_show({**COMMON, **VIEWS["checking-postpone"], "hand": True})
    assert show.checking == "sound" and show.postpone_until == datetime(2026, 3, 12, 0, 55, tzinfo=UTC)
    assert show.privacy.camera and show.privacy.microphone and not show.privacy.muted and show.hand
    plain = parse_show(COMMON)
    assert plain.privacy.opens_at is None and plain.whom is None and not plain.hand


def test_empty_places_keep_their_number() -> None:
    for empty in (None, {"site": None, "name": None}, {"site": None}):
        show = parse_show(changed("meeting.slots", [empty, {"site": "b", "name": "B"}]))
        assert show.meeting is not None and show.meeting.slots == (None, Slot("b", "B"))


def test_texts_are_made_fit_to_be_drawn() -> None:
    show = parse_show(changed("site.name", " Xa\u0303\nEa\x00 M'Droh\ud800 " + "x" * 500))
    assert show.site is not None
    assert show.site.name.startswith("Xã Ea  M'Droh") and len(show.site.name) == 200
    show.site.name.encode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("view", "party"),
        ("view", None),
        ("view", 3),
        ("language", "fr"),
        ("language", None),
        ("site", []),
        ("site", {"id": "x"}),
        ("site.name", 5),
        ("link", "yes"),
        ("readiness", "ready"),
        ("readiness.verdict", "maybe"),
        ("readiness.instruction", 1),
        ("coordinator.phone", 905),
        ("next.starts_at", "soon"),
        ("next.starts_at", "2026-03-12T01:00:00"),
        ("next.starts_at", "0001-01-01T00:00:00+14:00"),
        ("meeting", None),
        ("meeting.slots", {}),
        ("meeting.slots", [None, None, None]),
        ("meeting.slots", ["a"]),
        ("meeting.slots", [{"site": "a"}]),
        ("meeting.mic", "ajar"),
        ("meeting.camera", 1),
        ("meeting.speaker", 1),
        ("readiness.checking_what", 1),
        ("readiness.postpone_until", "later"),
        ("readiness.postponed_to", 7),
        ("readiness.whom", "me"),
        ("privacy", True),
        ("privacy", {"camera": "on"}),
        ("privacy", {"opens_at": "2026-03-12T00:48:05"}),
        ("privacy", {"reason": "curiosity"}),
        ("hand", "up"),
    ],
)
def test_everything_else_is_refused(path: str, value: Any) -> None:
    with pytest.raises(Garbage):
        parse_show(changed(path, value))
