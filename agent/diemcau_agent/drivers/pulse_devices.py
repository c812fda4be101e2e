"""Microphones and speakers a sound server has, by names that last. Loads no codec: for the unit process.

PulseAudio and PipeWire name a device by the serial number or, without one, the path of its card
(`alsa_input.usb-046d_C920_A1B2-02.analog-stereo`). Only when two cards would have the same name they put a
number after it in order of plugging; such a device is named by its path here: `path-input-BUSPATH`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from diemcau_wire.messages import Device

from . import pactl
from .found import Found
from .pactl import Node, Side

PREFIX = "pulse:"
_PATH = {"source": "path-input-", "sink": "path-output-"}
_COUNTED = re.compile(r"\.[0-9]+$")
_DEVICE = {"source": Device.MICROPHONE, "sink": Device.SPEAKER}
_TELLING = {
    "device.bus": "bus",
    "device.form_factor": "form",
    "device.vendor.name": "vendor",
    "device.product.name": "product",
    "device.serial": "serial",
    "device.bus_path": "path",
}


def find() -> list[Found]:
    """What there is to record from and to play into, without monitors and filters; none on a machine
    without `pactl`. Raises :class:`~.pactl.SoundServerLost` when no sound server answers."""
    if not pactl.installed():
        return []
    found = []
    for side in ("source", "sink"):
        devices = real(pactl.nodes(side))
        found += [_found(node, devices) for node in devices]
    return found


def real(nodes: Sequence[Node]) -> list[Node]:
    """Those that are devices: no monitors of sinks, no filters of ours or others, no stand-in for nothing."""
    return [
        node
        for node in nodes
        if not node.is_monitor
        and node.properties.get("device.class") != "filter"
        and node.name != "auto_null"
    ]


def resolve(name: str, nodes: Sequence[Node]) -> Node | None:
    """The node that a name, with or without `pulse:` before it, means now; None when it is not there."""
    name = name.removeprefix(PREFIX)
    for node in nodes:
        path = node.properties.get("device.bus_path")
        if node.name == name or (path is not None and name == _PATH[node.side] + path):
            return node
    return None


def look_up(side: Side, name: str) -> Node | None:
    """The same, asked of the server now. Raises :class:`~.pactl.SoundServerLost`."""
    return resolve(name, pactl.nodes(side))


def lasting_name(node: Node, beside: Sequence[Node]) -> str:
    """Its own name, or its path when the name depends on the order of plugging."""
    path = node.properties.get("device.bus_path")
    if path is None:
        return node.name
    twins = [other for other in beside if _COUNTED.sub("", other.name) == _COUNTED.sub("", node.name)]
    return _PATH[node.side] + path if len(twins) > 1 else node.name


def _found(node: Node, beside: Sequence[Node]) -> Found:
    details: dict[str, object] = {"rate_hz": node.rate_hz, "channels": node.channels}
    for key, word in _TELLING.items():
        if node.properties.get(key):
            details[word] = node.properties[key][:200]
    name = " ".join(node.description.split())[:200] or node.name[:200]
    return Found(_DEVICE[node.side], PREFIX + lasting_name(node, beside), name, node.name, details)
