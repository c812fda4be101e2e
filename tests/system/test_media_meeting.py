"""Media processes in one Janus room: what is seen and heard, judged by content."""

from __future__ import annotations

import subprocess
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from . import janus_for_tests
from .janus_for_tests import Janus
from .media_harness import MediaProcess, clip, freeze, wait_until

pytestmark = pytest.mark.namespace

TONES = {"chinh": 440, "an": 660, "binh": 880}
Hall = Callable[..., MediaProcess]


@pytest.fixture
def janus(tmp_path: Path) -> Iterator[Janus]:
    running = janus_for_tests.start(tmp_path / "janus")
    yield running
    running.stop()


@pytest.fixture
def hall(tmp_path: Path, janus: Janus) -> Iterator[Hall]:
    """Makes a hall that has joined; its tone is its microphone."""
    halls: list[MediaProcess] = []

    def make(site: str, *, folder: str = "halls", joined: bool = True, **start: object) -> MediaProcess:
        start.setdefault("microphone", {"source": f"tone:{TONES[site]}"})
        process = MediaProcess(tmp_path / folder, site)
        halls.append(process)
        process.start(janus.join, janus.ca, start)
        if joined:
            process.wait("joined")
        return process

    yield make
    for process in halls:
        process.close()


def test_three_halls_see_and_hear_the_floor_and_nobody_else(hall: Hall) -> None:
    chinh, an, binh = hall("chinh"), hall("an"), hall("binh")
    chinh.floor(["an", "binh"], ["an"], False)
    an.floor(["chinh", None], [], True)
    binh.floor(["an", "chinh"], ["an"], False)
    chinh.sees(0, "an")
    chinh.sees(1, "binh")
    an.sees(0, "chinh")
    binh.sees(1, "chinh")
    chinh.hears(660, [440, 880])
    binh.hears(660, [440, 880])
    assert max(an.heard(1, list(TONES.values())).values()) < -60, "a speaker does not hear itself"
    assert an.wait("microphone") == {"type": "microphone", "open": True}

    wait_until(lambda: an.stats()["mic"], 3, "the microphone is not open")
    stats = an.stats()
    assert stats["video_out"]["encoder"] == "libx264"
    assert [slot["site"] for slot in stats["slots"]] == ["chinh", None]

    an.floor(["binh", "chinh"], ["binh"], False)
    binh.floor(["chinh", None], [], True)
    chinh.floor(["binh", "an"], ["binh"], False)
    chinh.sees(0, "binh")
    chinh.sees(1, "an")
    an.sees(0, "binh")
    chinh.hears(880, [440, 660])
    wait_until(lambda: not an.stats()["mic"], 3, "the microphone is still open")
    assert [line["open"] for line in an.of("microphone")] == [True, False]

    binh.floor([None, None], [], False)
    time.sleep(1.3)
    packets = chinh.stats()["audio"][0]["packets"]
    time.sleep(1.2)
    assert chinh.stats()["audio"][0]["packets"] == packets, "a closed microphone sends nothing"
    frames = binh.stats()["slots"]
    assert [slot["frames"] for slot in frames] == [0, 0]
    for process in (chinh, an, binh):
        assert process.stop() == 0
        assert process.of("left") and not process.of("fault")


def test_key_frames_are_asked_for_by_many_and_sent_once_a_second(hall: Hall) -> None:
    an, chinh = hall("an"), hall("chinh")
    chinh.floor(["an", None], [], False)
    chinh.sees(0, "an")
    before, began = an.stats()["video_out"]["key_frames"], time.monotonic()
    for _ in range(10):
        chinh.floor([None, "an"], [], False)
        time.sleep(0.1)
        chinh.floor(["an", None], [], False)
        time.sleep(0.1)
    time.sleep(1.1)
    after = an.stats()["video_out"]["key_frames"]
    # one was saved up, and the counts are up to a second old
    assert 1 <= after - before <= time.monotonic() - began + 3
    chinh.sees(0, "an")


def test_a_hall_that_leaves_and_comes_back_is_seen_again(hall: Hall) -> None:
    chinh, an, _ = hall("chinh"), hall("an"), hall("binh")
    chinh.floor(["an", "binh"], ["an"], False)
    an.floor([None, None], [], True)
    chinh.sees(0, "an")
    chinh.sees(1, "binh")
    assert an.stop() == 0
    wait_until(lambda: (chinh.stats()["slots"][0]["age_ms"] or 0) > 1000, 6, "an is still seen")
    chinh.sees(1, "binh")

    an = hall("an")
    an.floor([None, None], [], True)
    chinh.sees(0, "an")
    chinh.sees(1, "binh")
    chinh.hears(660, [440, 880])
    assert not chinh.of("fault") and chinh.process.poll() is None


def test_a_killed_process_is_replaced_at_once(hall: Hall) -> None:
    chinh, an = hall("chinh"), hall("an")
    chinh.floor(["an", None], [], False)
    chinh.sees(0, "an")
    session = an.wait("session")["id"]
    an.kill()
    an = hall("an", previous_session=session)
    assert an.wait("joined")["ms"] < 8000
    chinh.sees(0, "an")


def test_the_ghost_of_a_hung_process_is_evicted(hall: Hall) -> None:
    chinh, ghost = hall("chinh"), hall("an")
    chinh.floor(["an", None], [], False)
    chinh.sees(0, "an")
    freeze(ghost)
    an = hall("an", folder="again", previous_session=ghost.wait("session")["id"])
    assert an.wait("joined")["ms"] < 8000
    chinh.sees(0, "an")


def test_an_id_that_is_taken_by_somebody_else_is_a_refusal(hall: Hall) -> None:
    hall("an")
    second = hall("an", folder="again", joined=False)
    assert second.wait("fault")["what"] == "join_refused"
    assert second.process.wait(5) == 1


def test_a_wrong_pin_and_a_missing_room_are_refusals(hall: Hall, janus: Janus) -> None:
    for wrong in ({"pin": "wrong-pin"}, {"room": "no-such-room"}):
        process = hall("an", joined=False, join={**janus.join, **wrong})
        assert process.wait("fault")["what"] == "join_refused"
        assert process.process.wait(5) == 1


def test_no_janus_is_a_fault(hall: Hall, janus: Janus, tmp_path: Path) -> None:
    an = hall("an")
    janus.kill()
    assert an.wait("fault")["what"] == "janus_lost"
    assert an.process.wait(5) == 1
    again = hall("an", folder="again", joined=False)
    assert again.wait("fault")["what"] == "janus_lost"


def test_a_certificate_of_another_authority_is_not_trusted(hall: Hall, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    janus_for_tests.certificate(other)
    process = hall("an", joined=False, ca=str(other / "ca.crt"))
    assert process.wait("fault")["what"] == "janus_lost"


def test_udp_that_leads_nowhere_is_noticed(hall: Hall) -> None:
    """The WebSocket goes on, nothing else does: told within seconds, not after aioice's 30."""
    chinh, _ = hall("chinh"), hall("an")
    chinh.floor(["an", None], [], False)
    chinh.sees(0, "an")
    for rule in (
        "add prio 5 ipproto 17 blackhole",
        "add prio 10 lookup local",
        "del prio 0",
    ):
        subprocess.run(["ip", "rule", *rule.split()], check=True)
    try:
        began = time.monotonic()
        assert chinh.wait("fault")["what"] == "no_media"
        assert time.monotonic() - began < 25
        assert chinh.process.wait(5) == 1
    finally:
        subprocess.run(["ip", "rule", "add", "prio", "0", "lookup", "local"], check=True)
        subprocess.run(["ip", "rule", "del", "prio", "5"], check=True)
        subprocess.run(["ip", "rule", "del", "prio", "10"], check=True)


def test_garbage_from_the_unit_is_refused_and_the_meeting_goes_on(hall: Hall) -> None:
    chinh, an = hall("chinh"), hall("an")
    for data in (
        b"\n",
        b"{}\n",
        b"[" * 5000 + b"\n",
        b"\xff\xfe\n",
        b'{"type":"dance"}\n',
        b"x" * 200_000 + b"\n",
    ):
        chinh.send_raw(data)
    chinh.send({"type": "floor", "video": ["an"], "audio": "all", "mic": 3})
    chinh.start({"url": "wss://198.51.100.1:1", "room": "x", "pin": "xxxx"}, Path("/"))
    chinh.floor(["an", None], [], False)
    chinh.sees(0, "an")
    an.hang_up()
    assert an.process.wait(5) == 0, "end of file ends it"


def test_a_screen_that_starts_again_gets_the_pictures_again(hall: Hall) -> None:
    chinh, an = hall("chinh"), hall("an")
    chinh.floor(["an", None], [], False)
    chinh.sees(0, "an")
    chinh.restart_screen()
    assert chinh.readers == []
    chinh.sees(0, "an")
    an.stop()


def test_a_camera_that_is_lost_is_told_and_opened_again(hall: Hall, tmp_path: Path) -> None:
    an = hall("an", camera={"source": f"file:{tmp_path}/clip.mp4"})
    assert an.wait("fault")["what"] == "camera_lost"
    assert an.process.poll() is None
    clip(tmp_path / "clip.mp4", [np.full((180, 320), 40 + i, np.uint8) for i in range(20)])
    assert an.wait("camera") == {"type": "camera", "open": True, "encoder": "libx264"}


def test_a_microphone_that_is_lost_is_told_and_opened_again(hall: Hall, tmp_path: Path) -> None:
    an = hall("an", microphone={"source": f"file:{tmp_path}/voice.wav"})
    an.floor([None, None], [], True)
    assert an.wait("fault")["what"] == "microphone_lost"
    assert an.process.poll() is None
    with wave.open(str(tmp_path / "voice.wav"), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes(bytes(96_000))
    assert an.wait("microphone") == {"type": "microphone", "open": True}
