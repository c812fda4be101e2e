"""Who takes part in the demonstration, and with what camera and microphone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .voices import Recording, Tone, Voice, read_wav

AREA = {"id": "tinh-dak-lak", "name": "Tỉnh Đắk Lắk", "tier": "tỉnh"}


class BadSource(ValueError):
    """A site or a source that cannot be; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class Hall:
    """One site of the demonstration. `voice` is how the judge recognises its sound."""

    id: str
    name: str
    area: str
    tier: str
    contact: dict[str, str]
    camera: str
    microphone: str
    voice: Voice


# No tone is near a harmonic or the octave of another.
_PLACES = (
    (
        "trung-tam",
        "Trung tâm điều hành tỉnh",
        "Phường Buôn Ma Thuột",
        "phường",
        "Lê Văn Hòa",
        "0262 3 800 001",
        523,
    ),
    ("xa-ea-kpam", "Hội trường xã Ea Kpam", "Xã Ea Kpam", "xã", "H'Linh Niê", "0262 3 834 002", 701),
    ("xa-cu-mgar", "Hội trường xã Cư M'gar", "Xã Cư M'gar", "xã", "Trần Thị Mai", "0262 3 834 003", 937),
)
MAIN = _PLACES[0][0]
SITES = tuple(place[0] for place in _PLACES)


def halls(cameras: Mapping[str, str], microphones: Mapping[str, str]) -> list[Hall]:
    """The three halls, the main site first.

    `cameras` and `microphones` replace sources by site id: `synthetic`, `rtsp://…`, `onvif://…`, `v4l2:ID`,
    `file:PATH` for a camera; `tone:HERTZ`, `none` or a WAV file, with or without `file:`, for a microphone.
    Raises :class:`BadSource`.
    """
    known([*cameras, *microphones])
    made = []
    for site, name, area, tier, person, phone, hertz in _PLACES:
        microphone, voice = _microphone(microphones.get(site, f"tone:{hertz}"), Tone(hertz))
        camera = _camera(cameras.get(site, "synthetic"))
        contact = {"name": person, "phone": phone}
        made.append(Hall(site, name, area, tier, contact, camera, microphone, voice))
    return made


def known(sites: Iterable[str]) -> None:
    """Raise :class:`BadSource` for a site that is not in the demonstration."""
    for site in sites:
        if site not in SITES:
            raise BadSource(f"there is no site {site!r} in the demonstration, only {', '.join(SITES)}")


def _camera(source: str) -> str:
    kind, _, rest = source.partition(":")
    if source in ("synthetic", "none") or (kind in ("rtsp", "rtsps", "onvif", "v4l2") and rest):
        return source
    if kind == "file":
        return f"file:{_file(rest)}"
    raise BadSource(
        f"{source!r} is no camera: give rtsp://…, onvif://…, v4l2:ID, file:PATH, synthetic or none"
    )


def _microphone(source: str, own: Tone) -> tuple[str, Voice]:
    kind, _, rest = source.partition(":")
    if source == "none":
        return source, own
    if kind == "tone":
        if not rest.isdecimal():
            raise BadSource(f"{source!r} is no tone: give tone:HERTZ")
        return source, Tone(int(rest))
    path = _file(rest if kind == "file" else source)
    try:
        sound = read_wav(path)
    except (OSError, ValueError) as error:
        raise BadSource(f"the microphone cannot be played: {error}") from None
    return f"file:{path}", Recording(np.asarray(sound))


def _file(name: str) -> Path:
    path = Path(name).absolute()
    if not path.is_file():
        raise BadSource(f"there is no file {path}")
    return path
