"""The messages of protocol version 1.

Frozen pydantic models, one per channel. Unknown fields are ignored, so that a newer peer may add some;
an unknown version is refused. Every text has a bound, every time is an aware UTC datetime written as
RFC 3339, every text is Unicode NFC. Units are in field names: `_s` seconds, `_ms` milliseconds,
`_bps` bits per second, `_c` degrees Celsius, `_db` decibels relative to full scale.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import IPv6Address
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from .topics import Channel, is_unit_id


def _utc(value: datetime) -> datetime:
    try:
        moment = value.astimezone(UTC)
    except OverflowError:
        raise ValueError("no such time") from None
    if not 1970 <= moment.year <= 9998:  # so that every zone can show it; 1970: a clock without a battery
        raise ValueError("a time before 1970 or after 9998")
    return moment


def _nfc(value: Any) -> Any:
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


def _readable(value: str) -> str:
    value = value.strip()
    if not value or any(unicodedata.category(letter) == "Cc" for letter in value):
        raise ValueError("a name has letters, and no control characters")
    return value


def _unit_id(value: str) -> str:
    if not is_unit_id(value):
        raise ValueError("not a unit id")
    return value


UnitId = Annotated[str, AfterValidator(_unit_id)]
SiteId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
Token = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,120}$")]
Nfc = BeforeValidator(_nfc)  # before lengths are judged
Name = Annotated[str, Field(min_length=1, max_length=200), Nfc, AfterValidator(_readable)]
Text = Annotated[str, Field(max_length=1000), Nfc]
Utc = Annotated[AwareDatetime, AfterValidator(_utc)]
Rev = Annotated[int, Field(ge=0, le=2**53)]
Count = Annotated[int, Field(ge=0, le=2**53)]


class Part(BaseModel):
    """A piece of a message."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Message(Part):
    """What all messages share: the protocol version and the unit they are from or for."""

    v: Literal[1] = 1
    unit: UnitId


# ── from the unit ────────────────────────────────────────────────────────────────────────────────


class Presence(StrEnum):
    """online: connected. offline: said good-bye. lost: the broker published the unit's will."""

    ONLINE = "online"
    OFFLINE = "offline"
    LOST = "lost"


class State(Message):
    """Presence of a unit. `nonce` names the connection: a will of an earlier connection is ignored.

    `join_count` counts the connections of this identity on its disk, `media` and `box` are fingerprints of
    the disk or card the unit started from and of the machine it is in: two boxes with one identity show by
    them.
    """

    status: Presence
    site: SiteId | None = None
    epoch: Rev = 0
    boot_id: Token
    nonce: Token
    version: Token
    join_count: Rev | None = None
    media: Token | None = None
    box: Token | None = None
    at: Utc


class Health(Message):
    """A periodic measurement; the newest one counts. `interval_s` says when to expect the next."""

    boot_id: Token
    seq: Rev
    at: Utc
    interval_s: Annotated[float, Field(gt=0, le=3600)]
    cpu_percent: Annotated[float, Field(ge=0, le=100)]
    memory_percent: Annotated[float, Field(ge=0, le=100)]
    disk_free_bytes: Count
    temperature_c: float | None = None
    uptime_s: Annotated[float, Field(ge=0)]
    link_rtt_ms: Annotated[float, Field(ge=0)] | None = None
    outbox_pending: Count = 0
    clock_trusted: bool = True
    refused: dict[Token, Count] = Field(default_factory=dict, max_length=32)


class EventKind(StrEnum):
    """What can happen at a site. The list only grows.

    `verdict`: `data` has `verdict`, `instruction`, `findings` [{`what`, `text`, `remedy`, `mended`}],
    `asked_by` (`before`, `morning`, `power`, `plugged`, `page`, `hall`, `update`) and `took_s`. `remedy`: one
    attempt, with `remedy`, `what`, `done`, `text`. `device_added`, `device_removed`: `device` and `source` of
    a :class:`FoundDevice`. `local_mute`, `local_stop`: somebody in the hall closed the microphone, or camera
    and microphone (`on` true), or let them go again; nothing from outside undoes it. `update`: how far an
    update is, with `step`, `version`, `from`, `why` and `text` (docs/updating.md).
    """

    BOOTED = "booted"
    VERDICT = "verdict"
    JOINED = "joined"
    DROPPED = "dropped"
    REJOINED = "rejoined"
    LEFT = "left"
    JOIN_FAILED = "join_failed"
    FLOOR_TAKEN = "floor_taken"
    FLOOR_LEFT = "floor_left"
    CAMERA_OPENED = "camera_opened"
    CAMERA_CLOSED = "camera_closed"
    CAMERA_LOST = "camera_lost"
    MICROPHONE_OPENED = "microphone_opened"
    MICROPHONE_CLOSED = "microphone_closed"
    MICROPHONE_LOST = "microphone_lost"
    PROCESS_ENDED = "process_ended"
    DISK_FULL = "disk_full"
    DECLINED = "declined"
    REMEDY = "remedy"
    CHECK_POSTPONED = "check_postponed"
    DEVICE_ADDED = "device_added"
    DEVICE_REMOVED = "device_removed"
    HAND_RAISED = "hand_raised"
    HAND_LOWERED = "hand_lowered"
    LOCAL_MUTE = "local_mute"
    LOCAL_STOP = "local_stop"
    UPDATE = "update"


class Event(Message):
    """Something that happened, from the outbox on the unit's disk.

    `(unit, stream, seq)` names it for ever; `stream` changes when the outbox is made anew and `seq`
    counts from 1 without gaps. `id` is `unit:stream:seq`.
    """

    id: Token
    boot_id: Token
    stream: Token
    seq: Annotated[int, Field(ge=1, le=2**53)]
    at: Utc
    kind: EventKind
    site: SiteId | None = None
    meeting: Token | None = None
    data: dict[str, Any] = Field(default_factory=dict, max_length=32)

    @model_validator(mode="after")
    def _named(self) -> Event:
        if self.id != f"{self.unit}:{self.stream}:{self.seq}":
            raise ValueError("id is not unit:stream:seq")
        return self


class Verb(StrEnum):
    """What a unit can be asked to do at once. What should last is desired state, not a command.

    `decline` says no to the urgent meeting `args["meeting"]` while it rings; `ring` has the one that the
    hall declined ring again. `tone` plays one on the sound output `args["output"]` (none: the one of the
    configuration) and says whether it could; `room_picture` takes one picture of camera `args["camera"]`
    (same rule) and uploads it, where the site allows that; `postpone_check` puts off the check that is due
    by 10 minutes; `find_devices` looks again what is plugged in. `reach` has the unit dial the coordinator by
    SSH for the next `args["for_s"]` seconds, at most :data:`REACH_AT_MOST_S`.
    """

    PING = "ping"
    PREFLIGHT = "preflight"
    PICTURE = "picture"
    RESTART_MEDIA = "restart_media"
    RESTART_SCREEN = "restart_screen"
    DECLINE = "decline"
    RING = "ring"
    TONE = "tone"
    ROOM_PICTURE = "room_picture"
    POSTPONE_CHECK = "postpone_check"
    FIND_DEVICES = "find_devices"
    REACH = "reach"


REACH_AT_MOST_S = 3600


class Ack(Message):
    """Answer to a command. `ok` false carries `error`: a stable word, and `text`: a sentence."""

    id: Token
    ok: bool
    error: Token | None = None
    text: Text = ""
    result: dict[str, Any] = Field(default_factory=dict, max_length=32)
    at: Utc


class Reported(Message):
    """Which revision of a desired document the unit runs; `error` says why it runs no newer one."""

    rev: Rev
    epoch: Rev
    error: Text | None = None
    at: Utc


class SessionState(StrEnum):
    """Where a unit stands towards a meeting."""

    IDLE = "idle"
    COUNTDOWN = "countdown"
    JOINING = "joining"
    IN_MEETING = "in_meeting"
    RECONNECTING = "reconnecting"
    LEAVING = "leaving"


class Mic(StrEnum):
    """Whether the room can be heard."""

    OPEN = "open"
    CLOSED = "closed"


class SlotReport(Part):
    """A picture slot on the hall's screen: whose picture, and how many frames of it were shown."""

    site: SiteId | None = None
    frames_shown: Count = 0


class ReportedSession(Message):
    """The session as the unit sees it now."""

    meeting: Token | None = None
    state: SessionState = SessionState.IDLE
    slots: list[SlotReport] = Field(default_factory=list, max_length=4)
    mic: Mic = Mic.CLOSED
    at: Utc


class Device(StrEnum):
    """The kinds of devices in a hall."""

    CAMERA = "camera"
    MICROPHONE = "microphone"
    SPEAKER = "speaker"
    SCREEN = "screen"
    TELEVISION = "television"
    BUTTONS = "buttons"


class FoundDevice(Part):
    """A device a unit found by itself. `source` is what a configuration names it by, for as long as it
    exists: made of a serial number, a USB path or an EDID, never of a number given in order of plugging."""

    device: Device
    source: Annotated[str, Field(min_length=1, max_length=500)]
    name: Name
    details: dict[Token, Any] = Field(default_factory=dict, max_length=24)


class ReportedDevices(Message):
    """What is plugged in now. Reported when it changes."""

    devices: list[FoundDevice] = Field(default_factory=list, max_length=60)
    at: Utc


# ── to the unit ──────────────────────────────────────────────────────────────────────────────────


class Ruled(Message):
    """What the controller says. `generation` counts its lives: one more with each backup that was restored.
    A unit refuses a lower one than it has heard, and takes a higher one whatever epoch, rev and seq say."""

    generation: Annotated[int, Field(ge=1, le=2**31)] = 1


class Contact(Part):
    """Whom to call."""

    name: Annotated[str, Field(max_length=200), Nfc] = ""
    phone: Annotated[str, Field(max_length=40)] = ""


SourceText = Annotated[str, Field(min_length=1, max_length=500)]


class Source(Part):
    """Where a picture or sound comes from; the drivers' documents list what there is.

    Cameras: `synthetic`, `v4l2:ID`, `rtsp://…`, `onvif://…`, `file:PATH`, `none`.
    Microphones: `pulse:ID`, `tone:HERTZ`, `file:PATH` (repeated), `none`.
    """

    source: SourceText = "none"


class Camera(Source):
    """A hall's camera. `small`: a smaller picture of the same camera (an RTSP sub-stream), for while the hall
    only listens. `preset`: name of the ONVIF preset it turns to when the hall gets the floor; `onvif` is the
    address of that service, where the source does not say it."""

    small: SourceText | None = None
    onvif: SourceText | None = None
    preset: Annotated[str, Field(min_length=1, max_length=100), Nfc] | None = None


class Microphone(Source):
    """A hall's microphone. `echo_cancellation`: take out what the loudspeaker plays."""

    echo_cancellation: bool = True


class Sound(Part):
    """Where the sound of the meeting goes: `pulse:ID`, `none` or `file:PATH` (48 kHz mono s16le, appended);
    `volume_percent` is set at the beginning of each meeting, None leaves it alone."""

    output: SourceText = "none"
    volume_percent: Annotated[int, Field(ge=0, le=100)] | None = None


class Television(Part):
    """How the television is switched: `cec` (the one this unit is plugged into), `cec:ID`, `none`."""

    control: SourceText = "none"


class Buttons(Part):
    """The keypad or presenter: `auto` (the first one found), `evdev:ID`, `none`."""

    source: SourceText = "auto"


class Checks(Part):
    """How the room is checked. `morning_at`: time of day at the hall, "07:00", None for no check then;
    `tone`: the check may play one."""

    morning_at: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")] | None = "07:00"
    tone: bool = True

    @model_serializer(mode="wrap")
    def _say_none(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What is null is left out on the way, but without this one there would be a check at seven."""
        return {"morning_at": None, **written(self)}


class Privacy(Part):
    """What may leave the hall outside a meeting. `room_pictures`: pictures of its cameras."""

    room_pictures: bool = False


def _has_host_and_port(address: str) -> str:
    where = urlsplit(address)
    if where.port == 0:  # urlsplit itself refuses one that is too high
        raise ValueError("port 0 is none")
    if "[" in address:
        IPv6Address(where.hostname or "")  # not every Python's urlsplit looks
    return address


_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_NEIGHBOUR = rf"^http://({_LABEL}(\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(:[0-9]{{1,5}})?(/[A-Za-z0-9._~-]+)*$"
Neighbour = Annotated[str, Field(pattern=_NEIGHBOUR, max_length=300), AfterValidator(_has_host_and_port)]
"""`http://HOST:PORT/PATH` of a server that has `/releases/` below it. Plain: what comes from it is compared
with what was signed."""


class Updates(Part):
    """Where a unit looks for the wheels of a release before it asks the coordinator's server."""

    neighbour: Neighbour | None = None


class Video(Part):
    """The picture a unit publishes when it has to encode itself."""

    width: Annotated[int, Field(ge=160, le=1920)] = 1280
    height: Annotated[int, Field(ge=90, le=1080)] = 720
    fps: Annotated[int, Field(ge=1, le=60)] = 30
    bitrate_bps: Annotated[int, Field(ge=50_000, le=10_000_000)] = 2_000_000


class Screen(Part):
    """Size of the hall's picture in pixels when no display says otherwise."""

    width: Annotated[int, Field(ge=320, le=3840)] = 1280
    height: Annotated[int, Field(ge=180, le=2160)] = 720


class Upload(Part):
    """Where pictures go over HTTPS (PUT), with the bearer token that lets this unit in."""

    url: Annotated[str, Field(pattern=r"^https://", max_length=500)]
    token: Annotated[str, Field(min_length=16, max_length=200)]


class SiteInfo(Part):
    """The site a unit serves, as shown on its screen."""

    id: SiteId
    name: Name
    area: Annotated[str, Field(max_length=200), Nfc] = ""


class Join(Part):
    """The way into a meeting: Janus VideoRoom over a secure WebSocket."""

    url: Annotated[str, Field(pattern=r"^wss?://", max_length=500)]
    room: Token
    pin: Annotated[str, Field(min_length=4, max_length=80)]


class DesiredConfig(Ruled):
    """How a unit shall be set up. Published retained; stored by the unit before it acts. `check_room` is this
    site's own room: a check joins it with a drawn picture and a tone, and wants both back."""

    epoch: Rev
    rev: Rev
    site: SiteInfo
    coordinator: Contact = Contact()
    camera: Camera = Camera()
    microphone: Microphone = Microphone()
    sound: Sound = Sound()
    television: Television = Television()
    buttons: Buttons = Buttons()
    checks: Checks = Checks()
    privacy: Privacy = Privacy()
    updates: Updates = Updates()
    video: Video = Video()
    screen: Screen = Screen()
    language: Literal["vi", "en"] = "vi"
    health_interval_s: Annotated[float, Field(ge=1, le=3600)] = 10
    upload: Upload | None = None
    check_room: Join | None = None


class Mode(StrEnum):
    """Where a meeting is held. `elsewhere` (on another system) and `in_person` only hold the hall."""

    HERE = "here"
    ELSEWHERE = "elsewhere"
    IN_PERSON = "in_person"


class Occurrence(Part):
    """One meeting at one time, with everything a unit needs to attend it alone.

    `opens_at` ≤ `starts_at` < `ends_at` ≤ `cap_at`: units join from `opens_at`, overrun is not cut
    before `cap_at`. `closed` is set when the chair ended the meeting. `join` is there when `mode` is
    `here`. An `urgent` one rings for 60 s and is joined then, whatever else the hall is in. `phone` is
    the address of the hall's own page about this meeting, shown as a QR code.
    """

    id: Token
    title: Name
    kind: Token = "giao-ban"
    opens_at: Utc
    starts_at: Utc
    ends_at: Utc
    cap_at: Utc
    main_site: SiteId
    main_site_name: Name
    mode: Mode = Mode.HERE
    join: Join | None = None
    urgent: bool = False
    phone: Annotated[str, Field(pattern=r"^https://[!-~]+$", max_length=300)] | None = None
    closed: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Occurrence:
        if not self.opens_at <= self.starts_at < self.ends_at <= self.cap_at:
            raise ValueError("opens_at <= starts_at < ends_at <= cap_at does not hold")
        if self.mode is Mode.HERE and self.join is None:
            raise ValueError("a meeting that is held here needs join")
        if self.urgent and self.mode is not Mode.HERE:
            raise ValueError("an urgent meeting is held here")
        return self


class DesiredSchedule(Ruled):
    """The meetings of the next 30 days, expanded to UTC occurrences. Published retained."""

    epoch: Rev
    rev: Rev
    until: Utc
    meetings: list[Occurrence] = Field(max_length=500)


class Floor(Ruled):
    """Who is seen and heard now in one meeting; newest `seq` wins. Repeated as a sign of life.

    `speakers` is at most three sites, in the order they were granted, `names` their names for the
    screen; no speakers means silence ("mute all"), and the main site stays in the picture. `hand` says
    whether the site of this unit waits for the floor; absent, it is not said.
    """

    meeting: Token
    seq: Rev
    speakers: list[SiteId] = Field(max_length=3)
    names: dict[SiteId, Name] = Field(default_factory=dict, max_length=3)
    hand: bool | None = None
    at: Utc


class Command(Ruled):
    """A momentary order, applied at most once and only on the connection it was meant for."""

    id: Token
    verb: Verb
    epoch: Rev
    nonce: Token
    args: dict[str, Any] = Field(default_factory=dict, max_length=16)
    at: Utc


class Receipt(Ruled):
    """Highest event sequence the controller has committed, per stream. Only this empties an outbox."""

    streams: dict[Token, Rev] = Field(max_length=16)


MODELS: dict[Channel, type[Message]] = {
    Channel.STATE: State,
    Channel.HEALTH: Health,
    Channel.EVENT: Event,
    Channel.ACK: Ack,
    Channel.REPORTED_CONFIG: Reported,
    Channel.REPORTED_SCHEDULE: Reported,
    Channel.REPORTED_SESSION: ReportedSession,
    Channel.REPORTED_DEVICES: ReportedDevices,
    Channel.DESIRED_CONFIG: DesiredConfig,
    Channel.DESIRED_SCHEDULE: DesiredSchedule,
    Channel.FLOOR: Floor,
    Channel.CMD: Command,
    Channel.RECEIPT: Receipt,
}
