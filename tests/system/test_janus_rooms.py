"""Rooms on the real Janus, with the generated configuration; aiortc is the one who sends."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from diemcau_controller.adapters import janus_session
from diemcau_controller.adapters.janus import JanusLost, JanusRefused, RoomEvent, RoomSpec, VideoRooms
from diemcau_controller.adapters.janus_config import JanusPorts, write_janus_config
from diemcau_controller.namespace import ADDRESS

KEY = "the-admin-key"
ROOM = RoomSpec("giao-ban-1", "room-secret", "123456", publishers=3)


class Janus:
    def __init__(self, folder: Path) -> None:
        self._folder = folder / "janus"
        self.socket = folder / "janus.sock"
        self.start()

    def start(self) -> None:
        ports = JanusPorts(ADDRESS, 20000, 20999)
        folder = write_janus_config(self._folder, socket=self.socket, ports=ports, admin_key=KEY)
        argv = ["janus", f"--configs-folder={folder}", f"--config={folder}/janus.jcfg"]
        self.process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    @asynccontextmanager
    async def rooms(self) -> AsyncIterator[VideoRooms]:
        made = VideoRooms(self.socket, KEY)
        for _ in range(100):
            try:
                await made.participants("none")
            except JanusLost:
                await asyncio.sleep(0.1)
            except JanusRefused:
                break
        yield made
        await made.close()


@pytest.fixture
def janus(tmp_path: Path) -> Any:
    made = Janus(tmp_path)
    yield made
    made.process.kill()
    made.process.wait()


def runs(test: Callable[[Janus], Coroutine[Any, Any, None]]) -> Callable[[Janus], None]:
    def run(janus: Janus) -> None:
        asyncio.run(asyncio.wait_for(test(janus), 40))

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@asynccontextmanager
async def sender(janus: Janus, feed: str) -> AsyncIterator[None]:
    """Somebody who sends sound and picture into the room."""
    session = await janus_session.Session.open(janus.socket)
    handle = await session.attach()
    join = {"request": "join", "ptype": "publisher", "room": ROOM.room, "pin": ROOM.pin, "id": feed}
    await session.message(handle, join)
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTrack(AudioStreamTrack())
    connection.addTrack(VideoStreamTrack())
    await connection.setLocalDescription(await connection.createOffer())
    answer = await session._ask(
        {
            "janus": "message",
            "handle_id": handle,
            "body": {"request": "publish"},
            "jsep": {"type": "offer", "sdp": connection.localDescription.sdp},
        }
    )
    assert "profile-level-id=42e01f" in answer["jsep"]["sdp"] and "VP8" not in answer["jsep"]["sdp"]
    await connection.setRemoteDescription(RTCSessionDescription(**answer["jsep"]))
    yield
    await connection.close()
    await session.close()


@runs
async def test_a_room_is_made_once_and_survives_kill(janus: Janus) -> None:
    async with janus.rooms() as rooms:
        await rooms.create(ROOM)
        await rooms.create(ROOM)
        with pytest.raises(JanusRefused):
            await rooms.create(RoomSpec(ROOM.room, "another secret", ROOM.pin))
        passing = RoomSpec("check-of-a-hall", "its secret", "001122", lasting=False)
        await rooms.create(passing)
        await rooms.create(passing)
        janus.signal(signal.SIGKILL)
        janus.process.wait()
        with pytest.raises(JanusLost):
            await rooms.participants(ROOM.room)
        janus.start()
        for _ in range(50):
            try:
                assert await rooms.participants(ROOM.room) == []
                break
            except JanusLost:
                await asyncio.sleep(0.1)
        with pytest.raises(JanusRefused):
            await rooms.destroy(ROOM.room, "wrong")
        await rooms.destroy(ROOM.room, ROOM.secret)
        await rooms.destroy(ROOM.room, ROOM.secret)
        with pytest.raises(JanusRefused):
            await rooms.participants(ROOM.room)


@runs
async def test_without_the_admin_key_there_is_no_room(janus: Janus) -> None:
    async with janus.rooms():
        stranger = VideoRooms(janus.socket, "a guess")
        with pytest.raises(JanusRefused):
            await stranger.create(ROOM)
        await stranger.close()


@runs
async def test_watching_and_moderating(janus: Janus) -> None:
    async with janus.rooms() as rooms, asyncio.TaskGroup() as group:
        await rooms.create(ROOM)
        seen: asyncio.Queue[RoomEvent] = asyncio.Queue()

        async def watch() -> None:
            async with aclosing(rooms.watch(ROOM.room, ROOM.pin)) as events:
                async for event in events:
                    seen.put_nowait(event)

        watching = group.create_task(watch())
        async with sender(janus, "xa-ea-kpam"):
            assert await seen.get() == RoomEvent("published", "xa-ea-kpam")
            assert await rooms.participants(ROOM.room) == ["xa-ea-kpam"]
            assert await rooms.moderate(ROOM.room, ROOM.secret, "xa-ea-kpam", True)
            assert await rooms.moderate(ROOM.room, ROOM.secret, "xa-ea-kpam", False)
            with pytest.raises(JanusRefused):
                await rooms.moderate(ROOM.room, "wrong", "xa-ea-kpam", True)
            assert not await rooms.moderate(ROOM.room, ROOM.secret, "xa-cu-mgar", True)
        assert await seen.get() == RoomEvent("left", "xa-ea-kpam")
        assert not await rooms.moderate(ROOM.room, ROOM.secret, "xa-ea-kpam", True)
        await rooms.destroy(ROOM.room, ROOM.secret)
        await watching  # a destroyed room ends the watching


@runs
async def test_a_wrong_pin_does_not_let_in(janus: Janus) -> None:
    async with janus.rooms() as rooms:
        await rooms.create(ROOM)
        async with aclosing(rooms.watch(ROOM.room, "000000")) as events:
            with pytest.raises(JanusRefused):
                await anext(events)


@runs
async def test_a_silent_janus_is_noticed(janus: Janus) -> None:
    async with janus.rooms() as rooms:
        await rooms.create(ROOM)
        async with aclosing(rooms.watch(ROOM.room, ROOM.pin)) as events:
            waiting = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0.5)
            janus.signal(signal.SIGSTOP)
            started = time.monotonic()
            with pytest.raises(JanusLost):
                await waiting
            assert time.monotonic() - started < 12
            janus.signal(signal.SIGCONT)
