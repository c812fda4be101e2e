"""The two slots of a box that was flashed with an image: what runs, and what the other one holds.

Written by others: the image's own `data.sh`, `good.sh` and `system.sh` below `/data/slots`, and RAUC's status
file. What cannot be read is not there.
"""

from __future__ import annotations

import configparser
import re
from pathlib import Path

from diemcau_wire.release import is_version

from .places import Places

_SLOT = re.compile(r"\brauc\.slot=([AB])\b")
_RAUC_NAMES = {"A": "slot.rootfs.0", "B": "slot.rootfs.1"}


class Slots:
    """As they are at this moment."""

    def __init__(self, places: Places) -> None:
        self._root = places.root
        self._slots = places.root / "data/slots"

    def runs(self) -> str | None:
        """The version of the system that runs; None on a machine that has no slots."""
        return _first_word(self._root / "usr/lib/diemcau/image") or None

    def good(self) -> bool:
        """Whether the slot that runs has shown that the room works with it."""
        return (self._slots / self._here() / "good").exists()

    def other_holds(self) -> str:
        """The version of the system that lies whole in the other slot, "" when none does."""
        other = self._other()
        status = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            status.read_string(_text(self._root / "data/rauc.status"))
            how = status.get(_RAUC_NAMES[other], "status", fallback="")
            if not how:  # it came with the image, and nothing was put there since
                return _first_word(self._slots / other / "image")
            return status.get(_RAUC_NAMES[other], "bundle.version", fallback="") if how == "ok" else ""
        except configparser.Error:
            return ""

    def proven_before(self) -> tuple[str, str] | None:
        """The system in the other slot that worked in this room and its release; None where there is none."""
        home = self._slots / self._other()
        system, release = self.other_holds(), _release_shown(home / "opt/current")
        ran = system != "" and system == _first_word(home / "image")
        return (system, release) if ran and release and (home / "good").exists() else None

    def chosen_by(self) -> str:
        """The order for which the boot loader was told to take the other slot last."""
        return _first_word(self._slots / "chosen")

    def left(self) -> str:
        """Why the system in the other slot was left, "" when nobody said."""
        return " ".join(_text(self._slots / self._other() / "left").split())[:300]

    def _here(self) -> str:
        found = _SLOT.search(_text(self._root / "proc/cmdline"))
        return found[1] if found else "A"

    def _other(self) -> str:
        return "B" if self._here() == "A" else "A"


def _release_shown(link: Path) -> str:
    """By its name alone: what it shows to may lie in a system that is not mounted."""
    try:
        name = link.readlink().name
    except OSError:
        return ""
    return name if is_version(name) else ""


def _first_word(path: Path) -> str:
    return next(iter(_text(path).split()), "")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
