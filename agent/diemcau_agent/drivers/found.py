"""What a technology finds plugged in. Its `find()` is in a file that loads no codec, for the unit process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from diemcau_wire.messages import Device


@dataclass(frozen=True, slots=True)
class Found:
    """A device. `source` is what a configuration names it by (`v4l2:…`, `pulse:…`, `cec:…`, `evdev:…`), the
    same over every restart and re-plugging; `node` what it is opened by now; `details` is for people."""

    device: Device
    source: str
    name: str
    node: str = ""
    details: Mapping[str, object] = field(default_factory=dict)
