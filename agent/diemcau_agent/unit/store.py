"""Desired documents on disk: stored before they are acted upon, read again after a power cut."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TypeVar

from diemcau_wire import Channel, Refused, decode_as, encode
from diemcau_wire.messages import DesiredConfig, DesiredSchedule, Message

from .state_folder import write_atomically

log = logging.getLogger(__name__)
_M = TypeVar("_M", bound=Message)


class Store:
    """The folder `desired/` of one unit.

    `complaints` says per channel what is wrong with what lies there; it is reported to the controller.
    `unstored` are the channels whose newest document the disk did not take.
    """

    def __init__(self, folder: Path, unit: str) -> None:
        self._folder, self._unit = folder, unit
        self.complaints: dict[Channel, str] = {}
        self.unstored: set[Channel] = set()

    def read_config(self) -> DesiredConfig | None:
        """The stored configuration; None when there is none that can be read."""
        return self._read(Channel.DESIRED_CONFIG, DesiredConfig)

    def read_schedule(self) -> DesiredSchedule | None:
        """The stored schedule; None when there is none that can be read."""
        return self._read(Channel.DESIRED_SCHEDULE, DesiredSchedule)

    def write(self, channel: Channel, document: Message) -> None:
        """Store a document. One that cannot be stored is a complaint: the meeting comes first."""
        try:
            write_atomically(self._path(channel), encode(document))
        except OSError as error:
            self.unstored.add(channel)
            self._complain(channel, f"could not be stored: {error.strerror}")
        else:
            self.unstored.discard(channel)
            self.complaints.pop(channel, None)

    def _read(self, channel: Channel, kind: type[_M]) -> _M | None:
        path = self._path(channel)
        try:
            document = decode_as(channel, path.read_bytes(), unit=self._unit)
            if not isinstance(document, kind):
                raise TypeError(f"{channel} carries {kind.__name__}")
            return document
        except FileNotFoundError:
            return None
        except Refused as error:
            self._set_aside(path)
            self._complain(channel, f"the stored document was unreadable and is set aside: {error}")
        except OSError as error:
            self._complain(channel, f"the stored document could not be read: {error.strerror}")
        return None

    def _set_aside(self, path: Path) -> None:
        try:
            path.replace(path.with_suffix(".corrupt"))
        except OSError as error:
            log.warning("corrupt document stays where it is", extra={"path": str(path), "error": str(error)})

    def _complain(self, channel: Channel, text: str) -> None:
        self.complaints[channel] = text[:900]
        log.error("desired document", extra={"channel": channel.value, "error": text})

    def _path(self, channel: Channel) -> Path:
        return self._folder / f"{channel.value.removeprefix('desired/')}.json"
