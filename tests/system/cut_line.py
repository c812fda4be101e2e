"""A line that can be cut: a relay between one unit and the broker."""

from __future__ import annotations

import contextlib
import socket
import threading


class CutLine:
    """Passes TCP connections on to (`host`, `port`), until it is cut. `port` is where it listens."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._listener = socket.create_server((host, 0))
        self.port: int = self._listener.getsockname()[1]
        self._whole = threading.Event()
        self._whole.set()
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, name="line", daemon=True).start()

    def cut(self) -> None:
        """Break what is open; nothing gets through from now on."""
        self._whole.clear()
        for end in list(self._open):
            _hang_up(end)

    def mend(self) -> None:
        """Let everything through again."""
        self._whole.set()

    def close(self) -> None:
        """No more of it."""
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                if not self._whole.is_set():
                    here.close()
                    continue
                try:
                    there = socket.create_connection(self._to, timeout=5)
                except OSError:
                    here.close()
                    continue
                there.settimeout(None)
                self._open |= {here, there}
                for a, b in ((here, there), (there, here)):
                    threading.Thread(target=self._pass_on, args=(a, b), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            _hang_up(end)
            self._open.discard(end)


def _hang_up(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
