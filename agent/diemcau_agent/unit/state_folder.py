"""The unit's state folder: where things lie, who this unit is, and writing a file so that a power cut
leaves the old or the new one."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diemcau_wire import is_unit_id


class StateFolderError(Exception):
    """Something about the state folder must be mended by a person; the text says what to do."""


class NoIdentity(StateFolderError):
    """Nobody is a unit here yet, or not any more: the box asks to be admitted."""


@dataclass(frozen=True, slots=True)
class StateFolder:
    """Paths below the folder given with `--state-dir`. `services` is where a service manager made the sockets
    of the screen and the media process; without it they lie here too."""

    root: Path
    services: Path | None = None

    @property
    def identity(self) -> Path:
        return self.root / "identity"

    @property
    def desired(self) -> Path:
        return self.root / "desired"

    @property
    def outbox(self) -> Path:
        return self.root / "outbox.sqlite"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def unit_socket(self) -> Path:
        return self.run / "unit.sock"

    @property
    def screen_socket(self) -> Path:
        return (self.services or self.run) / "screen.sock"

    @property
    def media_socket(self) -> Path:
        return (self.services or self.run) / "media.sock"

    @property
    def pictures(self) -> Path | None:
        """Where a screen process of another user may write; None when it is of ours."""
        return self.services / "pictures" if self.services else None

    @property
    def requests(self) -> Path | None:
        """Where we ask services with more rights; None when there are none."""
        return self.services / "requests" if self.services else None

    @property
    def shared(self) -> Path:
        """What others on this machine may read of us (`shared.py`)."""
        return self.root.parent / "diemcau-shared" if self.services else self.root / "shared"

    @property
    def update_state(self) -> Path:
        """Where the updater says how far it is."""
        return (self.root.parent / "diemcau-update" if self.services else self.root / "update") / "state.json"

    @property
    def update_requests(self) -> Path:
        """Where the updater asks."""
        return (self.services or self.run) / "update-requests"

    @property
    def update_told(self) -> Path:
        """How much of what the updater said was passed on."""
        return self.root / "update_told"

    @property
    def dialling(self) -> Path | None:
        """Where we say until when the coordinator is to be dialled; None when nobody would."""
        return self.services / "reach/asked" if self.services else None

    @property
    def janus_line(self) -> Path:
        """The socket through which the media process reaches Janus."""
        return (self.services / "janus" if self.services else self.run) / "janus.sock"

    @property
    def generation(self) -> Path:
        """The highest generation of the controller that was heard."""
        return self.root / "generation"

    @property
    def janus_session(self) -> Path:
        return self.run / "janus_session"

    @property
    def ca(self) -> Path:
        return self.identity / "ca.crt"

    @property
    def unit_key(self) -> Path:
        return self.identity / "unit.key"

    @property
    def unit_certificate(self) -> Path:
        return self.identity / "unit.crt"

    @property
    def coordinator(self) -> Path:
        return self.identity / "coordinator.json"

    @property
    def ssh_key(self) -> Path:
        return self.identity / "ssh_host_ed25519_key"

    @property
    def ssh_certificate(self) -> Path:
        return self.identity / "ssh_host_ed25519_key-cert.pub"

    @property
    def reach(self) -> Path:
        """How the coordinator is dialled by SSH (:class:`diemcau_wire.enrolment.Reach`)."""
        return self.identity / "reach.json"

    @property
    def ssh_users(self) -> Path:
        """For sshd: the names, one a line, for one of which whoever logs in here has to be certified."""
        return self.identity / "ssh_users"

    @property
    def enrolment(self) -> Path:
        """The request to be admitted that is under way."""
        return self.identity / "enrolment.json"

    @property
    def arriving(self) -> Path:
        """There from being admitted until the room was checked for the first time."""
        return self.identity / "arriving"

    @property
    def farewell(self) -> Path:
        """What the controller said when it let this unit go: there is no unit here any more."""
        return self.identity / "farewell.json"

    @property
    def joins(self) -> Path:
        """How often this identity connected, from this disk."""
        return self.identity / "join_count"

    def lock(self) -> int:
        """Make sure no second unit process works here; the descriptor holds the lock for our lifetime."""
        try:
            self.run.mkdir(parents=True, exist_ok=True)
            fd = os.open(self.run / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateFolderError(
                f"{self.run} cannot be written ({error.strerror}); let this user write there."
            ) from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise StateFolderError(
                f"Another unit process already runs with {self.root}; stop it first."
            ) from None
        return fd


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this unit is and where its coordinator's broker is. `mqtt_protocol` is `3.1.1` or `5`; `web_url` is
    "" where whoever made the identity did not say it."""

    unit: str
    mqtt_host: str
    mqtt_port: int
    mqtt_protocol: str
    key: Path
    certificate: Path
    ca: Path
    web_url: str = ""


def read_identity(folder: StateFolder) -> Identity:
    """Read `identity/`. Raises :class:`NoIdentity` with one sentence saying what is wrong."""
    where = folder.identity
    for name in ("unit.key", "unit.crt", "ca.crt", "coordinator.json"):
        if not (where / name).is_file():
            raise NoIdentity(
                f"{where / name} is missing; put the identity made for this unit by `diemcau unit add` there."
            )
    path = where / "coordinator.json"
    try:
        document: Any = json.loads(path.read_bytes())
        unit, host, port = document["unit"], document["mqtt_host"], document["mqtt_port"]
        protocol, web_url = document.get("mqtt_protocol", "3.1.1"), document.get("web_url", "")
        sound = (
            isinstance(unit, str)
            and is_unit_id(unit)
            and isinstance(host, str)
            and host != ""
            and isinstance(port, int)
            and 0 < port < 65536
            and protocol in ("3.1.1", "5")
            and isinstance(web_url, str)
        )
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise NoIdentity(
            f'{path} is broken; it must hold "unit", "mqtt_host" and "mqtt_port" '
            '(and may hold "mqtt_protocol": "3.1.1" or "5").'
        )
    return Identity(unit, host, port, protocol, folder.unit_key, folder.unit_certificate, folder.ca, web_url)


def write_atomically(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Replace `path` by `data`: after a power cut at any point the old or the new is there, complete.

    `mode` are the rights of the new file whatever the umask says; None leaves them to it. Raises OSError;
    then the old one is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    try:
        temporary.unlink(missing_ok=True)
        with os.fdopen(
            os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode or 0o666), "wb"
        ) as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def remove(path: Path) -> None:
    """Remove a file for good, if it is there. Raises OSError."""
    try:
        path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """What was made, replaced or removed in `folder` survives a power cut from now on."""
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
