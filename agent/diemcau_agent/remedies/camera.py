"""Cameras: open again, switch off and on at the USB socket, ask for smaller pictures."""

from __future__ import annotations

import asyncio
from pathlib import Path

from diemcau_agent.drivers.camera_lost import CameraLost
from diemcau_agent.drivers.v4l2_devices import resolve
from diemcau_agent.unit.room import Room

from .remedy import NotPossible, Remedy

_OFF_S, _BACK_S = 1.5, 4.0
_SMALLER = 640, 360


async def _reopen(room: Room) -> str:
    """Every measurement opens it in a fresh process; a camera that was just left needs a moment first."""
    await asyncio.sleep(2)
    return "opened again by a fresh process"


async def _reset_usb(room: Room) -> str:
    """As if it were unplugged (kernel: Documentation/usb/authorization)."""
    config = room.config()
    source = config.camera.source if config is not None else ""
    if not source.startswith("v4l2:"):
        raise NotPossible("it is no USB camera")
    try:
        node = Path(resolve(source)).name
    except CameraLost as lost:
        raise NotPossible(str(lost)) from lost
    switch = _switch(room.sysfs / "class/video4linux" / node / "device")
    try:
        if room.folder.requests is not None:
            (room.folder.requests / "reset-usb").write_text(switch.parent.name)
            await asyncio.sleep(_OFF_S)
        else:
            switch.write_text("0")
            await asyncio.sleep(_OFF_S)
            switch.write_text("1")
    except OSError:
        raise NotPossible("the unit may not switch USB devices") from None
    await asyncio.sleep(_BACK_S)
    return f"{switch.parent.name} switched off and on"


def _switch(device: Path) -> Path:
    """The switch of the USB device a video device belongs to."""
    try:
        device = device.resolve(strict=True)
    except OSError as error:
        raise NotPossible(str(error)) from error
    for folder in (device, *device.parents):
        if (folder / "authorized").is_file() and (folder / "idVendor").is_file():
            return folder / "authorized"
    raise NotPossible("it is no USB camera")


async def _smaller(room: Room) -> str:
    """A camera that cannot give many large pictures often gives many small ones."""
    config = room.config()
    if config is None or (config.video.width, config.video.height) <= _SMALLER:
        raise NotPossible("its pictures are small already")
    if room.smaller is not None and room.smaller_for == config.video:
        raise NotPossible("its pictures were made smaller already")
    width, height = _SMALLER
    room.smaller_for = config.video
    room.smaller = config.video.model_copy(update={"width": width, "height": height})
    return f"asked for {width}x{height}"


REOPEN = Remedy("reopen_camera", "opens the camera again, with a fresh process", _reopen)
RESET_USB = Remedy("reset_usb", "switches the camera's USB socket off and on, where the unit may", _reset_usb)
SMALLER = Remedy("smaller_picture", "asks the camera for smaller pictures, until it is set up anew", _smaller)
