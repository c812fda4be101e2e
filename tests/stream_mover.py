"""A sound server that gives a program another microphone than it asked for, as some desktops' rules do."""

from __future__ import annotations

import re
import socket
import threading
from typing import Self

from .sound_server import SoundServer

_PROMPT = b">>> "
_STREAM = re.compile(r"index: (\d+)\n.*?source: \d+ <([^>]*)>", re.DOTALL)
_LOOK_EVERY_S = 0.004


class StreamMover:
    """Whoever records from `microphone` hears `other` a few milliseconds later. A context."""

    def __init__(self, sound: SoundServer, microphone: str, other: str) -> None:
        self._microphone, self._other = microphone, other
        path = sound.socket.with_name(f"rules-of-{microphone[-12:]}")
        sound.pactl("load-module", "module-cli-protocol-unix", f"socket={path}")
        self._line = socket.socket(socket.AF_UNIX)
        self._line.settimeout(5)
        self._line.connect(str(path))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="mover")
        self.moved = 0

    def __enter__(self) -> Self:
        self._ask("hello")  # from now on it says when an answer is over
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._line.close()

    def _work(self) -> None:
        while not self._over.wait(_LOOK_EVERY_S):
            for index, source in _STREAM.findall(self._ask("list-source-outputs")):
                if source == self._microphone:
                    self._ask(f"move-source-output {index} {self._other}")
                    self.moved += 1

    def _ask(self, words: str) -> str:
        self._line.sendall(words.encode() + b"\n")
        return self._read()

    def _read(self) -> str:
        said = b""
        while not said.endswith(_PROMPT):
            if not (more := self._line.recv(65536)):
                break
            said += more
        return said.decode(errors="replace")
