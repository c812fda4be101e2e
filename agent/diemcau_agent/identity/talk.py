"""The conversation with the unit process, which started this one: JSON lines over descriptor 3.

→ unit: `step` {`step`}, `failed` {`step` `why` `where` `line`}, `code` {`code` `until` `qr` `remark`},
`clock` {`ahead_s`}, `prepared` {`whom` `phone` `serial`}, `scan` {`wanted`: whether a code held before the
camera would help}, `network` {`ssid` `password` `apn`}; at the end `verdict` {`verdict` `site_name` `text`}.
unit →: `scanned` {`text`}.
"""

from __future__ import annotations

import logging
import select
import socket
import time

from diemcau_agent.ipc import MAX_LINE, Garbage, Line, decode_line, encode_line

log = logging.getLogger(__name__)


class UnitGone(Exception):
    """The unit process hung up: there is nobody to do this for."""


class Talk:
    """One conversation. `scanned` is the text of the last code that was held before the camera."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._received = bytearray()
        self._last: dict[str, Line] = {}
        self.scanned: str | None = None

    def tell(self, line: Line) -> None:
        """Say something; what was said already about the same is not said again. Raises :class:`UnitGone`."""
        about = "step" if line["type"] == "failed" else line["type"]
        if self._last.get(about) == line:
            return
        self._last[about] = line
        try:
            self._sock.sendall(encode_line(line))
        except OSError as error:
            raise UnitGone(str(error)) from None

    def wait(self, seconds: float) -> None:
        """Let time pass, less when a code was scanned. Raises :class:`UnitGone`."""
        deadline = time.monotonic() + seconds
        while True:
            left = max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([self._sock], [], [], left)
            if not ready:
                return
            if self._read():
                return

    def _read(self) -> bool:
        """Take what arrived; True when it was a code."""
        try:
            data = self._sock.recv(MAX_LINE)
        except OSError as error:
            raise UnitGone(str(error)) from None
        if not data:
            raise UnitGone("end of file")
        self._received += data
        if len(self._received) > MAX_LINE:
            self._received.clear()
        scanned = False
        while (end := self._received.find(b"\n")) >= 0:
            line = bytes(self._received[:end])
            del self._received[: end + 1]
            try:
                said = decode_line(line)
            except Garbage as error:
                log.warning("line of the unit process refused", extra={"error": str(error)})
                continue
            if said["type"] == "scanned" and isinstance(said.get("text"), str):
                self.scanned, scanned = said["text"][:4000], True
        return scanned
