"""An IP camera's H.264 goes into the room untouched; a camera that goes away is taken up again."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiortc.rtcrtpreceiver
import av
import pytest
from diemcau_agent.drivers.synthetic import SyntheticCamera
from diemcau_agent.media import connection
from diemcau_agent.media.h264 import Encoder
from diemcau_agent.media.janus import Janus as Client
from diemcau_wire.messages import SiteInfo, Video

from . import janus_for_tests
from .janus_for_tests import ADDRESS, Janus
from .media_harness import MediaProcess

SERVER = Path(__file__).parents[1] / "lab" / "rtsp_server.py"
PYTHON = "/usr/bin/python3"
FPS, PICTURES = 25, 250


pytestmark = pytest.mark.namespace


@pytest.fixture(scope="module")
def janus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Janus]:
    running = janus_for_tests.start(tmp_path_factory.mktemp("janus"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds of H.264 with a key frame a second, showing the code of site `an`."""
    video = Video(width=640, height=360, fps=FPS, bitrate_bps=600_000)
    camera, encoder = SyntheticCamera(video, SiteInfo(id="an", name="An")), Encoder(640, 360, video)
    path = tmp_path_factory.mktemp("film") / "film.h264"
    with path.open("wb") as file:
        for count in range(PICTURES):
            frame = av.VideoFrame.from_ndarray(camera.draw(1_800_000_000_000 + count * 40), format="yuv420p")
            for packet in encoder.encode(frame, count * 3600, key=count % FPS == 0):
                file.write(bytes(packet))
    return path


@pytest.fixture
def camera() -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    """Starts an RTSP camera; returns the process and its URL."""
    servers: list[subprocess.Popen[str]] = []

    def start(port: int, *options: str) -> tuple[subprocess.Popen[str], str]:
        command = [PYTHON, str(SERVER), "--port", str(port), "--address", ADDRESS, *options]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        servers.append(server)
        assert server.stdout is not None
        return server, server.stdout.readline().split()[1]

    yield start
    for server in servers:
        server.kill()
        server.wait()
        assert server.stdout is not None
        server.stdout.close()


def slices(data: bytes) -> list[bytes]:
    """The NAL units of pictures in annex B data."""
    nals = (part.rstrip(b"\0") for part in data.split(b"\0\0\1"))
    return [nal for nal in nals if nal and nal[0] & 0x1F in (1, 5)]


class Recorder:
    """In the place of aiortc's decoder: keeps what it should decode."""

    received: list[bytes] = []  # noqa: RUF012 - aiortc makes the instance

    def decode(self, frame: Any) -> list[Any]:
        self.received.extend(slices(frame.data))
        return []


async def record(janus: Janus, site: str, count: int, timeout_s: float) -> list[bytes]:
    """Subscribe to a site's video as anybody would, and return the slices that come."""
    client = await Client.connect(janus.url, str(janus.ca))
    peer = connection.new_connection()
    try:
        handle = await client.attach(lambda _: None)
        streams = [{"feed": site, "mid": "1"}]
        body = {"request": "join", "ptype": "subscriber", "room": janus.room, "pin": janus.pin}
        _, jsep = await handle.ask({**body, "streams": streams})
        assert jsep is not None
        await handle.ask({"request": "start"}, await connection.answer(peer, jsep))
        async with asyncio.timeout(timeout_s):
            while len(Recorder.received) < count:  # noqa: ASYNC110 - filled by a thread
                await asyncio.sleep(0.1)
    finally:
        await connection.close(peer)
        await client.aclose()
    return Recorder.received


@pytest.mark.parametrize(("sets", "count"), [("sdp", 220), ("inband", 40)])
def test_what_the_camera_sends_is_what_the_room_gets(
    sets: str,
    count: int,
    janus: Janus,
    film: Path,
    camera: Callable[..., tuple[subprocess.Popen[str], str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, url = camera(8554, "--file", str(film), "--fps", str(FPS), "--sets", sets)
    an, chinh = MediaProcess(tmp_path, "an"), MediaProcess(tmp_path, "chinh")
    try:
        an.start(janus.join, janus.ca, {"camera": {"source": url}})
        chinh.start(janus.join, janus.ca)
        assert an.wait("camera") == {"type": "camera", "open": True, "encoder": "none"}
        an.wait("joined")
        chinh.wait("joined")
        chinh.floor(["an", None], [], False)
        Recorder.received = []
        monkeypatch.setattr(aiortc.rtcrtpreceiver, "get_decoder", lambda codec: Recorder())
        received = asyncio.run(record(janus, "an", count, 30))

        sent = slices(film.read_bytes())
        assert len(sent) == PICTURES
        first = sent.index(received[0])
        expected = [sent[(first + index) % PICTURES] for index in range(count)]
        assert received[:count] == expected, "slices differ from what the camera sent"
        assert an.stats()["video_out"]["encoder"] == "none"
        code = chinh.code(0)
        assert code is not None and code[0] == "an", "decoded in another hall"
    finally:
        an.close()
        chinh.close()


def test_a_camera_that_goes_away_is_taken_up_again(
    janus: Janus, film: Path, camera: Callable[..., tuple[subprocess.Popen[str], str]], tmp_path: Path
) -> None:
    server, url = camera(8555, "--file", str(film), "--fps", str(FPS))
    an, chinh = MediaProcess(tmp_path, "an"), MediaProcess(tmp_path, "chinh")
    try:
        an.start(janus.join, janus.ca, {"camera": {"source": url}})
        chinh.start(janus.join, janus.ca)
        an.wait("joined")
        chinh.wait("joined")
        chinh.floor(["an", None], [], False)
        _frames(chinh, 1)
        server.kill()
        assert an.wait("fault")["what"] == "camera_lost"
        assert an.of("camera")[-1]["open"] is False
        camera(8555, "--file", str(film), "--fps", str(FPS))
        assert an.wait("camera", after=2) == {"type": "camera", "open": True, "encoder": "none"}
        seen = chinh.stats()["slots"][0]["frames"]
        _frames(chinh, seen + 10)
        assert an.process.poll() is None and not chinh.of("fault")
    finally:
        an.close()
        chinh.close()


def _frames(process: MediaProcess, count: int) -> None:
    """Wait until so many pictures have come in the first slot."""
    deadline = time.monotonic() + 15
    while process.stats()["slots"][0]["frames"] < count:
        assert time.monotonic() < deadline, process.log()[-2000:]
        time.sleep(0.1)
