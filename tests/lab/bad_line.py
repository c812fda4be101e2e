"""A slow line that loses packets, between two networks of this machine: a program passes every packet on.

Each end is a TUN device; a child process has the far one in a network namespace of its own.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import os
import random
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

HERE, THERE = "10.77.0.1", "10.77.0.2"
_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN_NO_PI = 0x0001 | 0x1000
_TCP = 6


@dataclass
class Way:
    """One direction. `tcp_bytes` counts what TCP carried in packets that arrived, again or not."""

    rate_bps: float
    loss: float
    delay_s: float
    queue_bytes: int = 32_000
    passed: int = 0
    lost: int = 0
    tcp_bytes: int = 0
    waiting_bytes: int = 0
    free_at: float = 0.0
    ahead: list[tuple[float, int, bytes]] = field(default_factory=list)

    def take(self, packet: bytes, now: float, chance: random.Random) -> None:
        """A packet enters: it waits its turn, is lost, or finds no place."""
        if chance.random() < self.loss or self.waiting_bytes + len(packet) > self.queue_bytes:
            self.lost += 1
            return
        self.free_at = max(now, self.free_at) + 8 * len(packet) / self.rate_bps
        self.waiting_bytes += len(packet)
        heapq.heappush(self.ahead, (self.free_at + self.delay_s, self.passed + self.lost, packet))

    def due(self, now: float) -> bytes | None:
        """A packet that comes out."""
        if not self.ahead or self.ahead[0][0] > now:
            return None
        packet = heapq.heappop(self.ahead)[2]
        self.waiting_bytes -= len(packet)
        self.passed += 1
        self.tcp_bytes += carried(packet)
        return packet


def carried(packet: bytes) -> int:
    """How many bytes TCP carries in an IPv4 packet (RFC 791, RFC 9293)."""
    if len(packet) < 40 or packet[0] >> 4 != 4 or packet[9] != _TCP:
        return 0
    header = (packet[0] & 15) * 4
    return max(0, len(packet) - header - (packet[header + 12] >> 4) * 4)


class BadLine:
    """A context. `run` starts a process at the far end; `cut` and `mend` are somebody with a spade."""

    def __init__(self, rate_bps: float, loss: float, *, delay_s: float = 0.12, seed: int = 6) -> None:
        self.down, self.up = Way(rate_bps, loss, delay_s), Way(rate_bps, loss, delay_s)
        self._chance, self._whole = random.Random(seed), threading.Event()
        self._whole.set()
        self._over = threading.Event()

    def __enter__(self) -> BadLine:
        self._near = tun("bad-line", HERE)
        ours, theirs = socket.socketpair()
        self._ready, self._child = ours, os.fork()
        if self._child == 0:
            ours.close()  # or it would never see that we are gone
            _far_end(theirs)
        theirs.close()
        _, (self._far,), _, _ = socket.recv_fds(ours, 1, 1)
        self._thread = threading.Thread(target=self._pass_on, name="line")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._ready.close()  # the far end waits for that
        os.waitpid(self._child, 0)
        for descriptor in (self._near, self._far):
            os.close(descriptor)

    def run(self, command: list[str], *, output: int) -> subprocess.Popen[bytes]:
        """Start a program at the far end."""
        inside = ["nsenter", f"--net=/proc/{self._child}/ns/net", *command]
        return subprocess.Popen(inside, stdout=output, stderr=output)

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        self._whole.set()

    def _pass_on(self) -> None:
        ways: list[tuple[int, int, Way]] = [
            (self._near, self._far, self.down),
            (self._far, self._near, self.up),
        ]
        while not self._over.is_set():
            readable, _, _ = select.select([self._near, self._far], [], [], 0.005)
            now = time.monotonic()
            for source, target, way in ways:
                if source in readable:
                    packet = os.read(source, 2048)
                    if self._whole.is_set():
                        way.take(packet, now, self._chance)
                while (packet_out := way.due(now)) is not None:
                    if self._whole.is_set():
                        os.write(target, packet_out)


def tun(name: str, address: str) -> int:
    """A TUN device with that address, as a descriptor."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TUN_NO_PI))
    ip = ["ip"]
    subprocess.run([*ip, "address", "add", f"{address}/24", "dev", name], check=True)
    subprocess.run([*ip, "link", "set", name, "up"], check=True)
    return descriptor


def _far_end(line: socket.socket) -> None:
    """The child: a network of its own, whose device it hands back; it lives as long as the line."""
    code = 1
    try:
        unshare: Callable[[int], int] = ctypes.CDLL(None, use_errno=True).unshare
        if unshare(_CLONE_NEWNET) == 0:
            device = tun("bad-line", THERE)
            socket.send_fds(line, [b"!"], [device])
            os.close(device)
            line.recv(1)
            code = 0
    finally:
        os._exit(code)
