"""Whether camera and microphone of the hall are open, and what to tell about it: every opening and closing
is one event, whatever it was for."""

from __future__ import annotations

from collections.abc import Mapping

from diemcau_wire.messages import Device, EventKind

from .actions import Emit

_OPENED = {Device.CAMERA: EventKind.CAMERA_OPENED, Device.MICROPHONE: EventKind.MICROPHONE_OPENED}
_CLOSED = {Device.CAMERA: EventKind.CAMERA_CLOSED, Device.MICROPHONE: EventKind.MICROPHONE_CLOSED}
_LOST = {Device.CAMERA: EventKind.CAMERA_LOST, Device.MICROPHONE: EventKind.MICROPHONE_LOST}


class Live:
    """What is open now, as the media process says at the opening itself."""

    def __init__(self) -> None:
        self._open: set[Device] = set()
        self._lost: set[EventKind] = set()

    @property
    def camera(self) -> bool:
        """True while the camera is open."""
        return Device.CAMERA in self._open

    @property
    def microphone(self) -> bool:
        """True while the microphone is open."""
        return Device.MICROPHONE in self._open

    def told(
        self, device: Device, opened: bool, meeting: str | None, data: Mapping[str, object] | None = None
    ) -> list[Emit]:
        """Camera or microphone was opened (again) or closed; `data` is said of an opening."""
        self._lost.discard(_LOST[device])
        if opened == (device in self._open):
            return []
        if opened:
            self._open.add(device)
            return [Emit(_OPENED[device], meeting, dict(data or {}))]
        self._open.discard(device)
        return [Emit(_CLOSED[device], meeting)]

    def lost(self, what: EventKind, why: str, text: str, meeting: str | None) -> list[Emit]:
        """`CAMERA_LOST` or `MICROPHONE_LOST`: once until it is opened again; media goes on trying. `why` is
        the driver's word."""
        if what in self._lost:
            return []
        self._lost.add(what)
        return [Emit(what, meeting, {"why": why, "text": text[:200]})]

    def gone(self, meeting: str | None) -> list[Emit]:
        """The media process is gone and all it held with it, whether it could still say so or not."""
        self._lost.clear()
        closed = [Emit(kind, meeting) for device, kind in _CLOSED.items() if device in self._open]
        self._open.clear()
        return closed
