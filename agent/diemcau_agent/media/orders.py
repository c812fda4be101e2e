"""What the unit orders: the border parser of its lines (ARCHITECTURE.md, "unit → media")."""

from __future__ import annotations

from typing import Annotated, Literal

from diemcau_wire.messages import Camera, Join, Microphone, Name, Part, SiteId, SiteInfo, Sound, Token, Video
from pydantic import Field, TypeAdapter, ValidationError

from diemcau_agent.ipc import Garbage, Line

MediaPart = Literal["camera", "microphone", "tone", "room"]
_PathText = Annotated[str, Field(min_length=1, max_length=500)]


class Start(Part):
    """Join a meeting, publish, subscribe. `line`: the socket by which Janus is reached, None for directly;
    `previous_session` is a Janus session to destroy first; `stopped`: the camera stays closed until a floor
    order lets it open."""

    type: Literal["start"]
    meeting: Token
    join: Join
    ca: _PathText
    line: _PathText | None = None
    site: SiteId
    name: Name
    camera: Camera
    microphone: Microphone
    sound: Sound
    video: Video
    stopped: bool = False
    screen_socket: _PathText
    previous_session: Annotated[int, Field(ge=1, le=2**53)] | None = None

    @property
    def place(self) -> SiteInfo:
        """The site as the synthetic camera shows it."""
        return SiteInfo(id=self.site, name=self.name)


class Floor(Part):
    """Whose picture goes into which slot, whose sound is mixed, whether this site has the floor, and whether
    the hall lets microphone and camera be open (a local mute closes one, a local stop both)."""

    type: Literal["floor"]
    video: Annotated[list[SiteId | None], Field(min_length=2, max_length=2)]
    audio: Annotated[list[SiteId], Field(max_length=3)]
    mic: bool
    speaking: bool = False
    camera: bool = True


class WayIn(Part):
    """The PIN of the room we are in is another now: for connections that are made from here on."""

    type: Literal["way_in"]
    join: Join


class Check(Part):
    """Measure `parts` of the room. `join` is the way into the next meeting, `check_room` the site's own room
    for this; with `tone` one may be played while nobody is there."""

    type: Literal["check"]
    ca: _PathText
    line: _PathText | None = None
    join: Join | None = None
    check_room: Join | None = None
    camera: Camera
    microphone: Microphone
    sound: Sound = Sound()
    video: Video
    tone: bool = False
    parts: Annotated[tuple[MediaPart, ...], Field(max_length=4)] = ("camera", "microphone", "tone", "room")


class Chime(Part):
    """Sound the chime of an urgent meeting for `seconds`, in a meeting or alone; 0 ends it."""

    type: Literal["chime"]
    sound: Sound = Sound()
    seconds: Annotated[float, Field(ge=0, le=600)]


class Tone(Part):
    """Play a short tone, alone, and say whether it could be."""

    type: Literal["tone"]
    sound: Sound


class RoomPicture(Part):
    """Take one picture of the room, alone."""

    type: Literal["room_picture"]
    camera: Camera
    video: Video


class Scan(Part):
    """Look for a code held before the camera, alone, for so long."""

    type: Literal["scan"]
    camera: Camera
    video: Video
    seconds: Annotated[float, Field(gt=0, le=600)]


class Stop(Part):
    """Leave and end."""

    type: Literal["stop"]


Order = Start | Floor | WayIn | Check | Chime | Tone | RoomPicture | Scan | Stop
_ORDER: TypeAdapter[Order] = TypeAdapter(Annotated[Order, Field(discriminator="type")])


def parse_order(line: Line) -> Order:
    """The order in a line. Raises :class:`Garbage`, and nothing else, for any other line."""
    try:
        return _ORDER.validate_python(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Garbage(f"{where}: {first['msg']}"[:200]) from None
