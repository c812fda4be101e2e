"""The services that run side by side: what each needs on disk, and how it is started."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path

from diemcau_wire.unix_socket import LONGEST

from .adapters.authority import Authority
from .adapters.janus_config import JanusMissing, write_janus_config
from .adapters.mosquitto_config import MosquittoMissing, write_mosquitto_config
from .adapters.nginx_config import FrontDoor, write_nginx_config
from .certificate_watch import SERVICES
from .config import Settings, StateDir
from .kept_secret import kept_secret
from .ports import broker_addresses, guest_address, janus_ports, server_names, written
from .store.admitted import admitted
from .supervision import Program

NAMES = ("mosquitto", "janus", "porter", "controller", "nginx", "tunnel")
"""In the order they are started."""
LISTEN_FD = "DIEMCAU_LISTEN_FD"
PAGE = "DIEMCAU_PAGE"
"""Names the address of the listening socket handed down as LISTEN_FD to the controller, `host:port`."""

_PACKAGES = {
    "mosquitto": "mosquitto",
    "janus": "janus",
    "nginx": "nginx-light",
    "setpriv": "util-linux",
    "sshd": "openssh-server",
}
_SEARCH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])


class ProgramMissing(OSError):
    """A program, or a part of it, is not installed. The text names the package."""


class CannotStart(OSError):
    """Something a program needs cannot be had. The text is one sentence for a person."""


def check_programs() -> None:
    """Raise :class:`ProgramMissing` when one is not installed."""
    for name in _PACKAGES:
        _find(name)


def programs(
    names: tuple[str, ...],
    settings: Settings,
    state: StateDir,
    config_path: Path | None,
    no_restart: frozenset[str],
) -> list[Program]:
    """Write what they need and say how each is started.

    Raises :class:`ProgramMissing`, :class:`CannotStart`, AuthorityError, and OSError for files.
    """
    _find("setpriv")
    made = {
        "mosquitto": lambda: _mosquitto(settings, state),
        "janus": lambda: _janus(settings, state),
        "porter": lambda: _porter(state),
        "nginx": lambda: _nginx(settings, state),
        "controller": lambda: _controller(state, config_path),
        "tunnel": lambda: _tunnel(settings, state),
    }
    return [_restarting(made[name](), name not in no_restart) for name in names]


def _restarting(program: Program, restart: bool) -> Program:
    return replace(program, restart=restart)


def _mosquitto(settings: Settings, state: StateDir) -> Program:
    binary, authority = _find("mosquitto"), _authority(state)
    try:
        config = write_mosquitto_config(
            state.generated / "mosquitto",
            authority=authority,
            server=authority.server_certificate(*server_names(settings), files=SERVICES),
            addresses=broker_addresses(settings),
            port=settings.mqtt.port,
            units=_bound_units(state),
        )
    except MosquittoMissing as error:
        raise ProgramMissing(str(error)) from None
    return Program("mosquitto", (binary, "-c", str(config)))


def _bound_units(state: StateDir) -> frozenset[str]:
    """Units that have rights from the start; of what changes later the controller tells the broker."""
    try:
        return admitted(state.database).units
    except sqlite3.Error:
        return frozenset()


def _janus(settings: Settings, state: StateDir) -> Program:
    binary, folder = _find("janus"), state.generated / "janus"
    try:
        write_janus_config(
            folder,
            socket=_short_enough(state.janus_socket),
            ports=janus_ports(settings),
            admin_key=kept_secret(state.janus_admin_key),
        )
    except JanusMissing as error:
        raise ProgramMissing(str(error)) from None
    return Program("janus", (binary, f"--configs-folder={folder}", f"--config={folder}/janus.jcfg"))


def _porter(state: StateDir) -> Program:
    kept_secret(state.ticket_key)
    argv = (sys.executable, "-m", "diemcau_controller.porter", "--state-dir", str(state.root))
    return Program("porter", argv)


def _controller(state: StateDir, config_path: Path | None) -> Program:
    argv = [sys.executable, "-m", "diemcau_controller.app", "--state-dir", str(state.root)]
    if config_path is not None:
        argv += ["--config", str(config_path.resolve())]
    page = _handed_down()
    return Program("controller", tuple(argv), env={PAGE: page[1]} if page is not None else {})


def _nginx(settings: Settings, state: StateDir) -> Program:
    """A listening socket that was handed down is told to nginx as one of its own from before an update."""
    binary, authority, folder = _find("nginx"), _authority(state), state.generated / "nginx"
    key, certificate = authority.server_certificate(*server_names(settings), files=SERVICES)
    page = _handed_down()
    listen = [written(settings.web.host, settings.web.port), *([page[1]] if page is not None else [])]
    config = write_nginx_config(
        folder,
        FrontDoor(
            listen=tuple(listen),
            guests=written(guest_address(settings), settings.janus.port),
            key=key.resolve(),
            certificate=certificate.resolve(),
            trust=authority.ca_path.resolve(),
            controller=_short_enough(state.web_socket),
            porter=_short_enough(state.porter_socket),
            releases=state.releases.absolute(),
            releases_at_once=settings.releases.at_once,
            releases_kbit_s=settings.releases.kbit_s,
        ),
    )
    argv = (binary, "-e", "stderr", "-p", str(folder), "-c", str(config))
    if page is None:
        return Program("nginx", argv, orphaned=signal.SIGTERM)
    inherited = {"NGINX": f"{page[0]};"}
    return Program("nginx", argv, env=inherited, fds=(page[0],), orphaned=signal.SIGTERM)


def _tunnel(settings: Settings, state: StateDir) -> Program:
    sshd = _find("sshd")
    _authority(state)
    listen = written(guest_address(settings), settings.tunnel.port)
    argv = (sys.executable, "-m", "diemcau_controller.tunnel", "--state-dir", str(state.root))
    return Program("tunnel", (*argv, "--sshd", sshd, "--listen", listen), orphaned=signal.SIGTERM)


def _handed_down() -> tuple[int, str] | None:
    """The further listening socket for the page, and its address; None when there is none."""
    descriptor = os.environ.get(LISTEN_FD)
    if descriptor is None:
        return None
    fd = int(descriptor)
    with socket.socket(fileno=os.dup(fd)) as page:
        return fd, written(*page.getsockname()[:2])


def _authority(state: StateDir) -> Authority:
    authority = Authority(state.authority)
    authority.ensure()
    return authority


def _short_enough(path: Path) -> Path:
    if len(os.fsencode(path)) > LONGEST:
        raise CannotStart(f"{path} is a longer name than a socket may have: use a shorter --state-dir")
    return path


def _find(name: str) -> str:
    path = shutil.which(name, path=_SEARCH)
    if path is None:
        raise ProgramMissing(f"{name} is missing: install the package {_PACKAGES[name]} (apt-get install)")
    return path
