"""Mosquitto's configuration: TLS with client certificates only, rights by its dynamic security plugin."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from .authority import Authority
from .dynamic_security import document

_LARGEST_PAYLOAD = 70_000  # above the protocol's own bound, so that the border refuses and counts
_LIBRARIES = (Path("/usr/lib"), Path("/usr/local/lib"), Path("/usr/lib64"))
_PLUGIN = "mosquitto_dynamic_security.so"


class MosquittoMissing(OSError):
    """The plugin of Mosquitto that we need is not installed."""


def write_mosquitto_config(
    folder: Path,
    *,
    authority: Authority,
    server: tuple[Path, Path],
    addresses: list[str],
    port: int,
    units: Iterable[str] = (),
) -> Path:
    """Write `mosquitto.conf` and who has rights into `folder`, give the path of the former.

    `server` is key and certificate of the listener on `port` of each of `addresses` (none: of every
    interface). Beside the controller `units` have rights from the start: a province one by one would have the
    broker write its file thousands of times. What the broker itself stores goes to `folder`/store. Raises
    :class:`MosquittoMissing`.
    """
    store = folder / "store"
    store.mkdir(parents=True, exist_ok=True, mode=0o700)
    rights = folder / "dynamic-security.json"
    _write(rights, json.dumps(document(units)))
    key, certificate = server
    lines = [
        "# Written anew at each start; changes here are lost.",
        "per_listener_settings false",
        "persistence true",
        f"persistence_location {store.resolve()}/",
        "autosave_interval 60",
        # A broker takes 20 unacknowledged messages per client, and the controller acknowledges only after its
        # database has them, some 250 ms later: that would be 80 messages a second.
        "max_inflight_messages 2000",
        # 10,000 units can lose their power at once, and each one's will is a message.
        "max_queued_messages 50000",
        f"message_size_limit {_LARGEST_PAYLOAD}",
        "allow_anonymous false",
        f"plugin {_plugin()}",
        f"plugin_opt_config_file {rights.resolve()}",
        "log_dest stdout",
        "log_timestamp_format %Y-%m-%dT%H:%M:%S",
        "log_type error",
        "log_type warning",
        "log_type notice",
    ]
    if os.geteuid() == 0:
        lines.insert(1, "user root")  # else it becomes `mosquitto`, who cannot read this folder
    for address in addresses or [""]:
        lines += [
            f"listener {port} {address}".rstrip(),
            f"cafile {authority.ca_path.resolve()}",
            f"certfile {certificate.resolve()}",
            f"keyfile {key.resolve()}",
            "tls_version tlsv1.2",
            "require_certificate true",
            "use_identity_as_username true",
        ]
    path = folder / "mosquitto.conf"
    _write(path, "\n".join(lines) + "\n")
    return path


def _plugin() -> Path:
    """The plugin, wherever this distribution puts it."""
    for root in _LIBRARIES:
        for path in (root / _PLUGIN, *sorted(root.glob(f"*-linux-gnu*/{_PLUGIN}"))):
            if path.exists():
                return path
    raise MosquittoMissing("Mosquitto's dynamic security plugin is not installed (package mosquitto)")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
