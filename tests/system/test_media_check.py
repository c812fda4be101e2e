"""What a media process measures for a check: camera, microphone, tone, and the way into a room and back."""

from __future__ import annotations

import json
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from diemcau_agent.checks import judge
from diemcau_wire.messages import DesiredConfig

from . import janus_for_tests
from .janus_for_tests import Janus
from .media_harness import VIDEO, MediaProcess

pytestmark = pytest.mark.namespace

Measured = dict[str, dict[str, Any]]
Check = Callable[..., Measured]


@pytest.fixture(scope="module")
def janus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Janus]:
    running = janus_for_tests.start(tmp_path_factory.mktemp("janus"))
    yield running
    running.stop()


@pytest.fixture
def check(tmp_path: Path, janus: Janus) -> Iterator[Check]:
    """Runs a check; returns what it measured."""
    processes: list[MediaProcess] = []

    def run(*parts: str, **order: Any) -> Measured:
        process = MediaProcess(tmp_path / str(len(processes)), "an")
        processes.append(process)
        line = {
            "type": "check",
            "ca": str(janus.ca),
            "join": janus.join,
            "camera": {"source": "synthetic"},
            "microphone": {"source": "tone:440"},
            "video": VIDEO,
            "parts": parts,
        }
        process.send({**line, **order})
        measured = process.wait("checked")["measured"]
        assert process.process.wait(5) == 0
        told = {line["part"]: line["values"] for line in process.of("measured")}
        assert told == measured, "each part is told as soon as it is known"
        assert process.of("checking"), "and that the process lives"
        for device in ("camera", "microphone"):
            assert [line["open"] for line in process.of(device)] in ([], [True, False])
        return dict(measured)

    yield run
    for process in processes:
        process.close()


def found(measured: Measured, **settings: Any) -> list[str]:
    config = {
        "unit": "u3f9a01c77b2e",
        **{"epoch": 1, "rev": 1, "site": {"id": "an", "name": "Xã An"}, "video": VIDEO},
        **{"microphone": {"source": "tone:440"}, "sound": {"output": "fake:x"}, **settings},
    }
    return [finding.what for finding in judge(measured, DesiredConfig.model_validate(config))]


def test_a_hall_that_works(check: Check, janus: Janus) -> None:
    measured = check("camera", "microphone", "tone", "room", check_room=janus.join)
    assert found(measured) == []
    assert measured["camera"]["fps"] > 7 and measured["camera"]["width"] == VIDEO["width"]
    room = measured["room"]
    assert room["pictures_back"] >= 0.5 * room["pictures_sent"] > 0 and room["tone_back"] is True
    assert "tone" not in measured, "no loudspeaker is configured"


def test_nothing_to_open_is_nothing_measured(check: Check) -> None:
    none = {"source": "none"}
    assert check("camera", "microphone", "tone", "room", join=None, camera=none, microphone=none) == {}


def test_no_tone_is_played_in_a_hall_where_somebody_walks(check: Check, tmp_path: Path) -> None:
    camera, speaker, microphone = (tmp_path / f"{name}.json" for name in ("camera", "speaker", "microphone"))
    camera.write_text(json.dumps({"moves": True}))
    speaker.write_text("{}")
    microphone.write_text(json.dumps({"hears": str(speaker)}))
    hall = {
        "camera": {"source": f"fake:{camera}"},
        "microphone": {"source": f"fake:{microphone}"},
        "sound": {"output": f"fake:{speaker}"},
        "tone": True,
    }
    measured = check("camera", "microphone", "tone", join=None, **hall)
    assert measured["tone"] == {"skipped": "occupied", "played": False}
    assert found(measured) == []


def test_a_silent_microphone(check: Check, tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "silence.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(32_000))
    silence = {"source": f"file:{tmp_path}/silence.wav"}
    assert found(check("microphone", microphone=silence)) == ["microphone_silent"]


def test_what_is_missing_is_found(check: Check, tmp_path: Path) -> None:
    nothing = {"source": f"file:{tmp_path}/nothing"}
    measured = check("camera", "microphone", camera=nothing, microphone=nothing)
    assert found(measured) == ["camera_missing", "microphone_missing"]


def test_a_way_in_that_is_closed_is_found(check: Check, janus: Janus) -> None:
    for wrong in ({"pin": "wrong"}, {"room": "none-such"}):
        assert found(check("room", join={**janus.join, **wrong})) == ["janus_unreachable"]
    away = {**janus.join, "url": "wss://198.51.100.1:9"}
    assert found(check("room", join=None, check_room=away)) == ["janus_unreachable"]
