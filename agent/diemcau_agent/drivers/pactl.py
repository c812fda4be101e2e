"""Asking the sound server: PulseAudio, or PipeWire in its place, by `pactl` (Debian pulseaudio-utils).

A question costs a small process of 6 MB for some 10 ms and nothing in between, so the unit process needs no
library for it; a server that is gone, hangs or is restarted costs a time-out and no more.
https://manpages.debian.org/bookworm/pulseaudio-utils/pactl.1
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import Any, Literal

TIMEOUT_S = 3.0
_PERCENT = re.compile(r"(\d{1,6})%")

Side = Literal["source", "sink"]
SIDES: tuple[Side, Side] = ("source", "sink")


class SoundServerLost(OSError):
    """No sound server answers; the text says why."""


@dataclass(frozen=True, slots=True)
class Node:
    """A source (something is recorded from it) or a sink (something is played into it)."""

    side: Side
    index: int
    name: str
    description: str
    muted: bool
    volume_percent: int
    rate_hz: int
    channels: int
    is_monitor: bool
    properties: dict[str, str] = field(default_factory=dict)
    module: str = ""

    @property
    def master(self) -> str | None:
        """The name of the device a filter, such as the echo canceller, takes from or gives to."""
        return self.properties.get("device.master_device")


@dataclass(frozen=True, slots=True)
class Stream:
    """Somebody recording or playing. `node` is the index of the source or sink, `module` the server's own
    module whose stream it is, as with filters."""

    side: Side
    index: int
    node: int
    muted: bool
    properties: dict[str, str] = field(default_factory=dict)
    module: str = ""


def installed() -> bool:
    """Whether this machine has `pactl` at all."""
    return shutil.which("pactl") is not None


def nodes(side: Side) -> list[Node]:
    """All sources or sinks. Raises :class:`SoundServerLost`."""
    return [node for entry in _list(f"{side}s") if (node := _node(side, entry)) is not None]


def streams(side: Side) -> list[Stream]:
    """All that is recorded from sources or played into sinks. Raises :class:`SoundServerLost`."""
    kind = "source-outputs" if side == "source" else "sink-inputs"
    return [stream for entry in _list(kind) if (stream := _stream(side, entry)) is not None]


def order(*words: str) -> str:
    """Have the server do something; gives what it said. Raises :class:`SoundServerLost`, also if refused."""
    command = ["pactl", *words]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
            env=environment(),
            check=False,
        )
    except FileNotFoundError:
        raise SoundServerLost("pactl is not installed") from None
    except subprocess.TimeoutExpired:
        raise SoundServerLost(f"the sound server has not answered within {TIMEOUT_S:g} s") from None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().replace("\n", " ")
        raise SoundServerLost(f"pactl {words[0]}: {said[:300] or f'exit code {done.returncode}'}")
    return done.stdout.decode("utf-8", "replace")


def environment() -> dict[str, str]:
    """For `pactl`: numbers and words of no language, and never a server started by asking for one."""
    return {**os.environ, "LC_ALL": "C"}


def _list(kind: str) -> list[dict[str, Any]]:
    said = order("--format=json", "list", kind)
    try:
        entries = json.loads(said) if said.strip() else []
    except ValueError as error:
        raise SoundServerLost(f"pactl list {kind}: {error}") from None
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _node(side: Side, entry: dict[str, Any]) -> Node | None:
    name, index, properties = entry.get("name"), entry.get("index"), _properties(entry)
    if not isinstance(name, str) or not isinstance(index, int):
        return None
    rate, channels = _sample_form(str(entry.get("sample_specification")))
    return Node(
        side,
        index,
        name,
        _description(entry.get("description"), properties, name),
        entry.get("mute") is True,
        _loudest(entry.get("volume")),
        rate,
        channels,
        properties.get("device.class") == "monitor" or bool(side == "source" and entry.get("monitor_source")),
        properties,
        str(entry.get("owner_module", "")),
    )


def _stream(side: Side, entry: dict[str, Any]) -> Stream | None:
    index, node = entry.get("index"), entry.get(side)
    if not isinstance(index, int) or not isinstance(node, int):
        return None
    return Stream(
        side, index, node, entry.get("mute") is True, _properties(entry), str(entry.get("owner_module", ""))
    )


def _description(said: object, properties: dict[str, str], name: str) -> str:
    """pactl before 17 writes "(null)" for a text with a letter that is not ASCII."""
    candidates = (said, properties.get("device.product.name"), properties.get("alsa.card_name"))
    return next((str(text) for text in candidates if text and text != "(null)"), name)


def _properties(entry: dict[str, Any]) -> dict[str, str]:
    found = entry.get("properties")
    texts = found.items() if isinstance(found, dict) else ()
    return {str(key): str(value) for key, value in texts if value != "(null)"}


def _loudest(volume: object) -> int:
    """Percent of the loudest channel."""
    channels = volume.values() if isinstance(volume, dict) else []
    texts = [str(channel.get("value_percent")) for channel in channels if isinstance(channel, dict)]
    return max((int(match[1]) for text in texts if (match := _PERCENT.search(text))), default=0)


def _sample_form(text: str) -> tuple[int, int]:
    """Rate and channels in `s16le 2ch 48000Hz`; 0 for what is not said."""
    match = re.fullmatch(r"\S+ (\d{1,3})ch (\d{1,7})Hz", text)
    return (int(match[2]), int(match[1])) if match else (0, 0)
