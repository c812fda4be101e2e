"""What the updater asks of others on this machine: a check of the unit process, a restart of who may,
and what only root does with the other slot of an image."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from pathlib import Path

from diemcau_agent.rules.updating import Check
from diemcau_agent.unit.state_folder import write_atomically

from . import records
from .places import Places

log = logging.getLogger(__name__)

LOOK_S = 1.0
_READABLE = 0o644  # by the unit process, in a folder that only it and we enter


class Asking:
    """`pause` waits so many seconds, `seconds` is a clock that nobody sets."""

    def __init__(
        self, places: Places, *, pause: Callable[[float], None], seconds: Callable[[], float]
    ) -> None:
        self._places, self._pause, self._seconds = places, pause, seconds

    def restart(self) -> None:
        """Have screen and unit process start again, from what `current` shows to."""
        self._put("restart", "")

    def system(self, what: str, order: str, limit_s: float) -> str | None:
        """Have root do something with the other slot for this order (`install SHA256`, `start`): "ok", or why
        not; None when nobody said in time. `firmware/system/usr/lib/diemcau/system.sh` answers."""
        until, question = self._seconds() + limit_s, uuid.uuid4().hex
        self._put("system", f"{question} {order} {what}\n")
        try:
            while True:
                asked, _, answer = _line(self._places.system_said).partition(" ")
                if asked == question:
                    return answer.strip()
                if self._seconds() >= until:
                    return None
                self._pause(LOOK_S)
        finally:
            _withdraw(self._places.requests / "system")

    def check(self, question: str, version: str, limit_s: float) -> Check | None:
        """Have the room checked by a unit process of `version`: its answer, which may be that it is busy;
        None when none came in time."""
        until = self._seconds() + limit_s
        self._put("check", question)
        try:
            while True:
                answer = records.read(Check, self._places.check)
                if answer is not None and (answer.answers, answer.version) == (question, version):
                    return answer
                if self._seconds() >= until:
                    return None
                self._pause(LOOK_S)
        finally:
            _withdraw(self._places.requests / "check")

    def last_check(self) -> Check | None:
        """What the unit process found last when we asked."""
        return records.read(Check, self._places.check)

    def _put(self, name: str, text: str) -> None:
        try:
            write_atomically(self._places.requests / name, text.encode(), mode=_READABLE)
        except OSError as error:
            log.error("nobody can be asked", extra={"what": name, "error": str(error)})


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _withdraw(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("a question stays", extra={"path": str(path), "error": str(error)})
