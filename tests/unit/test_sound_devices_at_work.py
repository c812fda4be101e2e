"""Microphone and loudspeaker at work in the media process: lost, come back, muted, and let go when closed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from diemcau_agent.drivers.fake.setting import change_setting
from diemcau_agent.media import microphone, mixing
from diemcau_agent.media.microphone import MicrophoneFeed
from diemcau_agent.media.mixing import Mixer


class Listener:
    def __init__(self) -> None:
        self.told: list[str] = []
        self.packets = 0

    def microphone_opened(self) -> None:
        self.told.append("opened")

    def microphone_closed(self) -> None:
        self.told.append("closed")

    def microphone_lost(self, text: str) -> None:
        self.told.append("lost")

    def sound(self, packet: av.Packet) -> None:
        self.packets += 1


async def until(true: Callable[[], bool], what: str) -> None:
    for _ in range(2000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(what)


def test_a_loudspeaker_that_comes_back_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mixing, "_REOPEN_S", 0.1)
    path = tmp_path / "output.json"
    path.write_text("{}")

    async def play() -> None:
        mixer = Mixer(f"fake:{path}", 0, volume_percent=55)
        playing = asyncio.create_task(mixer.run())
        await until(lambda: mixer.working, "it does not open")
        assert json.loads(path.read_text())["volume_percent"] == 55
        assert not mixer.muted
        change_setting(str(path), muted=True)
        assert mixer.muted
        change_setting(str(path), plugged=False, volume_percent=30)
        await until(lambda: "not plugged in" in mixer.lost, "its loss is not noticed")
        assert not mixer.working and not mixer.muted
        change_setting(str(path), plugged=True)
        await until(lambda: mixer.working and mixer.lost == "", "it is not opened again")
        assert json.loads(path.read_text())["volume_percent"] == 30, "a volume that somebody set stays"
        playing.cancel()
        await asyncio.wait({playing})

    asyncio.run(play())


def test_a_microphone_is_open_only_while_it_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(microphone, "_BACK_OFF_S", 0.1)
    path = tmp_path / "microphone.json"
    path.write_text(json.dumps({"tone_hz": 500}))

    async def listen() -> None:
        listener = Listener()
        feed = MicrophoneFeed(f"fake:{path}", listener)
        running = asyncio.create_task(feed.run())
        await asyncio.sleep(0.05)
        assert listener.told == [] and feed.level_db() == -100
        feed.set_open(True)
        await until(lambda: listener.packets > 3, "nothing is sent")
        assert -25 < feed.level_db() < -15
        assert not feed.muted
        change_setting(str(path), muted=True)
        assert feed.muted
        feed.set_open(False)
        await until(lambda: not feed.opened, "it is not closed")
        sent = listener.packets
        await asyncio.sleep(0.1)
        assert listener.packets == sent and not feed.muted
        change_setting(str(path), plugged=False)
        feed.set_open(True)
        await until(lambda: listener.told.count("lost") > 1, "its loss is not told")
        change_setting(str(path), plugged=True)
        await until(lambda: listener.packets > sent, "it is not opened again")
        running.cancel()
        await asyncio.wait({running})
        assert [told for told in listener.told if told != "lost"] == ["opened", "closed"] * 2

    asyncio.run(listen())
