"""What is wrong with a site somebody describes, in a form that can be said in any language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic_core import ErrorDetails

from .wrong_fields import sentence

_MEANT = {
    "id": "sites.id_letters",
    "area": "areas.unknown",
    "camera": "sites.camera",
    "microphone": "sites.microphone",
    "sound": "sites.sound",
    "camera_small": "sites.camera_small",
    "camera_onvif": "sites.camera_onvif",
    "camera_preset": "sites.camera_preset",
    "volume_percent": "sites.volume",
    "television": "sites.television",
    "buttons": "sites.buttons",
    "morning_at": "sites.morning_at",
    "video": "sites.picture_size",
    "screen": "sites.picture_size",
    "language": "sites.language",
    "ssh_address": "sites.ssh_address",
    "neighbour": "sites.neighbour",
    "contacts": "sites.contact",
    "sites": "groups.sites",
    "tier": "areas.tier_missing",
    "parent": "areas.unknown",
}


@dataclass(frozen=True, slots=True)
class Wrong:
    """An English sentence, and a code with values for the same one in another language.

    `field` is the field of the site, empty where it is none.
    """

    text: str
    code: str
    values: dict[str, Any]
    field: str = ""


def wrong_of(error: ErrorDetails) -> Wrong:
    """One of pydantic's errors about a site, an area or a group."""
    steps = [step for step in error["loc"] if isinstance(step, str)]
    field = steps[0] if steps else ""
    text = f"{'.'.join(str(step) for step in error['loc'])}: {sentence(error)}"
    kind, most = error["type"], error.get("ctx", {}).get("max_length")
    if kind in ("string_too_long", "too_long") and most is not None:
        return Wrong(text, "sites.too_long", {"most": most}, field)
    if field == "name":
        code = "sites.name_needed" if kind in ("missing", "string_too_short") else "sites.name_letters"
        return Wrong(text, code, {}, field)
    return Wrong(text, _MEANT.get(field, "sites.not_understood"), {}, field)
