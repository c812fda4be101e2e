"""Frame buffers: what is written is what is read, and nothing else is taken for one."""

from __future__ import annotations

import mmap
import os
import threading

import pytest
from diemcau_agent.frames import BUFFER, HEADER, MAX_PIXELS, SIZE, FrameReader, FrameWriter, i420_size


def flat(width: int, height: int, value: int) -> tuple[bytes, bytes, bytes]:
    chroma = ((width + 1) // 2) * ((height + 1) // 2)
    return bytes([value]) * (width * height), bytes([value]) * chroma, bytes([value]) * chroma


@pytest.fixture
def slot() -> tuple[FrameWriter, FrameReader]:
    writer = FrameWriter()
    return writer, FrameReader(os.dup(writer.fd))


def test_sizes() -> None:
    assert i420_size(640, 360) == 640 * 360 * 3 // 2
    assert i420_size(3, 3) == 9 + 2 * 4
    assert SIZE == HEADER + 3 * BUFFER
    assert i420_size(1920, 1088) + HEADER == BUFFER


@pytest.mark.parametrize("size", [(640, 360), (1920, 1080), (17, 33)])
def test_a_picture_arrives_as_it_was(slot: tuple[FrameWriter, FrameReader], size: tuple[int, int]) -> None:
    writer, reader = slot
    assert reader.read(0) is None
    y, u, v = flat(*size, 7)
    writer.write(*size, (y, bytes(reversed(u)), v), 123456789)
    picture = reader.read(0)
    assert picture is not None
    assert (picture.seq, picture.width, picture.height, picture.taken_ns) == (1, *size, 123456789)
    assert picture.data == y + u + v
    assert reader.read(picture.seq) is None, "each picture is read once"


def test_only_the_latest_counts(slot: tuple[FrameWriter, FrameReader]) -> None:
    writer, reader = slot
    for value in range(10):
        writer.write(16, 16, flat(16, 16, value), value)
    picture = reader.read(3)
    assert picture is not None
    assert (picture.seq, picture.taken_ns, picture.data[0]) == (10, 9, 9)


def test_too_large_a_picture_is_refused_and_the_last_stays(slot: tuple[FrameWriter, FrameReader]) -> None:
    writer, reader = slot
    writer.write(16, 16, flat(16, 16, 1), 1)
    with pytest.raises(ValueError, match="does not fit"):
        writer.write(MAX_PIXELS, 2, (b"", b"", b""), 2)
    picture = reader.read(0)
    assert picture is not None and picture.seq == 1


def test_a_reader_never_sees_half_a_picture(slot: tuple[FrameWriter, FrameReader]) -> None:
    writer, reader = slot
    ended = threading.Event()

    def write() -> None:
        value = 0
        while not ended.wait(0.0005):
            value = (value + 1) % 251
            writer.write(640, 360, flat(640, 360, value), value)

    thread = threading.Thread(target=write)
    thread.start()
    seq, seen = 0, 0
    while seen < 100:
        picture = reader.read(seq)
        if picture is not None:
            assert picture.data == picture.data[:1] * i420_size(640, 360)
            seq, seen = picture.seq, seen + 1
    ended.set()
    thread.join()


@pytest.mark.parametrize(
    "header",
    [b"XXXX" + bytes(12), b"DCF1\x09\x00\x00\x00" + b"\x01" * 8, b"DCF1\x00\x00\x00\x00" + b"\x05" * 8],
)
def test_a_broken_header_gives_no_picture(header: bytes) -> None:
    fd = os.dup(FrameWriter().fd)
    with mmap.mmap(fd, SIZE) as memory:
        memory[: len(header)] = header
    reader = FrameReader(fd)
    assert reader.read(0) is None
    reader.close()


def test_a_buffer_its_writer_could_cut_short_is_refused() -> None:
    fd = os.memfd_create("unsealed")
    os.ftruncate(fd, SIZE)
    with pytest.raises(ValueError, match="seal"):
        FrameReader(fd)


def test_a_descriptor_that_is_no_buffer_is_refused_and_closed() -> None:
    small = os.memfd_create("small")
    os.ftruncate(small, SIZE - 1)
    reading, writing = os.pipe()
    shut = os.open(f"/proc/self/fd/{FrameWriter().fd}", os.O_WRONLY)
    for fd in (small, reading, shut):
        with pytest.raises(ValueError, match="not a frame buffer"):
            FrameReader(fd)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
    os.close(writing)
