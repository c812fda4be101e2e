"""What it means that a device was plugged in or unplugged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from diemcau_wire.messages import DesiredConfig, Device

from diemcau_agent.drivers.found import Found


@dataclass(frozen=True, slots=True)
class Change:
    """What there is now and was not before, and the other way round."""

    added: tuple[Found, ...]
    removed: tuple[Found, ...]


def change(before: Iterable[Found], after: Iterable[Found]) -> Change:
    """A device is the same one while its kind and its lasting name are."""
    had = {(one.device, one.source): one for one in before}
    has = {(one.device, one.source): one for one in after}
    added = tuple(one for key, one in has.items() if key not in had)
    return Change(added, tuple(one for key, one in had.items() if key not in has))


def configured(config: DesiredConfig | None, found: Sequence[Found]) -> list[Device]:
    """The kinds of those of `found` that this hall's configuration names, each once."""
    if config is None:
        return []
    kinds = [one.device for one in found if _names(config, one)]
    return list(dict.fromkeys(kinds))


def _names(config: DesiredConfig, one: Found) -> bool:
    match one.device:
        case Device.CAMERA:
            own = {one.source, f"v4l2:{one.node}"}
            return not own.isdisjoint({config.camera.source, config.camera.small})
        case Device.MICROPHONE:
            return config.microphone.source == one.source
        case Device.SPEAKER:
            return config.sound.output == one.source
        case Device.TELEVISION:
            return config.television.control in ("cec", one.source)
        case Device.BUTTONS:
            return config.buttons.source in ("auto", one.source)
        case Device.SCREEN:
            return True
