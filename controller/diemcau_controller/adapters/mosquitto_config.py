"""Mosquitto's configuration: TLS with client certificates only, and who may read and write which topic."""

from __future__ import annotations

import os
from pathlib import Path

from diemcau_wire import Channel
from diemcau_wire.topics import FROM_UNIT, ROOT, TO_UNIT, VERSION

from .authority import Authority

CONTROLLER_CN = "controller"
_LARGEST_PAYLOAD = 70_000  # above the protocol's own bound, so that the border refuses and counts


def write_mosquitto_config(
    folder: Path, *, authority: Authority, server: tuple[Path, Path], addresses: list[str], port: int
) -> Path:
    """Write `mosquitto.conf` and its ACL into `folder`, give the path of the former.

    `server` is key and certificate of the listener on `port` of each of `addresses` (none: of every
    interface). What the broker itself stores goes to `folder`/store.
    """
    store = folder / "store"
    store.mkdir(parents=True, exist_ok=True, mode=0o700)
    acl = folder / "acl"
    _write(acl, _acl())
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
        f"acl_file {acl.resolve()}",
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


def _acl() -> str:
    """The controller may do everything; a unit (its CN is its id) writes and reads only its own topics."""

    def pattern(access: str, channel: Channel) -> str:
        return f"pattern {access} {ROOT}/{VERSION}/%u/{channel.value}"

    lines = [f"user {CONTROLLER_CN}", f"topic readwrite {ROOT}/#", ""]
    lines += [pattern("write", channel) for channel in sorted(FROM_UNIT)]
    lines += [pattern("read", channel) for channel in sorted(TO_UNIT)]
    return "\n".join(lines) + "\n"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
