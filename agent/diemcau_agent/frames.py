"""Decoded pictures from media to screen: one memfd per slot, three buffers in it, no lock.

The writer fills the buffer that is neither the latest nor the one before it, then publishes its index;
the reader copies out of the latest and checks that it was not overtaken. The descriptors travel once,
with the line `{"type": "frames", "slots": n}` on a connection to the screen's socket; when that
connection ends, the pictures are gone.

Layout, native byte order: header of 64 bytes (magic `DCF1`, u32 latest index, u64 sequence of the
latest), then three buffers of HEADER + MAX_PIXELS * 3 / 2 bytes. A buffer: u64 sequence, u32 width,
u32 height, u64 CLOCK_MONOTONIC in ns, padding to 64, then planar I420 without line padding.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from dataclasses import dataclass

MAX_PIXELS = 1920 * 1088
HEADER = 64
BUFFER = HEADER + MAX_PIXELS * 3 // 2
SIZE = HEADER + 3 * BUFFER
_TOP = struct.Struct("=4sIQ")
_FRAME = struct.Struct("=QIIQ")
_MAGIC = b"DCF1"


@dataclass(frozen=True, slots=True)
class Picture:
    """One I420 picture: `y` is width*height bytes, `u` and `v` a quarter of it each (sizes rounded up)."""

    seq: int
    width: int
    height: int
    taken_ns: int
    data: bytes


def i420_size(width: int, height: int) -> int:
    """Bytes of an I420 picture; chroma planes are rounded up."""
    return width * height + 2 * ((width + 1) // 2) * ((height + 1) // 2)


class FrameWriter:
    """The media process's end of a slot."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("diemcau-frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, SIZE)
        fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        self._map = mmap.mmap(self.fd, SIZE)
        self._seq = 0
        self._index = 0
        _TOP.pack_into(self._map, 0, _MAGIC, 0, 0)

    def write(self, width: int, height: int, planes: tuple[bytes, bytes, bytes], taken_ns: int) -> None:
        """Publish a picture given as its three planes without line padding. Too large ones are refused."""
        if width * height > MAX_PIXELS:
            raise ValueError(f"picture of {width}x{height} does not fit")
        index = (self._index + 1) % 3
        start = HEADER + index * BUFFER
        at = start + HEADER
        _FRAME.pack_into(self._map, start, 0, 0, 0, 0)  # not readable while it is written
        for plane in planes:
            self._map[at : at + len(plane)] = plane
            at += len(plane)
        self._seq += 1
        _FRAME.pack_into(self._map, start, self._seq, width, height, taken_ns)
        _TOP.pack_into(self._map, 0, _MAGIC, index, self._seq)
        self._index = index

    def close(self) -> None:
        self._map.close()
        os.close(self.fd)


class FrameReader:
    """The screen process's end of a slot. Takes ownership of `fd`."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        try:
            if os.fstat(fd).st_size != SIZE:
                raise ValueError("wrong size")
            # Without the seal its writer could cut it short under us, and reading would end the process.
            if not fcntl.fcntl(fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK:
                raise ValueError("not sealed against shrinking")
            self._map = mmap.mmap(fd, SIZE, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            os.close(fd)
            raise ValueError(f"not a frame buffer: {error}") from None

    def read(self, after: int) -> Picture | None:
        """The latest picture if its sequence is above `after`; None when there is none, or overtaken."""
        magic, index, seq = _TOP.unpack_from(self._map, 0)
        if magic != _MAGIC or index > 2 or seq <= after:
            return None
        start = HEADER + index * BUFFER
        head = _FRAME.unpack_from(self._map, start)
        held, width, height, taken_ns = head
        if held != seq or width * height > MAX_PIXELS:
            return None
        data = self._map[start + HEADER : start + HEADER + i420_size(width, height)]
        if _FRAME.unpack_from(self._map, start) != head:
            return None
        return Picture(seq, width, height, taken_ns, data)

    def close(self) -> None:
        self._map.close()
        os.close(self._fd)
