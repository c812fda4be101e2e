"""The RTSP server of tests/lab/rtsp_server.py as a context: an IP camera for tests."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path
from typing import Self

_SERVER = Path(__file__).with_name("rtsp_server.py")
_PYTHON = "/usr/bin/python3"  # it has GObject introspection, ours has not
_PORTS = itertools.count(8570)


class RtspPeer:
    """`options` are those of rtsp_server.py. `url` is its main stream, `small` the other one."""

    def __init__(self, *options: str, port: int | None = None) -> None:
        self.port = port if port is not None else next(_PORTS)
        self._command = [_PYTHON, str(_SERVER), "--port", str(self.port), "--control", *options]

    def __enter__(self) -> Self:
        self._server = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._server.stdout is not None
        self.url = self._server.stdout.readline().split()[1]
        self.small = self.url.replace("/camera", "/small")
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.kill()
        self._server.communicate()

    def order(self, line: str) -> None:
        """`key`, or `pattern NAME`."""
        assert self._server.stdin is not None
        self._server.stdin.write(line + "\n")
        self._server.stdin.flush()
