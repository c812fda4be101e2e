"""/api/v1/units: the hardware, commands to it, and the pictures it sends."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from diemcau_wire import is_unit_id
from diemcau_wire.messages import SiteId, Verb
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from ..actions.bind_unit import bind_unit
from ..actions.reach import AT_MOST_MINUTES, reach
from ..actions.receive_picture import MAX_BYTES, check_upload, picture_path, receive_picture
from ..actions.room_picture import receive_room_picture, room_picture
from ..actions.scope import unit_for
from ..actions.send_command import send_command
from ..rules.actor import SYSTEM
from ..rules.refusals import Invalid, NotFound
from .access import Contractor, Core, KeyedAdministrator, Operator, bearer
from .answers import answers
from .front_door import check_unit
from .views import View, unit_views

router = APIRouter(tags=["units"])


def _body(*kinds: str) -> dict[str, Any]:
    content = {f"image/{kind}": {"schema": {"type": "string", "format": "binary"}} for kind in kinds}
    return {"requestBody": {"required": True, "content": content}}


_PNG, _PICTURES = _body("png"), _body("png", "jpeg", "webp")
CameraText = Annotated[str, Query(max_length=500, description="the camera, as configured or found")]


class Binding(BaseModel):
    """Which unit shall serve which site; `certificate` is what this installation issued to it, as PEM."""

    model_config = ConfigDict(extra="forbid")
    id: Annotated[str, Field(max_length=60)]
    site: SiteId
    certificate: Annotated[str | None, Field(max_length=16_000)] = None


class CommandSpec(BaseModel):
    """A command: its verb and what the verb takes."""

    model_config = ConfigDict(extra="forbid")
    verb: Verb
    args: Annotated[dict[str, Any], Field(max_length=16)] = {}
    timeout_s: Annotated[float, Field(gt=0, le=120)] = 15


class ReachSpec(BaseModel):
    """A key that is used once (a line as OpenSSH writes it), and for how long the unit is worked on."""

    model_config = ConfigDict(extra="forbid")
    public_key: Annotated[str, Field(max_length=500)]
    minutes: Annotated[int, Field(ge=1, le=AT_MOST_MINUTES)] = 15


@router.get("/units")
def list_units(core: Core, who: Contractor) -> list[View]:
    """Every unit, those that serve no site too."""
    with core.database.read() as session:
        return unit_views(session, who)


@router.post("/units", status_code=201, responses=answers(404, 409))
async def post_unit(core: Core, who: Operator, binding: Binding) -> View:
    """Let a unit serve a site; the one that did before serves none then."""
    await bind_unit(core, who, binding.id, binding.site, binding.certificate)
    with core.database.read() as session:
        return one_unit(session, binding.id)


@router.get("/units/{unit}", responses=answers(404))
def get_unit(core: Core, who: Contractor, unit: str) -> View:
    """One unit."""
    with core.database.read() as session:
        unit_for(session, who, unit)
        return one_unit(session, unit)


@router.post("/units/{unit}/commands", responses=answers(404, 409))
async def post_command(core: Core, who: Operator, unit: str, spec: CommandSpec) -> View:
    """Send a command and give the unit's answer."""
    ack = await send_command(core, who, unit, spec.verb, spec.args, spec.timeout_s)
    return ack.model_dump(mode="json", exclude={"v"})


@router.post("/units/{unit}/reach", responses=answers(404, 409))
async def post_reach(core: Core, who: KeyedAdministrator, unit: str, spec: ReachSpec) -> View:
    """Have a unit dial in by SSH, and certify a key for it: how to log in from the controller's machine."""
    return asdict(await reach(core, who, unit, spec.public_key, spec.minutes))


@router.put("/units/{unit}/picture", status_code=204, responses=answers(404), openapi_extra=_PNG)
async def put_picture(core: Core, request: Request, unit: str) -> None:
    """A unit puts a PNG of its screen, with its certificate and its upload token."""
    if not is_unit_id(unit):
        raise NotFound("that is not a unit")
    check_upload(core, unit, bearer(request) or "")
    check_unit(request, unit)
    await receive_picture(core, unit, await _picture(request))


@router.put(
    "/units/{unit}/room-picture", status_code=204, responses=answers(404, 409), openapi_extra=_PICTURES
)
async def put_room_picture(core: Core, request: Request, unit: str, camera: CameraText = "") -> None:
    """A unit puts a picture of its room, taken by `camera`, with its upload token; if the site allows it."""
    if not is_unit_id(unit):
        raise NotFound("that is not a unit")
    check_upload(core, unit, bearer(request) or "")
    check_unit(request, unit)
    await receive_room_picture(core, unit, camera, await _picture(request))


@router.get(
    "/units/{unit}/room-picture",
    response_class=FileResponse,
    responses={**answers(404), 200: {"content": {"image/webp": {}}}},
)
def get_room_picture(core: Core, who: Operator, unit: str, camera: CameraText = "") -> FileResponse:
    """The newest picture of the room taken by `camera`, for a day."""
    with core.database.read() as session:
        unit_for(session, who, unit)
    found = room_picture(core, unit, camera) if is_unit_id(unit) else None
    if found is None:
        raise HTTPException(404, "this camera has sent no picture today: ask for one")
    return FileResponse(found.path, media_type="image/webp", headers={"Cache-Control": "private, no-store"})


@router.get(
    "/units/{unit}/picture",
    response_class=FileResponse,
    responses={**answers(404), 200: {"content": {"image/png": {}}}},
)
def get_picture(core: Core, who: Contractor, unit: str) -> FileResponse:
    """The newest picture of the unit's screen."""
    with core.database.read() as session:
        unit_for(session, who, unit)
    path = picture_path(core, unit) if is_unit_id(unit) else None
    if path is None or not path.exists():
        raise HTTPException(404, "this unit has sent no picture yet")
    return FileResponse(path, media_type="image/png", headers={"Cache-Control": "private, max-age=5"})


def one_unit(session: Session, unit: str) -> View:
    """The view of a unit that is known to be there and in scope."""
    return unit_views(session, SYSTEM, unit)[0]


async def _picture(request: Request) -> bytes:
    """The picture that is being sent, as far as it may be one."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BYTES:
            raise Invalid("the picture is larger than 2 MB: send a smaller one")
    return bytes(data)
