"""JSON lines between the processes of a unit: what passes, what is refused, and that it goes on."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from pathlib import Path

import pytest
from diemcau_agent.ipc import MAX_LINE, Channel, Garbage, Line, decode_line, encode_line
from diemcau_wire.unix_socket import connect, listen

VALID: list[Line] = [
    {"type": "snapshot", "id": "1", "path": "/x/Ảnh.png"},
    {"type": "show", "site": {"name": "Xã Ea M'Droh"}, "next": None, "link": True},
    {"type": ""},
]
INVALID = [
    b"",
    b"null",
    b"3",
    b"[]",
    b'"show"',
    b"{}",
    b'{"type":1}',
    b'{"type":null}',
    b"{'type':'show'}",
    b'{"type":"show"',
    b"\xff\xfe\xfd",
    b'{"type":"\xff"}',
    b"[" * 60_000,
    b'{"type":"show","n":' + b"9" * 5000 + b"}",
]


@pytest.mark.parametrize("line", VALID, ids=lambda line: line["type"] or "empty")
def test_a_line_arrives_as_it_was(line: Line) -> None:
    data = encode_line(line)
    assert data.endswith(b"\n") and data.count(b"\n") == 1
    assert decode_line(data) == line


@pytest.mark.parametrize("data", INVALID, ids=lambda data: repr(data[:20]))
def test_whatever_else_is_garbage(data: bytes) -> None:
    with pytest.raises(Garbage):
        decode_line(data)


def test_a_line_has_a_largest_length() -> None:
    with pytest.raises(ValueError, match="longer than"):
        encode_line({"type": "x", "text": "y" * MAX_LINE})


def test_a_channel_counts_garbage_and_goes_on() -> None:
    here, there = socket.socketpair()

    async def talk() -> tuple[list[Line], int]:
        channel = await Channel.over(here)
        received = [line async for line in channel.lines()]
        await channel.aclose()
        return received, channel.refused

    said = b"".join(data + b"\n" + encode_line({"type": "between"}) for data in INVALID)
    said += b"x" * (3 * MAX_LINE) + b"\n" + encode_line({"type": "last"}) + b'{"type":"cut'

    def speak() -> None:
        there.sendall(said)
        there.close()

    speaker = threading.Thread(target=speak)
    speaker.start()
    received, refused = asyncio.run(talk())
    assert [line["type"] for line in received] == ["between"] * len(INVALID) + ["last"]
    assert refused == len(INVALID) + 1
    speaker.join()


def test_a_channel_answers_and_survives_a_peer_that_left() -> None:
    here, there = socket.socketpair()

    async def talk() -> None:
        channel = await Channel.over(here)
        channel.send({"type": "hello", "name": "Điểm Cầu"})
        await asyncio.sleep(0)
        assert json.loads(there.recv(1000)) == {"type": "hello", "name": "Điểm Cầu"}
        there.close()
        for _ in range(10):
            channel.send({"type": "into", "the": "void"})
            await asyncio.sleep(0)
        assert [line async for line in channel.lines()] == []
        await channel.aclose()

    asyncio.run(talk())


def test_sockets_in_deep_folders_and_left_over_ones(tmp_path: Path) -> None:
    path = tmp_path.joinpath(*["a-rather-long-folder-name"] * 6, "screen.sock")
    assert len(str(path)) > 108
    first = listen(path)
    second = listen(path)
    assert path.stat().st_mode & 0o777 == 0o600
    client = connect(path)
    accepted, _ = second.accept()
    client.sendall(b"x")
    assert accepted.recv(1) == b"x"
    for sock in (first, second, client, accepted):
        sock.close()


def test_connecting_to_nobody_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        connect(tmp_path / "nobody.sock")
    with pytest.raises(OSError):
        connect(tmp_path / "no-folder" / "nobody.sock")
