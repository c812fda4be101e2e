"""A camera with two streams: which one is sent when, and that one takes the other's place without a seam."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import av
import pytest
from diemcau_agent.drivers.coded_stream import nal_types
from diemcau_agent.media import camera as feed_module
from diemcau_agent.media.camera import CameraFeed
from diemcau_wire.messages import Camera, SiteInfo, Video

VIDEO = Video(width=320, height=180, fps=15, bitrate_bps=300_000)
SITE = SiteInfo(id="an", name="Xã An")


class Told:
    """Listens, and keeps what was sent."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.units: list[av.Packet] = []

    def camera_opened(self, encoder: str) -> None:
        self.lines.append(f"opened {encoder}")

    def camera_changed(self, encoder: str) -> None:
        self.lines.append(f"changed {encoder}")

    def camera_closed(self) -> None:
        self.lines.append("closed")

    def camera_lost(self, text: str) -> None:
        self.lines.append(f"lost {text}")

    def access_unit(self, packet: av.Packet) -> None:
        self.units.append(packet)


class Stage:
    """A feed of two fake cameras at work."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.told = Told()
        settings = Camera(source=self.fake("main"), small=self.fake("small", width=160, height=90))
        self.feed = CameraFeed(settings, VIDEO, SITE, self.told)

    def fake(self, name: str, **effects: object) -> str:
        path = self._folder / f"{name}.json"
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps({"codec": "h264", "gop_s": 0.4, "width": 320, "height": 180, **effects}))
        draft.replace(path)
        return f"fake:{path}"

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not reached():  # noqa: ASYNC110 - a thread reaches it
                await asyncio.sleep(0.05)

    async def sends(self, stream: str) -> None:
        """Wait until this stream is sent, and some of it has been."""

        def is_sent() -> bool:
            described = self.feed.describe()
            return described is not None and described[0] == stream and described[1].width > 0

        await self.until(is_sent)
        seen = len(self.told.units)
        await self.until(lambda: len(self.told.units) > seen + 4)


@pytest.fixture
def play(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[Stage], Awaitable[None]]], None]:
    monkeypatch.setattr(feed_module, "_LINGER_S", 0.2)
    monkeypatch.setattr(feed_module, "_AGAIN_S", 0.2)
    monkeypatch.setattr(feed_module, "_BACK_OFF_S", (0.1,))

    def run(scene: Callable[[Stage], Awaitable[None]]) -> None:
        async def stage() -> None:
            running = Stage(tmp_path)
            feeding = asyncio.create_task(running.feed.run())
            await scene(running)
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)

        asyncio.run(stage())

    return run


def test_the_large_stream_takes_the_place_of_the_small_one_and_back(play: Callable[..., None]) -> None:
    async def scene(stage: Stage) -> None:
        await stage.sends("small")
        stage.feed.set_floor(True)
        await stage.sends("main")
        stage.feed.set_floor(False)
        await stage.sends("small")
        assert stage.told.lines == ["opened none"], "it is one camera, opened once"

        units = stage.told.units
        assert all(later.pts > earlier.pts for earlier, later in itertools.pairwise(units))
        sizes = decoded_sizes(units)
        changes = [at for at in range(1, len(sizes)) if sizes[at] != sizes[at - 1]]
        assert [sizes[0], *(sizes[at] for at in changes)] == [(160, 90), (320, 180), (160, 90)]
        for at in (0, *changes):
            assert {5, 7, 8} <= set(nal_types(bytes(units[at]))), "a stream begins with SPS, PPS and IDR"

    play(scene)


def decoded_sizes(units: list[av.Packet]) -> list[tuple[int, int]]:
    """The size of each picture; a picture that cannot be decoded fails the test."""
    decoder = av.CodecContext.create("h264", "r")
    decoder.flags |= av.codec.context.Flags.low_delay
    frames = [frame for unit in units for frame in decoder.decode(unit)] + list(decoder.decode(None))
    assert len(frames) == len(units)
    return [(frame.width, frame.height) for frame in frames]


def test_a_large_stream_that_does_not_come_leaves_the_small_one(play: Callable[..., None]) -> None:
    async def scene(stage: Stage) -> None:
        await stage.sends("small")
        stage.fake("main", holders=1)
        stage.feed.set_floor(True)
        seen = len(stage.told.units)
        await stage.until(lambda: len(stage.told.units) > seen + 15)
        assert stage.told.lines == ["opened none"]
        stage.fake("main")
        await stage.sends("main")

    play(scene)


def test_without_its_small_stream_the_camera_gives_the_large_one(play: Callable[..., None]) -> None:
    async def scene(stage: Stage) -> None:
        stage.fake("small", plugged=False)
        await stage.sends("main")
        assert stage.feed.why == "missing"
        stage.fake("small", width=160, height=90)
        await stage.sends("small")

    play(scene)


def test_a_stream_of_pictures_takes_over_from_a_coded_one(play: Callable[..., None]) -> None:
    async def scene(stage: Stage) -> None:
        await stage.sends("small")
        stage.fake("main", codec="raw")
        stage.feed.set_floor(True)
        await stage.sends("main")
        assert stage.told.lines == ["opened none", "changed libx264"]
        stage.feed.request_key_frame()
        keys = sum(unit.is_keyframe for unit in stage.told.units)
        await stage.until(lambda: sum(unit.is_keyframe for unit in stage.told.units) > keys)

    play(scene)
