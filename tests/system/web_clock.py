"""A web server that says its time, as the coordinator's does: late now and then, and never quite ours."""

from __future__ import annotations

import http.server
import random
import ssl
import threading
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any, Self

from diemcau_controller.namespace import ADDRESS

from . import janus_for_tests

PORT = 8563


class WebClock:
    """Its time differs from ours by up to `off_s`, another time at each question. Its certificate is in
    `folder`, put there if there is none. `way` is how a unit reaches it; a context."""

    def __init__(self, folder: Path, *, off_s: float, seed: int = 1) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "ca.crt").exists():
            janus_for_tests.certificate(folder)
        self._folder, self._off_s, self._chance = folder, off_s, random.Random(seed)

    @property
    def way(self) -> dict[str, Any]:
        return {"url": f"https://{ADDRESS}:{PORT}/api/v1/units/u/picture", "ca": self._folder / "ca.crt"}

    def __enter__(self) -> Self:
        clock = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                time.sleep(clock._chance.uniform(0, 0.5))
                self.send_response_only(401)
                off_s = clock._chance.uniform(-clock._off_s, clock._off_s)
                self.send_header("Date", formatdate(time.time() + off_s, usegmt=True))
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._folder / "ca.crt", self._folder / "janus.key")
        self._server = http.server.ThreadingHTTPServer((ADDRESS, PORT), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
