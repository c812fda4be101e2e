"""What an IP camera sends is what the room gets, bit for bit, and its unit encodes no picture at all."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from diemcau_controller.config import StateDir
from diemcau_controller.demo.halls import SITES

from .room_recording import longest_run, record
from .rtsp_camera import FPS, RtspCamera
from .staged_meeting import StagedMeeting, staged_meeting

pytestmark = pytest.mark.namespace

SITE, NAME = "xa-ea-kpam", "Hội trường xã Ea Kpam"
WANTED = 2 * 12 * FPS  # two slices a picture: 12 s of them
ENOUGH = 200
ENCODER_WATCH = Path(__file__).parents[1] / "lab" / "encoder_watch"
VIDEO_ENCODER = re.compile(r"symbol `((?:x26[45]_encoder_open|vpx_codec_enc_init|svt_av1_enc_init)\w*)'")
SOUND_ENCODER = re.compile(r"symbol `(opus_(?:multistream_)?encoder_(?:create|init))\w*'")


def test_the_room_gets_the_cameras_slices_and_nobody_encodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = tmp_path / "watch"
    watch.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(ENCODER_WATCH))
    monkeypatch.setenv("ENCODER_WATCH", str(watch))
    with (
        RtspCamera(SITE, NAME, 8561) as camera,
        staged_meeting(tmp_path / "stage", {SITE: camera.url}) as meeting,
    ):
        ca = StateDir(meeting.stage.root).ca_certificate
        received = record(meeting.join_info(), ca, SITE, WANTED, limit_s=40)
        run = longest_run(received, camera.sent)
        print(f"slices in a row as the camera sent them: {run} of {len(received)} received")
        assert run >= ENOUGH
        assert set(received) <= set(camera.sent), "a slice the camera never sent"

        meeting.give_floor(SITE)  # so that its media process opens an encoder at all: that of sound
        deadline = time.monotonic() + 15
        while not encoders_called(meeting, SITE, watch)[1]:
            assert time.monotonic() < deadline, "the watch does not work: the microphone needs an encoder"
            time.sleep(0.3)
        told = {site: encoders_told(meeting, site) for site in SITES}
        called = {site: encoders_called(meeting, site, watch) for site in SITES}
        print("encoders in the units' events:", told, "called:", called)
        assert told == {site: {"none" if site == SITE else "libx264"} for site in SITES}
        assert {site: bool(video) for site, (video, _) in called.items()} == {
            site: site != SITE for site in SITES
        }


def encoders_told(meeting: StagedMeeting, site: str) -> set[str]:
    """What the site's unit told of its camera."""
    events = meeting.stage.api.get("/api/v1/events", kind="camera_opened", limit=1000)
    return {event["data"]["encoder"] for event in events if event["site"] == site}


def encoders_called(meeting: StagedMeeting, site: str, watch: Path) -> tuple[set[str], set[str]]:
    """Encoders of pictures and of sound that were opened in any media process of the unit so far."""
    own = next(process["pid"] for process in meeting.status(site)["processes"] if process["role"] == "unit")
    texts = [file.read_text(errors="replace") for file in watch.glob(f"{own}.*")]
    assert texts, f"no media process of {site} was watched"
    return (
        {name for text in texts for name in VIDEO_ENCODER.findall(text)},
        {name for text in texts for name in SOUND_ENCODER.findall(text)},
    )
