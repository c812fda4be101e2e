"""The check: judged by what camera and microphone give, and by trying the way in."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from . import janus_for_tests
from .janus_for_tests import Janus
from .media_harness import VIDEO, MediaProcess, clip

pytestmark = pytest.mark.namespace

Checked = Callable[..., list[str]]


@pytest.fixture(scope="module")
def janus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Janus]:
    running = janus_for_tests.start(tmp_path_factory.mktemp("janus"))
    yield running
    running.stop()


@pytest.fixture
def check(tmp_path: Path, janus: Janus) -> Iterator[Checked]:
    """Runs a check; returns what it found."""
    processes: list[MediaProcess] = []

    def run(**order: Any) -> list[str]:
        process = MediaProcess(tmp_path / str(len(processes)), "an")
        processes.append(process)
        line = {
            "type": "check",
            "ca": str(janus.ca),
            "join": janus.join,
            "camera": {"source": "synthetic"},
            "microphone": {"source": "tone:440"},
            "video": VIDEO,
        }
        process.send({**line, **order})
        checked = process.wait("checked")
        assert process.process.wait(5) == 0
        assert checked["ok"] == (checked["findings"] == [])
        assert not process.of("camera") or [line["open"] for line in process.of("camera")] == [True, False]
        return [finding["what"] for finding in checked["findings"]]

    yield run
    for process in processes:
        process.close()


def test_a_hall_that_works_is_ready(check: Checked) -> None:
    assert check() == []
    assert check(join=None) == []
    assert check(camera={"source": "none"}, microphone={"source": "none"}) == []


def test_a_black_and_a_frozen_picture_are_found(check: Checked, tmp_path: Path) -> None:
    black = clip(tmp_path / "black.mp4", [np.full((180, 320), 16, np.uint8)] * 30)
    assert check(camera=black) == ["camera_black"]
    texture = np.random.default_rng(1).integers(40, 200, (180, 320), np.uint8)
    assert check(camera=clip(tmp_path / "still.mp4", [texture] * 30)) == ["camera_frozen"]
    moving = [np.roll(texture, 8 * i, axis=1) for i in range(30)]
    assert check(camera=clip(tmp_path / "moving.mp4", moving)) == []


def test_a_silent_microphone_is_found(check: Checked, tmp_path: Path) -> None:
    for name, samples, found in (
        ("silence", np.zeros(16_000), ["microphone_silent"]),
        ("voice", 3000 * np.sin(np.arange(16_000) / 5), []),
    ):
        with wave.open(str(tmp_path / f"{name}.wav"), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(samples.astype("<i2").tobytes())
        assert check(microphone={"source": f"file:{tmp_path}/{name}.wav"}) == found


def test_what_is_missing_is_found(check: Checked, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    assert check(camera={"source": f"file:{nothing}"}) == ["camera_missing"]
    assert check(camera={"source": "v4l2:/dev/video99"}) == ["camera_missing"]
    assert check(camera={"source": "rtsp://198.51.100.1:9/x"}) == ["camera_missing"]
    assert check(camera={"source": "telescope"}) == ["camera_missing"]
    assert check(microphone={"source": f"file:{nothing}"}) == ["microphone_missing"]
    assert check(microphone={"source": "tone:loud"}) == ["microphone_missing"]


def test_a_way_in_that_is_closed_is_found(check: Checked, janus: Janus) -> None:
    for wrong in ({"pin": "wrong"}, {"room": "none-such"}, {"url": "wss://198.51.100.1:9"}):
        assert check(join={**janus.join, **wrong}) == ["janus_unreachable"]
