"""What can be set of a site: its place and people, its devices, how its room is checked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from diemcau_wire.messages import Checks, Contact, Name, Neighbour, Nfc, Screen, SiteId, Video
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ..rules.sources import checked
from ..rules.ssh_address import checked_ssh_address
from ..store.tables import Site
from .audit import Known

TimeOfDay = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Preset = Annotated[str, Field(min_length=1, max_length=100), Nfc]
Volume = Annotated[int, Field(ge=0, le=100)]

# What null means none of; of everything else null means that it stays.
_NULLABLE = (
    "area",
    "camera_small",
    "camera_onvif",
    "camera_preset",
    "volume_percent",
    "morning_at",
    "ssh_address",
    "neighbour",
)
_PLAIN = (
    "name",
    "is_centre",
    "camera",
    "microphone",
    "echo_cancellation",
    "sound",
    "television",
    "buttons",
    "check_tone",
    "room_pictures",
    "language",
)


def _source(kind: str) -> Any:
    return AfterValidator(lambda value: checked(kind, value))


Setting = Annotated[str, Field(min_length=1, max_length=500)]
Camera = Annotated[Setting, _source("camera")]
SmallCamera = Annotated[Setting, _source("camera_small")]
Onvif = Annotated[Setting, _source("camera_onvif")]
Microphone = Annotated[Setting, _source("microphone")]
Sound = Annotated[Setting, _source("sound")]
Television = Annotated[Setting, _source("television")]
Buttons = Annotated[Setting, _source("buttons")]
SshAddress = Annotated[str, Field(min_length=1, max_length=300), AfterValidator(checked_ssh_address)]


class SiteContact(Contact):
    """Somebody to call at a site; `task` says what for, such as `kỹ thuật`."""

    task: Annotated[str, Field(max_length=100), Nfc] = ""


class SiteChange(BaseModel):
    """The settings of a site; what is absent stays. Null means none of `area`, `camera_small`,
    `camera_onvif`, `camera_preset`, `volume_percent`, `morning_at`, `ssh_address` and `neighbour`, and of the
    others that they stay."""

    model_config = ConfigDict(extra="forbid")
    name: Name | None = None
    area: SiteId | None = None
    is_centre: bool | None = None
    contacts: Annotated[list[SiteContact], Field(max_length=8)] | None = None
    camera: Camera | None = None
    camera_small: SmallCamera | None = None
    camera_onvif: Onvif | None = None
    camera_preset: Preset | None = None
    microphone: Microphone | None = None
    echo_cancellation: bool | None = None
    sound: Sound | None = None
    volume_percent: Volume | None = None
    television: Television | None = None
    buttons: Buttons | None = None
    morning_at: TimeOfDay | None = None
    check_tone: bool | None = None
    room_pictures: bool | None = None
    video: Video | None = None
    screen: Screen | None = None
    language: Literal["vi", "en"] | None = None
    ssh_address: SshAddress | None = None
    neighbour: Neighbour | None = None


class SitePatch(SiteChange):
    """A change of what was read at `version`; refused when somebody else has changed it since."""

    version: int | None = None


class SiteSpec(SiteChange):
    """A new site. `id` is made from the name if absent."""

    id: SiteId | None = None
    name: Name


def new_site(site_id: str, spec: SiteSpec, language: str) -> Site:
    """The row of a new site; `language` where the spec names none."""
    site = Site(id=site_id, name=spec.name, language=language, morning_at=Checks().morning_at)
    apply(site, spec)
    return site


def apply(site: Site, change: SiteChange) -> None:
    """Set what the change sets."""
    values: dict[str, Any] = {name: getattr(change, name) for name in _PLAIN}
    if change.contacts is not None:
        values["contacts"] = [one.model_dump() for one in change.contacts]
    if change.video is not None:
        values |= change.video.model_dump()
    if change.screen is not None:
        values |= {"screen_width": change.screen.width, "screen_height": change.screen.height}
    for column, value in values.items():
        if value is not None:
            setattr(site, column, value)
    for name in _NULLABLE:
        if name in change.model_fields_set:
            setattr(site, "area_id" if name == "area" else name, getattr(change, name))


def site_settings(site: Site) -> Known:
    """What can be set of a site, in the words of :class:`SiteChange`; passwords of cameras are in it."""
    return {
        "name": site.name,
        "area": site.area_id,
        "is_centre": site.is_centre,
        "contacts": list(site.contacts or []),
        "ssh_address": site.ssh_address,
        "neighbour": site.neighbour,
        **device_settings(site),
        **picture_settings(site),
    }


def picture_settings(site: Site) -> Known:
    """Sizes of what is sent and shown, and the screen's language."""
    return {
        "video": {
            "width": site.width,
            "height": site.height,
            "fps": site.fps,
            "bitrate_bps": site.bitrate_bps,
        },
        "screen": {"width": site.screen_width, "height": site.screen_height},
        "language": site.language,
    }


def device_settings(site: Site) -> Known:
    """Those of the room: its devices, and how it is checked."""
    return {
        "camera": site.camera,
        "camera_small": site.camera_small,
        "camera_onvif": site.camera_onvif,
        "camera_preset": site.camera_preset,
        "microphone": site.microphone,
        "echo_cancellation": site.echo_cancellation,
        "sound": site.sound,
        "volume_percent": site.volume_percent,
        "television": site.television,
        "buttons": site.buttons,
        "morning_at": site.morning_at,
        "check_tone": site.check_tone,
        "room_pictures": site.room_pictures,
    }
