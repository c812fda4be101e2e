"""A small file server with ranges, for releases: it can break off, lie and count."""

from __future__ import annotations

import contextlib
import http.client
import re
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from diemcau_agent.updating.line import Line


class Folder(Mapping[str, bytes]):
    """The files below `root`, as they are when somebody asks, by their path after `prefix`."""

    def __init__(self, root: Path, prefix: str) -> None:
        self._root, self._prefix = root, prefix

    def __getitem__(self, path: str) -> bytes:
        try:
            return (self._root / path.removeprefix(self._prefix)).read_bytes()
        except OSError:
            raise KeyError(path) from None

    def __iter__(self) -> Iterator[str]:
        return (self._prefix + str(path.relative_to(self._root)) for path in self._root.rglob("*"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class ReleaseServer:
    """Serves `files` (path to content). `cuts` are byte counts after which the next answers break off;
    `asked` are the paths that were asked for, with the byte each began at."""

    def __init__(self, files: Mapping[str, bytes], address: str = "127.0.0.1") -> None:
        self.files, self.cuts = files, list[int]()
        self.asked: list[tuple[str, int]] = []
        self.body_bytes = 0
        self.status: int | None = None
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._http = ThreadingHTTPServer((address, 0), Handler)
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.02,), name="releases", daemon=True).start()

    def line(self, *_: object) -> Line:
        return Line(lambda: http.client.HTTPConnection("127.0.0.1", self.port, timeout=5))

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        content = self.files.get(request.path)
        said = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        start = int(said[1]) if said else 0
        self.asked.append((request.path, start))
        status = self.status or (404 if content is None else 206 if said else 200)
        if content is None or status >= 400:
            request.send_error(status)
            return
        if start >= len(content):
            request.send_error(416)
            return
        request.send_response(status)
        request.send_header("Content-Length", str(len(content) - start))
        if said:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        request.end_headers()
        body = content[start:]
        if self.cuts:
            body = body[: self.cuts.pop(0)]
            request.close_connection = True
        self.body_bytes += len(body)
        with contextlib.suppress(OSError):  # whoever asked has hung up
            request.wfile.write(body)
