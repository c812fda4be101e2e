"""Who speaks to the screen: JSON lines and descriptors from several Unix connections, without threads.

Whatever a peer sends, the answer here is a line or a counted refusal; the connection lives on.
"""

from __future__ import annotations

import array
import os
import selectors
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from ..ipc import MAX_LINE, Garbage, Line, decode_line, encode_line

MAX_PEERS = 16
MAX_FDS = 8
_CHUNK = 64 * 1024
_UNREAD = 256 * 1024
_FD_BYTES = array.array("i").itemsize


class Happened(StrEnum):
    OPENED = "opened"
    LINE = "line"
    CLOSED = "closed"


@dataclass(eq=False, slots=True)
class Peer:
    """One connection."""

    sock: socket.socket
    received: bytearray = field(default_factory=bytearray)
    fds: list[int] = field(default_factory=list)
    skipping: bool = False
    unsent: bytearray = field(default_factory=bytearray)
    open: bool = True

    def take_fds(self) -> list[int]:
        """The descriptors that came and were not taken yet; the caller owns them now."""
        taken, self.fds = self.fds, []
        return taken


@dataclass(frozen=True, slots=True)
class Event:
    what: Happened
    peer: Peer
    line: Line | None = None


class Connections:
    """All connections to one listening socket. `refused` counts what was not understood, by reason."""

    def __init__(self, listening: socket.socket) -> None:
        self.refused: Counter[str] = Counter()
        self.peers: list[Peer] = []
        self._listening = listening
        listening.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(listening, selectors.EVENT_READ)

    def wait(self, timeout_s: float) -> Iterator[Event]:
        """What happened, waiting up to `timeout_s` for the first of it."""
        for key, mask in self._selector.select(timeout_s):
            if key.fileobj is self._listening:
                yield from self._accept()
                continue
            peer: Peer = key.data
            if mask & selectors.EVENT_WRITE and peer.open:
                self._flush(peer)
            if mask & selectors.EVENT_READ and peer.open:
                yield from self._read(peer)
        for peer in [peer for peer in self.peers if not peer.open]:
            yield from self._close(peer)

    def send(self, peer: Peer, line: Line) -> None:
        """Send a line; a peer that reads nothing for too long is hung up on."""
        if peer.open:
            peer.unsent += encode_line(line)
            self._flush(peer)

    def close(self) -> None:
        """Hang up on everybody."""
        for peer in list(self.peers):
            self._discard(peer)
        self._selector.close()
        self._listening.close()

    def _accept(self) -> Iterator[Event]:
        try:
            sock, _ = self._listening.accept()
        except OSError:  # the peer changed its mind
            self.refused["connection"] += 1
            return
        if len(self.peers) >= MAX_PEERS:
            self.refused["connection"] += 1
            sock.close()
            return
        sock.setblocking(False)
        peer = Peer(sock)
        self.peers.append(peer)
        self._selector.register(sock, selectors.EVENT_READ, peer)
        yield Event(Happened.OPENED, peer)

    def _read(self, peer: Peer) -> Iterator[Event]:
        space = socket.CMSG_SPACE(MAX_FDS * _FD_BYTES)
        try:
            data, ancillary, flags, _ = peer.sock.recvmsg(_CHUNK, space, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError:
            data, ancillary, flags = b"", [], 0
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(payload[: len(payload) // _FD_BYTES * _FD_BYTES])
                peer.fds += fds
        if flags & socket.MSG_CTRUNC or len(peer.fds) > MAX_FDS:
            self._refuse_fds(peer)
        if not data:
            yield from self._close(peer)
            return
        peer.received += data
        yield from self._lines(peer)
        if peer.fds and not peer.received:  # they came with lines that have no use for them
            self._refuse_fds(peer)

    def _lines(self, peer: Peer) -> Iterator[Event]:
        while (end := peer.received.find(b"\n")) >= 0:
            data = bytes(peer.received[:end])
            del peer.received[: end + 1]
            if peer.skipping:
                peer.skipping = False
            elif len(data) >= MAX_LINE:
                self.refused["size"] += 1
            else:
                try:
                    line = decode_line(data)
                except Garbage:
                    self.refused["json"] += 1
                else:
                    yield Event(Happened.LINE, peer, line)
        if peer.skipping:
            peer.received.clear()
        elif len(peer.received) >= MAX_LINE:
            self.refused["size"] += 1
            peer.skipping = True
            peer.received.clear()

    def _refuse_fds(self, peer: Peer) -> None:
        self.refused["descriptors"] += 1
        for fd in peer.take_fds():
            os.close(fd)

    def _flush(self, peer: Peer) -> None:
        try:
            while peer.unsent:
                del peer.unsent[: peer.sock.send(peer.unsent)]
        except BlockingIOError:
            peer.open = len(peer.unsent) <= _UNREAD
        except OSError:
            peer.open = False
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.unsent else 0)
        if self._selector.get_key(peer.sock).events != events:
            self._selector.modify(peer.sock, events, peer)

    def _close(self, peer: Peer) -> Iterator[Event]:
        self._discard(peer)
        yield Event(Happened.CLOSED, peer)

    def _discard(self, peer: Peer) -> None:
        peer.open = False
        if peer in self.peers:
            self.peers.remove(peer)
            self._selector.unregister(peer.sock)
            peer.sock.close()
            for fd in peer.take_fds():
                os.close(fd)
