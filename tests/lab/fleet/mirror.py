"""Debian's packages for nodes that have no way to any network: this machine's own mirrors, passed on.

The nodes ask at one address of the lab's bridge; what they ask for is fetched with this machine's own apt
sources, proxies and certificates, and packages are kept for the next node. Runs in the network namespace it
was started in, on a listening socket made in another, handed over by the socket DESCRIPTOR:

    python -m tests.lab.fleet.mirror DESCRIPTOR FOLDER
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

PORT = 3142
SUITE = "bookworm"
_PATIENCE_S = 60


class NoMirror(RuntimeError):
    """This machine knows no mirror of the nodes' Debian; the text says what to do."""


def repositories() -> list[tuple[str, str, str]]:
    """(address, suite, component) of this machine's mirrors of Debian 12. Raises :class:`NoMirror`."""
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)"]
    done = subprocess.run([*asked, "Created-By: Packages"], capture_output=True, text=True, check=False)
    found = [tuple(line.split()) for line in done.stdout.splitlines()]
    ours = [one for one in found if len(one) == 3 and one[1].partition("-")[0] == SUITE]
    if not ours:
        raise NoMirror(f"this machine's apt knows no mirror of {SUITE}: run apt-get update, or use Debian 12")
    return list(dict.fromkeys(ours))  # type: ignore[arg-type]


def sources(address: str) -> str:
    """What a node writes into its sources.list to be served at `address`."""
    uris = list(dict.fromkeys(uri for uri, _, _ in repositories()))
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    return "".join(
        f"deb [signed-by={keyring}] http://{address}:{PORT}/{uris.index(uri)} {suite} {component}\n"
        for uri, suite, component in repositories()
    )


class Mirror:
    """The running mirror. Start it before this process enters a namespace, `listen` afterwards."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._ours, theirs = socket.socketpair()
        with theirs:
            command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "tests.lab.fleet.mirror"]
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno()), str(folder)], pass_fds=[theirs.fileno()]
            )

    def listen(self, address: str) -> None:
        """Serve at this address of the namespace we are in now."""
        with socket.create_server((address, PORT)) as listening:
            socket.send_fds(self._ours, [b"1"], [listening.fileno()])

    def close(self) -> None:
        self._ours.close()
        self._process.terminate()
        self._process.wait()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    kept: Path
    uris: list[str]

    def do_GET(self) -> None:
        """`/NUMBER/path`: that path of the mirror with that number."""
        number, _, path = self.path.lstrip("/").partition("/")
        if not (number.isdecimal() and int(number) < len(self.uris)) or ".." in unquote(path).split("/"):
            self._answer(404, b"")
            return
        kept = self.kept / Path(unquote(path)).name if path.endswith(".deb") else None
        if kept is not None and kept.exists():
            self._answer(200, kept.read_bytes())
            return
        try:
            with urllib.request.urlopen(f"{self.uris[int(number)]}{path}", timeout=_PATIENCE_S) as answer:
                body = answer.read()
        except urllib.error.HTTPError as error:
            self._answer(error.code, b"")
            return
        except OSError as error:
            self._answer(502, str(error).encode())
            return
        if kept is not None:  # apt compares it with the signed list, whoever kept it
            fresh = kept.with_name(f"{kept.name}.{threading.get_ident()}")
            fresh.write_bytes(body)
            fresh.replace(kept)
        self._answer(200, body)

    def _answer(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *words: Any) -> None:
        """Nothing: whoever asked says what went wrong."""


def main() -> int:
    handed = socket.socket(fileno=int(sys.argv[1]))
    _Handler.kept = Path(sys.argv[2])
    _Handler.uris = list(dict.fromkeys(uri for uri, _, _ in repositories()))
    _, descriptors, _, _ = socket.recv_fds(handed, 1, 1)
    if not descriptors:
        return 0  # nobody listens any more
    with socket.socket(fileno=descriptors[0]) as listening:
        server = ThreadingHTTPServer(listening.getsockname(), _Handler, bind_and_activate=False)
        server.socket.close()
        server.socket = listening
        server.daemon_threads = True
        threading.Thread(target=lambda: (handed.recv(1), os._exit(0)), daemon=True).start()
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
