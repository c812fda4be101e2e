"""An ONVIF camera end to end: small while the hall listens, large and turned to its preset when it speaks.

The camera's key frames are ten seconds apart, so whatever is seen sooner came because it was asked for one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.browser.room_page import RoomPage, room_page
from tests.lab.onvif_peer import OnvifPeer, Stream
from tests.lab.rtsp_peer import RtspPeer

from . import janus_for_tests
from .janus_for_tests import ADDRESS
from .media_harness import MediaProcess, wait_until

pytestmark = pytest.mark.namespace

USER, PASSWORD = "admin", "m@t/khẩu 1"
FPS, WATCH_S = 15, 4.0
MAIN, SMALL = (640, 360), (320, 180)
PRESET = "Bục chủ tọa"


def test_the_floor_brings_the_large_picture_and_the_preset(tmp_path: Path) -> None:
    janus = janus_for_tests.start(tmp_path / "janus")
    served = RtspPeer("--small", "320x180", "--gop", "150", "--user", USER, "--password", PASSWORD)
    an, chinh = MediaProcess(tmp_path, "an"), MediaProcess(tmp_path, "chinh")
    try:
        with served, camera(served) as peer, room_page() as page:
            an.start(janus.join, janus.ca, {"camera": {"source": peer.source, "preset": PRESET}})
            chinh.start(janus.join, janus.ca)
            assert an.wait("camera")["encoder"] == "none"
            chinh.wait("joined")
            chinh.floor(["an", None], [], False)
            wait_until(lambda: aiortc_sees(chinh) == SMALL, 8, f"in aiortc: {aiortc_sees(chinh)}")
            page.enter(janus.join)
            page.until(lambda: chromium_sees(page) == SMALL, 8, "in Chromium: no small picture")
            assert "GotoPreset" not in peer.calls
            dark = brightness(chinh)

            frames = slot_frames(chinh)
            floor(an, speaking=True)
            watched, seconds = page.count(["an"], WATCH_S)["an"]
            assert an.stats()["video_out"]["stream"] == "main"
            assert (aiortc_sees(chinh), chromium_sees(page)) == (MAIN, MAIN)
            assert peer.calls.count("GotoPreset") == 1
            assert brightness(chinh) > dark + 20, "it does not show what the preset looks at"
            came = slot_frames(chinh) - frames
            print(f"over the change: Chromium {watched} frames in {seconds:.1f} s, aiortc {came}, of {FPS}/s")
            assert watched > 0.5 * FPS * seconds and came > 0.5 * FPS * WATCH_S, "it stood still"

            floor(an, speaking=False)
            page.until(lambda: chromium_sees(page) == SMALL, 15, "Chromium does not follow back")
            wait_until(lambda: aiortc_sees(chinh) == SMALL, 3, "aiortc does not follow back")
        assert "SetSynchronizationPoint" in peer.calls and not peer.refused
        assert "no picture of" not in chinh.log(), "the connection was rebuilt"
        assert PASSWORD not in an.log() and "m%40t" not in an.log()
        assert [line["open"] for line in an.of("camera")] == [True], "one opening, whatever the stream"
    finally:
        an.close()
        chinh.close()
        janus.stop()


def camera(served: RtspPeer) -> OnvifPeer:
    """Its clock is three years behind; its first preset shows bars, which are brighter than the ball."""
    return OnvifPeer(
        ADDRESS,
        8560,
        USER,
        PASSWORD,
        {"main": Stream(served.url, *MAIN), "small": Stream(served.small, *SMALL)},
        {PRESET: "smpte", "Toàn cảnh": "ball"},
        turn=lambda pattern: served.order(f"pattern {pattern}"),
        key_frame=lambda _: served.order("key"),
        ahead_s=-3 * 365 * 86_400,
    )


def floor(hall: MediaProcess, *, speaking: bool) -> None:
    hall.send({"type": "floor", "video": [None, None], "audio": [], "mic": False, "speaking": speaking})


def aiortc_sees(hall: MediaProcess) -> tuple[int, int] | None:
    picture = hall.picture(0)
    return (picture.width, picture.height) if picture is not None else None


def chromium_sees(page: RoomPage) -> tuple[int, int] | None:
    picture = page.picture("an")
    return picture.size if picture is not None else None


def slot_frames(hall: MediaProcess) -> int:
    return int(hall.stats()["slots"][0]["frames"])


def brightness(hall: MediaProcess) -> float:
    picture = hall.picture(0)
    assert picture is not None
    return float(np.frombuffer(picture.data, np.uint8, picture.width * picture.height).mean())
