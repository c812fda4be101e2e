"""Picture and sound of a hall stay together: a flash with a beep, and when each comes out elsewhere."""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from diemcau_agent.drivers.fake.setting import change_setting

from . import janus_for_tests
from .janus_for_tests import Janus
from .media_harness import MediaProcess

pytestmark = pytest.mark.namespace

FLASHES = 9
LIMIT_S = 0.120
SMALL = {"width": 320, "height": 180, "fps": 30, "bitrate_bps": 500_000}
DARK, BRIGHT = 40, 200
POLL_S = 0.004


@pytest.fixture
def janus(tmp_path: Path) -> Iterator[Janus]:
    running = janus_for_tests.start(tmp_path / "janus")
    yield running
    running.stop()


def test_a_flash_is_seen_when_its_beep_is_heard(tmp_path: Path, janus: Janus) -> None:
    camera, microphone = tmp_path / "camera.json", tmp_path / "microphone.json"
    camera.write_text(json.dumps({"luma": DARK, "width": 320, "height": 180, "fps": 30, "moves": False}))
    microphone.write_text(json.dumps({"noise_db": -60}))
    sender, receiver = MediaProcess(tmp_path / "halls", "an"), MediaProcess(tmp_path / "halls", "binh")
    try:
        devices = {"camera": {"source": f"fake:{camera}"}, "microphone": {"source": f"fake:{microphone}"}}
        sender.start(janus.join, janus.ca, {**devices, "video": SMALL})
        receiver.start(janus.join, janus.ca, {"camera": {"source": "none"}})
        sender.floor([None, None], [], True)
        receiver.floor(["an", None], ["an"], False)
        sender.wait("joined")
        receiver.wait("joined")
        outside = Outside(receiver)
        outside.wait_for_picture()
        for _ in range(FLASHES):
            change_setting(str(camera), luma=BRIGHT)
            change_setting(str(microphone), tone_hz=1000)
            time.sleep(0.3)
            change_setting(str(camera), luma=DARK)
            change_setting(str(microphone), tone_hz=0)
            time.sleep(0.5)
        outside.stop()
        offsets = outside.offsets()
    finally:
        sender.close()
        receiver.close()
    print("sound behind picture, ms:", [round(1000 * offset) for offset in offsets])
    assert len(offsets) >= FLASHES * 2 // 3, f"only {len(offsets)} of {FLASHES} flashes with their beep"
    assert abs(statistics.median(offsets)) <= LIMIT_S


class Outside:
    """Notes when the picture turns bright, as handed to the screen, and when the sound begins, as written."""

    def __init__(self, hall: MediaProcess) -> None:
        self._hall = hall
        self._bright: list[float] = []
        self._loud: list[float] = []
        self._seen = threading.Event()
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._look, self._listen)]
        for thread in self._threads:
            thread.start()

    def wait_for_picture(self) -> None:
        assert self._seen.wait(20), self._hall.log()[-3000:]
        time.sleep(1.5)  # and the sound settles

    def stop(self) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join(10)

    def offsets(self) -> list[float]:
        """Seconds by which each beep came after its flash."""
        nearest = [
            min((loud - bright for loud in self._loud), key=abs, default=1.0) for bright in self._bright
        ]
        return [offset for offset in nearest if abs(offset) < 0.35]

    def _look(self) -> None:
        last, was_bright = 0, False
        while not self._ends.is_set():
            picture = self._hall.readers[0].read(last) if self._hall.readers else None
            if picture is not None:
                last = picture.seq
                luma = np.frombuffer(picture.data, np.uint8, picture.width * picture.height)
                is_bright = bool(luma.mean() > (DARK + BRIGHT) / 2)
                if is_bright and not was_bright and self._seen.is_set():
                    self._bright.append(picture.taken_ns / 1e9)
                was_bright = is_bright
                self._seen.set()
            time.sleep(POLL_S)

    def _listen(self) -> None:
        was_loud = False
        while not self._hall.sound.exists():
            if self._ends.wait(POLL_S):
                return
        with self._hall.sound.open("rb") as sound:
            sound.seek(0, 2)
            while not self._ends.is_set():
                block = np.frombuffer(sound.read(1920), "<i2").astype(np.float64)
                now = time.monotonic()
                if block.size == 0:
                    time.sleep(POLL_S)
                    continue
                is_loud = bool(np.sqrt(np.square(block).mean()) > 32768 * 10 ** (-35 / 20))
                if is_loud and not was_loud:
                    self._loud.append(now)
                was_loud = is_loud
