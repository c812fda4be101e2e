"""The addresses of a hall's devices: which there are, and how they are shown without their passwords."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

MASK = "•••"

_LOGIN = re.compile(r"(?<=://)([^/\s:@]*):([^/\s]*)@")
_NETWORK = ("rtsp", "rtsps", "onvif", "http", "https")
# kind → what may stand there, and how that is said
_FORMS: Mapping[str, tuple[re.Pattern[str], str]] = {
    "camera": (
        re.compile(r"synthetic|none|(rtsps?://|onvif://|v4l2:|file:|fake:)\S.*"),
        "v4l2:NAME, rtsp://…, onvif://…, synthetic, file:PATH or none",
    ),
    "camera_small": (re.compile(r"(rtsps?://|v4l2:|file:)\S.*"), "rtsp://… of a smaller picture, or nothing"),
    "camera_onvif": (re.compile(r"(onvif|https?)://\S+"), "onvif://user:password@address, or nothing"),
    "microphone": (
        re.compile(r"none|tone:\d{2,5}|(pulse:|file:|fake:)\S.*"),
        "pulse:NAME, tone:HERTZ, file:PATH or none",
    ),
    "sound": (re.compile(r"none|(pulse:|file:|fake:)\S.*"), "pulse:NAME, file:PATH or none"),
    "television": (re.compile(r"none|cec|(cec:|fake:)\S.*"), "cec, cec:NAME or none"),
    "buttons": (re.compile(r"none|auto|(evdev:|fake:)\S.*"), "auto, evdev:NAME or none"),
}


def checked(kind: str, source: str) -> str:
    """The source, if it can be one of that kind. Raises ValueError, saying what to write."""
    form, said = _FORMS[kind]
    if form.fullmatch(source) is None or not source.isprintable():
        raise ValueError(f"write {said}")
    if MASK in source:
        raise ValueError(f"write the password itself: {MASK} only stands for it")
    scheme = source.partition("://")[0]
    if "://" in source and scheme in _NETWORK:
        try:
            parts = urlsplit(source)
            known = bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:  # a port that is none, a bracket that is open
            known = False
        if not known:
            raise ValueError(
                f"write {said}: after {scheme}:// comes the address of the camera, and in front of "
                "it, if it asks for them, user:password@; write / @ : in a password as %2F %40 %3A"
            )
    return source


def masked(text: str) -> str:
    """A source, or any text with sources in it, with its passwords covered."""
    return _LOGIN.sub(rf"\1:{MASK}@", text)


def masked_all(document: Any) -> Any:
    """The same for every text in a JSON document."""
    if isinstance(document, str):
        return masked(document)
    if isinstance(document, Mapping):
        return {key: masked_all(value) for key, value in document.items()}
    if isinstance(document, list | tuple):
        return [masked_all(value) for value in document]
    return document


def unmasked(written: str, known: str | None) -> str | None:
    """What somebody means who was shown `masked(known)` and wrote this: the known password, where nothing was
    changed. None when a password is covered that is not of this address."""
    if MASK not in written:
        return written
    return known if known is not None and written == masked(known) else None


def masked_change(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two states of the same settings with passwords covered; one that differs only in them still differs."""
    was, now = masked_all(dict(before)), masked_all(dict(after))
    for key in now.keys() & was.keys():
        if now[key] == was[key] and before[key] != after[key]:
            now[key] = f"{now[key]} (new password)"
    return was, now
