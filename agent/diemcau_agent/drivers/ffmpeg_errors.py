"""What FFmpeg's errors mean for a camera. Their own text holds the address with its password: not used."""

from __future__ import annotations

import errno

import av

from .camera_lost import CameraLost, Why

_WHY: dict[int | None, Why] = {
    errno.ENOENT: "missing",
    errno.ENODEV: "missing",
    errno.ENXIO: "missing",
    errno.EBUSY: "busy",
    errno.EACCES: "refused",
    errno.EPERM: "refused",
    errno.ECONNREFUSED: "unreachable",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
}


def camera_lost(name: str, error: Exception, *, opening: bool) -> CameraLost:
    """The failure of a camera that people know as `name`, when it was opened or read."""
    text = getattr(error, "strerror", None) or str(error) or "the camera ended the stream"
    return CameraLost(f"{name}: {text}", why=_why(error, opening=opening))


def _why(error: Exception, *, opening: bool) -> Why:
    if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        return "refused"
    if isinstance(error, av.error.HTTPNotFoundError):
        return "missing"
    if isinstance(error, av.error.ExitError | TimeoutError):  # our own patience is at its end
        return "unreachable" if opening else "silent"
    if isinstance(error, av.error.InvalidDataError) and opening:
        return "unsupported"
    number = getattr(error, "errno", None)
    if number == errno.EIO and opening:  # a name that cannot be looked up is told like this
        return "unreachable"
    return _WHY.get(number, "lost")
