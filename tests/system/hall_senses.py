"""What a hall gets, by content alone: from its own screen and loudspeakers, judged as the demo does."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from diemcau_agent.ipc import Garbage, Line, decode_line, encode_line
from diemcau_controller.demo.judge import Look, look, seen
from diemcau_controller.demo.voices import RATE_HZ, Tone, Verdict, heard, read_raw, tone_level
from diemcau_wire.unix_socket import connect

WINDOW_S = 1.2  # of sound that is judged at once
NOTHING_DB = -60.0
_BYTES_PER_S = 2 * RATE_HZ


@dataclass(frozen=True, slots=True)
class Expected:
    """What one hall shall get: the pictures of `seen`, and of `voices` the one of `heard` (None: silence)."""

    seen: frozenset[str]
    heard: str | None


class Senses:
    """Eyes and ears in one hall. What the camera took before `since` (Unix seconds) does not count."""

    def __init__(
        self, unit_folder: Path, playout: Path, expected: Expected, voices: dict[str, Tone], since: float
    ) -> None:
        self._folder, self._png = unit_folder, unit_folder / "look.png"
        self._playout, self._expected, self._voices = playout, expected, voices
        self.since = since
        self._from = _size(playout)
        self._looks: deque[Look] = deque(maxlen=2)
        self._pictures_at: float | None = None
        self._sound_at: float | None = None
        self.why: dict[str, str] = {"pictures": "never looked", "sound": "never listened"}

    @property
    def content(self) -> tuple[float, float] | None:
        """Seconds from `since` until the pictures were there, and the sound; None while one is missing."""
        if self._pictures_at is None or self._sound_at is None:
            return None
        return max(0.0, self._pictures_at - self.since), max(0.0, self._sound_at - self.since)

    def take(self) -> None:
        """Look and listen once more, as far as that is still missing."""
        if self._pictures_at is None:
            self._look()
        if self._sound_at is None:
            self._listen()

    def _look(self) -> None:
        error = self._snapshot()
        if error:
            self._looks.clear()
            self.why["pictures"] = error
            return
        taken = look(self._png, int(time.time() * 1000))
        fresh = {site: clock for site, clock in taken.codes.items() if clock > self.since * 1000}
        self._looks.append(Look(taken.at_ms, fresh))
        verdicts = {site: seen(site, list(self._looks)) for site in self._expected.seen}
        missing = {site: verdict.why for site, verdict in verdicts.items() if not verdict.ok}
        strangers = fresh.keys() - self._expected.seen
        if missing or strangers:
            self.why["pictures"] = f"missing {missing}, not to be seen {sorted(strangers)}"
        else:
            self._pictures_at = self._looks[0].at_ms / 1000

    def _snapshot(self) -> str:
        """Have the unit write what its screen shows; gives what went wrong."""
        answer = ask_unit(self._folder, {"type": "snapshot", "path": str(self._png)})
        return "" if answer.get("ok") else str(answer.get("error"))

    def _listen(self) -> None:
        end = _size(self._playout)
        start = end - int(WINDOW_S * RATE_HZ) * 2
        if start < self._from:
            self.why["sound"] = f"only {(end - self._from) / _BYTES_PER_S:.1f} s were played"
            return
        verdict = hears(self._playout, start, end, self._expected.heard, self._voices)
        if verdict.ok:
            self._sound_at = time.time() - WINDOW_S
        else:
            self.why["sound"] = verdict.why


def ask_unit(unit_folder: Path, request: Line) -> Line:
    """What a unit answers on its own socket, as the command line asks it, only quicker."""
    try:
        with connect(unit_folder / "run" / "unit.sock") as sock:
            sock.settimeout(8)
            sock.sendall(encode_line(request))
            with sock.makefile("rb") as lines:
                return decode_line(lines.readline())
    except (OSError, Garbage) as error:
        return {"type": "error", "ok": False, "error": str(error)}


def pending(unit_folder: Path) -> int:
    """How many events of a unit wait for a receipt; one at least while it does not answer."""
    outbox = ask_unit(unit_folder, {"type": "status"}).get("outbox", {"pending": 1})
    return int(outbox["pending"])


def hears(playout: Path, start: int, end: int, site: str | None, voices: dict[str, Tone]) -> Verdict:
    """Is `site` and nobody else of `voices` heard in these bytes of what a hall played; None: is nobody?"""
    sound = read_raw(playout, start, end)
    if site is not None:
        return heard(sound, voices[site], [tone for name, tone in voices.items() if name != site])
    for name, tone in voices.items():
        level = tone_level(sound, tone.hertz)
        if level > NOTHING_DB:
            return Verdict(False, f"{name} is heard ({level:.0f} dB) and nobody should be")
    return Verdict(True)


def _size(path: Path) -> int:
    return path.stat().st_size // 2 * 2 if path.exists() else 0
