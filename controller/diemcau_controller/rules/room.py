"""What is open in a hall, as its events tell: camera and microphone, and what somebody there shut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_OPENED = {"camera_opened": "camera", "microphone_opened": "microphone"}
_CLOSED = {
    "camera_closed": "camera",
    "camera_lost": "camera",
    "microphone_closed": "microphone",
    "microphone_lost": "microphone",
}
_SHUT = {"local_mute": "muted", "local_stop": "stopped"}
EVENTS = frozenset({"booted", "left", *_OPENED, *_CLOSED, *_SHUT})


@dataclass(frozen=True, slots=True)
class Room:
    """`camera` and `microphone`: since when they are open (RFC 3339), "" for closed. `muted`, `stopped`:
    somebody in the hall closed the microphone, or camera and microphone; nothing from outside undoes it."""

    camera: str = ""
    microphone: str = ""
    muted: bool = False
    stopped: bool = False

    @property
    def open(self) -> tuple[str, ...]:
        """Which of both are open."""
        return tuple(name for name in ("camera", "microphone") if getattr(self, name))


def read_room(document: Mapping[str, Any]) -> Room:
    """The room as it was kept."""
    return Room(
        str(document.get("camera", "")),
        str(document.get("microphone", "")),
        bool(document.get("muted")),
        bool(document.get("stopped")),
    )


def room_after(document: Mapping[str, Any], kind: str, data: Mapping[str, Any], at: str) -> dict[str, Any]:
    """The document of the room after an event of one of :data:`EVENTS`."""
    if kind == "booted":
        return {}
    after = dict(document)
    if kind == "left":  # what was shut was shut for that meeting
        after.pop("muted", None)
        after.pop("stopped", None)
    elif kind in _OPENED:
        after[_OPENED[kind]] = at
    elif kind in _CLOSED:
        after.pop(_CLOSED[kind], None)
    elif data.get("on") is True:
        after[_SHUT[kind]] = True
    else:
        after.pop(_SHUT[kind], None)
    return after
