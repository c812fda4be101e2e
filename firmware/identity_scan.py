"""What must not be in an image that is the same for all halls: keys, names, passwords. Changes nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_BYTES = 1 << 20
"""Private keys are small; larger files are not looked into."""

_KEY = re.compile(
    rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----\r?\n(?:[\w-]+: [^\n]*\n|\s)*[A-Za-z0-9+/=]{16}"
    rb"|AGE-SECRET-KEY-1[0-9A-Z]{20}"
    rb"|^PuTTY-User-Key-File-[23]: "
    rb"|^[ \t]*PrivateKey[ \t]*=[ \t]*[A-Za-z0-9+/]{43}=[ \t\r]*$",  # of WireGuard
    re.MULTILINE,
)
_BINARY_KEY = re.compile(rb"0(?:\x82..|\x81.|.)\x02\x01[\x00\x01](?:\x02\x82|0|\x04\x20)", re.DOTALL)
"""PKCS #1, PKCS #8 and SEC 1 in DER: a sequence whose first number is a version of 0 or 1."""
_NO_PASSWORD = frozenset({"*", "!", "!*", "!!"})
_PASSWORDS = ("etc/passwd", "etc/passwd-", "etc/shadow", "etc/shadow-", "etc/gshadow", "etc/gshadow-")
_MACHINE_IDS = ("etc/machine-id", "var/lib/dbus/machine-id")
_EMPTY = (
    *("var/lib/diemcau-agent", "var/lib/diemcau-shared", "var/lib/diemcau-maintenance"),
    *(
        "var/lib/NetworkManager",
        "var/lib/cloud",
        "var/lib/bluetooth",
        "var/lib/iwd",
        "var/lib/systemd/timesync",
    ),
)
_NOT_THERE = (
    *("var/lib/systemd/random-seed", "var/lib/systemd/credential.secret", "boot/diemcau.toml", "etc/hostid"),
    *(f"var/lib/diemcau-update/{name}.json" for name in ("state", "order", "lease")),
)
_LOG_INS = re.compile(r"(^|/)\.ssh/authorized_keys2?$")
_PERSONAL = re.compile(
    r"(^|/)(\.ssh/(id_|config$|known_hosts)[^/]*|\.netrc|\.pgpass|\.git-credentials|\.[a-z]+_history"
    r"|[^/]+\.(p12|pfx|jks|keytab|leases?)|loader/random-seed)$"
)
_HOST_KEYS = re.compile(r"(^|/)ssh_host_[a-z0-9]+_key(\.pub|-cert\.pub)?$")
_SECRET_LINES = re.compile(rb"^\s*(password|voucher)\s*=|^\s*psk\s*=", re.MULTILINE)


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that gives an image an identity; `path` is relative to the tree."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"/{self.path}: {self.what}"


def scan(tree: Path) -> list[Finding]:
    """Everything in the tree of a system that belongs to one box, or lets somebody in; sorted."""
    found = set(_passwords(tree))
    for name in _MACHINE_IDS:
        file = tree / name
        if file.is_file() and not file.is_symlink() and file.read_bytes().strip():
            found.add(Finding(name, "a machine-id"))
    for name in _EMPTY:
        if (tree / name).is_dir() and any(path.is_file() for path in (tree / name).rglob("*")):
            found.add(Finding(name, "state of a unit"))
    found |= {Finding(name, "state of a box") for name in _NOT_THERE if (tree / name).exists()}
    for path in _files(tree):
        name = path.relative_to(tree).as_posix()
        if _HOST_KEYS.search(name):
            found.add(Finding(name, "an SSH host key"))
        elif _LOG_INS.search(name) and path.stat().st_size:
            found.add(Finding(name, "a log-in by SSH key"))
        elif _PERSONAL.search(name):
            found.add(Finding(name, "what belongs to one person or one box"))
        elif path.stat().st_size <= MAX_BYTES:
            found |= {Finding(name, what) for what in _inside(name, path.read_bytes())}
    return sorted(found)


def _inside(name: str, content: bytes) -> Iterator[str]:
    if _KEY.search(content) or _BINARY_KEY.match(content):
        yield "a private key"
    if name.endswith((".nmconnection", "diemcau.toml")) and _SECRET_LINES.search(content):
        yield "a password or voucher of one hall"


def _passwords(tree: Path) -> Iterator[Finding]:
    for name in _PASSWORDS:
        file = tree / name
        if not file.is_file():
            continue
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            user, _, rest = line.partition(":")
            secret = rest.partition(":")[0]
            if name.startswith("etc/gshadow") and not secret:
                continue  # a group without a password, which nobody enters by one
            if name.startswith("etc/passwd") and secret == "x":
                continue  # it is in etc/shadow
            if secret not in _NO_PASSWORD:
                yield Finding(
                    name, f"a password of {user}" if secret else f"{user} enters without a password"
                )


def _files(tree: Path) -> Iterator[Path]:
    """Every regular file, whatever is in its way; links are not followed."""
    for folder, _, names in os.walk(tree):
        for name in names:
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                yield path
