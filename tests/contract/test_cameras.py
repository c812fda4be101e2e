"""What every camera driver keeps: it opens, paces itself, gives pictures or access units, says why it went.

The drivers that need no device run here, RTSP and ONVIF against cameras of their own kind. The Video4Linux
driver runs where there is such a camera, DIEMCAU_V4L2=v4l2:ID, as in the lab's virtual machine; elsewhere its
rows are skipped by that reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import socket
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue

import av
import numpy as np
import pytest
from diemcau_agent.drivers.cameras import Camera, CameraLost, open_camera
from diemcau_agent.drivers.coded_stream import nal_types
from diemcau_agent.drivers.onvif import OnvifControl
from diemcau_agent.media import camera as feed_module
from diemcau_agent.media.camera import CameraFeed
from diemcau_wire.messages import Camera as Settings
from diemcau_wire.messages import SiteInfo, Video

from tests.lab.rtsp_peer import RtspPeer

VIDEO = Video(width=320, height=180, fps=15, bitrate_bps=300_000)
SITE = SiteInfo(id="an", name="Xã An")
V4L2 = os.environ.get("DIEMCAU_V4L2", "")
PASSWORD = "mật-khẩu"
WRAPS = str(2**32 - 90_000)  # an RTP time that wraps after a second

in_the_lab = pytest.mark.skipif(not V4L2, reason="needs a Video4Linux camera: run in the lab (DIEMCAU_V4L2)")
with_network = pytest.mark.namespace
CODED = ["fake-h264", pytest.param("rtsp", marks=with_network), pytest.param("onvif", marks=with_network)]
PICTURES = [
    "synthetic",
    "file",
    "fake",
    pytest.param("rtsp-bframes", marks=with_network),
    pytest.param("v4l2", marks=in_the_lab),
]

Source = Callable[[str], str]


def fake(path: Path, **effects: object) -> str:
    """Write what a fake camera does now, all at once."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps({"width": 320, "height": 180, **effects}))
    draft.replace(path)
    return f"fake:{path}"


def film(path: Path) -> str:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=15)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for count in range(15):
            picture = np.full((270, 320), 100 + count, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
        container.mux(stream.encode())
    return f"file:{path}"


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Source]:
    """Makes a camera of a kind that works, and names it."""
    with contextlib.ExitStack() as running:

        def make(kind: str) -> str:
            match kind:
                case "file":
                    return film(tmp_path / "film.mp4")
                case "fake":
                    return fake(tmp_path / "camera.json")
                case "fake-h264":
                    return fake(tmp_path / "camera.json", codec="h264", gop_s=0.5)
                case "rtsp":
                    return running.enter_context(RtspPeer("--gop", "8", "--offset", WRAPS)).url
                case "rtsp-bframes":
                    return running.enter_context(RtspPeer("--bframes", "2")).url
                case "onvif":
                    from tests.lab.onvif_peer import OnvifPeer, Stream

                    served = running.enter_context(RtspPeer("--gop", "8"))
                    streams = {"main": Stream(served.url, 640, 360)}
                    peer = OnvifPeer("198.51.100.1", served.port + 1000, "admin", "x", streams)
                    return running.enter_context(peer).source
                case "v4l2":
                    return V4L2 if V4L2.startswith("v4l2:") else f"v4l2:{V4L2}"
            return kind

        yield make


def opened(source: str) -> Camera:
    camera = open_camera(source, VIDEO, SITE)
    assert camera is not None
    return camera


@pytest.mark.parametrize("kind", PICTURES)
def test_pictures_fit_and_come_at_their_pace(kind: str, source: Source) -> None:
    camera = opened(source(kind))
    try:
        frames = [got for got in (camera.read() for _ in range(12)) if isinstance(got, av.VideoFrame)]
        assert len(frames) >= 5, "an access unit or two before B-frames are noticed"
        began = time.monotonic()
        for _ in range(8):
            frame = camera.read()
            assert isinstance(frame, av.VideoFrame)
            assert frame.format.name == "yuv420p"
            assert frame.width <= VIDEO.width and frame.height <= VIDEO.height
            assert frame.width % 2 == frame.height % 2 == 0
        assert time.monotonic() - began > 0.5 * 8 / VIDEO.fps, "it does not pace itself"
        described = camera.describe()
        assert described.width >= frame.width and described.height >= frame.height
        assert described.key_frame_s is None or kind == "rtsp-bframes"
        assert not camera.coded
        camera.request_key_frame()
    finally:
        camera.close()
        camera.close()


@pytest.mark.parametrize("kind", CODED)
def test_access_units_can_be_decoded_from_the_first_key_frame_on(kind: str, source: Source) -> None:
    camera = opened(source(kind))
    try:
        assert camera.coded
        units = [camera.read() for _ in range(25)]
        assert all(isinstance(unit, av.Packet) for unit in units)
        first = next(at for at, unit in enumerate(units) if unit.is_keyframe)
        times = [unit.pts for unit in units if unit.pts is not None]
        assert all(later > earlier for earlier, later in itertools.pairwise(times))
        assert {5, 7, 8} <= set(nal_types(bytes(units[first]))), "SPS and PPS are before the key frame"
        decoder = av.CodecContext.create("h264", "r")
        decoded = [frame for unit in units[first:] for frame in decoder.decode(unit)]
        assert len(decoded) >= len(units) - first - 2
        described = camera.describe()
        assert (described.width, described.height) == (decoded[-1].width, decoded[-1].height)
        assert described.fps is not None and 8 < described.fps < 25
        assert described.key_frame_s is not None and 0.2 < described.key_frame_s < 2
    finally:
        camera.close()
        camera.close()


@pytest.mark.parametrize(
    ("effects", "why"),
    [
        ({"plugged": False}, "missing"),
        ({"holders": 1}, "busy"),
        ({"lets_in": False}, "refused"),
        ({"answers": False}, "unreachable"),
        ({"codec": "hevc"}, "unsupported"),
    ],
)
def test_a_fake_that_cannot_be_opened_says_why(effects: dict[str, object], why: str, tmp_path: Path) -> None:
    refused(fake(tmp_path / "camera.json", **effects), why)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("v4l2:usb-of-nobody-video-index0", "missing"),
        ("v4l2:path-pci-0000:00:14.0-usb-0:9:1.0-video-index0", "missing"),
        ("v4l2:/dev/video77", "missing"),
        ("file:/nowhere/film.mp4", "missing"),
        ("fake:/nowhere/camera.json", "missing"),
        ("file:/dev/null", "unsupported"),
        ("onvif://", "unsupported"),
        ("onvif://a:b@host:99999999", "unsupported"),
        ("telepathy:me", "unsupported"),
    ],
)
def test_what_is_not_there_is_told(source: str, why: str) -> None:
    refused(source, why)


@with_network
def test_an_ip_camera_that_cannot_be_used_says_why_and_no_password_is_told() -> None:
    def of(peer: RtspPeer, user: str, path: str = "camera") -> str:
        return f"rtsp://{user}@198.51.100.1:{peer.port}/{path}"

    with RtspPeer("--user", "admin", "--password", PASSWORD) as guarded, RtspPeer("--codec", "h265") as hevc:
        refused(of(guarded, f"admin:sai-{PASSWORD}"), "refused")
        refused(of(guarded, f"admin:{PASSWORD}", "elsewhere"), "missing")
        refused(of(hevc, f"admin:{PASSWORD}"), "unsupported")
        opened(of(guarded, f"admin:{PASSWORD}")).close()
    refused(f"rtsp://admin:{PASSWORD}@198.51.100.1:9/camera", "unreachable")
    refused(f"onvif://admin:{PASSWORD}@198.51.100.1:9", "unreachable")
    with socket.create_server(("198.51.100.1", 0)) as deaf:  # it takes the call and says nothing
        refused(f"rtsp://198.51.100.1:{deaf.getsockname()[1]}/camera", "unreachable")


def refused(source: str, why: str) -> None:
    with pytest.raises(CameraLost) as lost:
        opened(source)
    assert (lost.value.why, PASSWORD in str(lost.value)) == (why, False), str(lost.value)
    assert str(lost.value)


@pytest.mark.parametrize("kind", ["fake", "fake-h264", "file", pytest.param("rtsp", marks=with_network)])
def test_a_camera_that_goes_while_it_is_read_is_lost(kind: str, source: Source, tmp_path: Path) -> None:
    with contextlib.ExitStack() as running:
        peer = running.enter_context(RtspPeer()) if kind == "rtsp" else None
        camera = opened(peer.url if peer is not None else source(kind))
        camera.read()
        if peer is not None:
            running.close()
        elif kind == "file":
            (tmp_path / "film.mp4").unlink()
        else:
            fake(tmp_path / "camera.json", plugged=False)
        with pytest.raises(CameraLost) as lost:
            for _ in range(100):
                camera.read()
        assert lost.value.why == ("lost" if kind == "rtsp" else "missing")
        camera.close()


@with_network
def test_an_onvif_camera_turns_to_presets_by_their_names_and_says_what_it_cannot() -> None:
    from tests.lab.onvif_peer import OnvifPeer, Stream

    turned: list[str] = []
    asked: list[str] = []
    streams = {"main": Stream("rtsp://198.51.100.1:9/main", 640, 360)}
    presets = {"Bục chủ tọa": "chair", unicodedata.normalize("NFD", "Toàn cảnh"): "hall"}
    peer = OnvifPeer("198.51.100.1", 9590, "admin", PASSWORD, streams, presets, turned.append, asked.append)
    with peer:
        told: Queue[str] = Queue()
        control = OnvifControl(peer.source, told.put)
        control.recall("Cửa sổ")
        assert "'Cửa sổ'; it has: Bục chủ tọa, Toàn cảnh" in told.get(timeout=10)
        control.recall("Toàn cảnh")
        control.request_key_frame(small=True)
        deadline = time.monotonic() + 10
        while not (turned and asked):
            assert time.monotonic() < deadline, peer.calls
            time.sleep(0.05)
        assert (turned, asked, told.empty()) == (["hall"], ["main"], True)
        control.close()
        stranger = OnvifControl(peer.source.replace("admin:", "guest:"), told.put)
        stranger.recall("Toàn cảnh")
        assert PASSWORD not in told.get(timeout=10) and peer.refused
        stranger.close()


@pytest.mark.parametrize("codec", ["raw", "h264"])
def test_a_size_that_changes_is_followed(codec: str, tmp_path: Path) -> None:
    path = tmp_path / "camera.json"
    camera = opened(fake(path, codec=codec))
    camera.read()
    fake(path, codec=codec, width=160, height=120)
    deadline = time.monotonic() + 5
    while (camera.describe().width, camera.describe().height) != (160, 120):
        assert time.monotonic() < deadline, camera.describe()
        got = camera.read()
    if isinstance(got, av.VideoFrame):
        assert (got.width, got.height) == (160, 120)
    camera.close()


class Told:
    """Listens to a camera feed."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.units = 0

    def camera_opened(self, encoder: str) -> None:
        self.lines.append(f"opened {encoder}")

    def camera_changed(self, encoder: str) -> None:
        self.lines.append(f"changed {encoder}")

    def camera_closed(self) -> None:
        self.lines.append("closed")

    def camera_lost(self, text: str) -> None:
        self.lines.append("lost")

    def access_unit(self, packet: av.Packet) -> None:
        self.units += 1


def test_a_driver_that_hangs_is_left_and_the_camera_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "CAMERA_S", 0.6)
    monkeypatch.setattr(feed_module, "_BACK_OFF_S", (0.1,))
    path = tmp_path / "camera.json"

    async def until(reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not reached():  # noqa: ASYNC110 - a thread reaches it
                await asyncio.sleep(0.05)

    async def watch() -> CameraFeed:
        told = Told()
        feed = CameraFeed(Settings(source=fake(path)), VIDEO, SITE, told)
        running = asyncio.create_task(feed.run())
        await until(lambda: told.units > 3)
        fake(path, hang=True)
        await until(lambda: "lost" in told.lines)
        assert feed.why == "silent"
        fake(path)
        seen = told.units
        await until(lambda: told.units > seen + 3)
        assert told.lines[:4] == ["opened libx264", "closed", "lost", "opened libx264"]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert told.lines[-1] == "closed"
        return feed

    asyncio.run(watch())
