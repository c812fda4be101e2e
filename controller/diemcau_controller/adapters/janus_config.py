"""Janus's configuration: one plugin (VideoRoom), one transport (WebSocket on a Unix socket), nothing else.

Debian's own configuration has plain HTTP, a well-known admin secret and every plugin on, so none of it is
used: Janus gets folders of its own in which only what we name can be found.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

_LIBRARIES = (Path("/usr/lib"), Path("/usr/local/lib"), Path("/usr/lib64"))
_PLUGIN = "plugins/libjanus_videoroom.so"
_TRANSPORT = "transports/libjanus_websockets.so"


class JanusMissing(OSError):
    """Janus, or the plugin or transport we need of it, is not installed."""


@dataclass(frozen=True, slots=True)
class JanusPorts:
    """Where Janus's media go: the UDP ports `rtp_first` to `rtp_last`.

    `address` is the one interface address it uses; None leaves the choice to Janus, and then `mapped` may be
    the address under which halls see it from the other side of a NAT.
    """

    address: str | None
    rtp_first: int
    rtp_last: int
    mapped: str | None = None


def write_janus_config(folder: Path, *, socket: Path, ports: JanusPorts, admin_key: str) -> Path:
    """Write Janus's configuration into `folder`, give the folder to pass with `--configs-folder`.

    It is spoken to at `socket`, by the porter and the controller; who makes rooms must show `admin_key`.
    Rooms live in `janus.plugin.videoroom.jcfg`, which Janus itself rewrites: it is left alone when it is
    ours. Raises :class:`JanusMissing`.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    libraries = _libraries()
    for name in ("plugins", "transports", "events", "loggers"):
        (folder / name).mkdir(exist_ok=True)
    for name in (_PLUGIN, _TRANSPORT):
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(libraries / name)
    _write(folder / "janus.jcfg", _core(folder.resolve(), ports))
    _write(folder / "janus.transport.websockets.jcfg", _websockets(socket))
    rooms = folder / "janus.plugin.videoroom.jcfg"
    if not (rooms.exists() and admin_key in rooms.read_text(encoding="utf-8", errors="replace")):
        _write(rooms, f"general: {{\n\tadmin_key = {_quoted(admin_key)}\n\tstring_ids = true\n}}\n")
    return folder


def _core(folder: Path, ports: JanusPorts) -> str:
    cores = os.cpu_count() or 1
    interface = nat = ""
    if ports.address is not None:
        interface = f"\tinterface = {_quoted(ports.address)}\n"
        nat = f"\tice_enforce_list = {_quoted(ports.address)}\n"
    elif ports.mapped is not None:
        nat = f"\tnat_1_1_mapping = {_quoted(ports.mapped)}\n"
    return f"""# Written anew at each start; changes here are lost.
general: {{
	configs_folder = {_quoted(folder)}
	plugins_folder = {_quoted(folder / "plugins")}
	transports_folder = {_quoted(folder / "transports")}
	events_folder = {_quoted(folder / "events")}
	loggers_folder = {_quoted(folder / "loggers")}
{interface}	log_to_stdout = true
	debug_level = 4
	debug_timestamps = true
	debug_colors = false
	admin_secret = {_quoted(secrets.token_urlsafe(32))}
	session_timeout = 30
	hide_dependencies = true
	event_loops = {cores}
}}
media: {{
	rtp_port_range = "{ports.rtp_first}-{ports.rtp_last}"
}}
nat: {{
{nat}	ignore_mdns = true
}}
"""


def _websockets(socket: Path) -> str:
    return f"""general: {{
	json = "compact"
	pingpong_trigger = 15
	pingpong_timeout = 10
	ws = true
	ws_unix = {_quoted(socket)}
	wss = false
	ws_logging = "err,warn"
}}
admin: {{
	admin_ws = false
	admin_wss = false
}}
"""


def _libraries() -> Path:
    """The folder that holds Janus's plugins and transports, wherever this distribution puts it."""
    for root in _LIBRARIES:
        for folder in (root / "janus", *sorted(root.glob("*-linux-gnu*/janus"))):
            if (folder / _PLUGIN).exists() and (folder / _TRANSPORT).exists():
                return folder
    raise JanusMissing("Janus's VideoRoom plugin or WebSocket transport is not installed (package janus)")


def _quoted(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
