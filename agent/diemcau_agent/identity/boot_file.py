"""What somebody prepared for this box: `diemcau.toml` on the boot partition, or the same text as a code on
paper that is held before the camera.

An example with every key is in `firmware/boot/diemcau.toml`. Nothing of it is needed: a box without it looks
for its coordinator on the local network.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import re
import tomllib
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .trouble import Trouble

log = logging.getLogger(__name__)

PLACES = "DIEMCAU_BOOT_FILES"
NAME = "diemcau.toml"
DEFAULT_PLACES = (
    "/boot/diemcau.toml",
    "/boot/firmware/diemcau.toml",
    "/boot/efi/diemcau.toml",
    "/efi/diemcau.toml",
)
MAX_BYTES = 16 * 1024
_ADDRESS = re.compile(r"https://[A-Za-z0-9.:\[\]-]{1,260}")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_KEYS = frozenset({"address", "roots", "voucher", "contact", "phone", "serial", "network"})


@dataclass(frozen=True, slots=True)
class Network:
    """How the hall reaches the network: a Wi-Fi, the access point of a mobile line, or what a cable without
    DHCP needs (`ip` with its prefix length, as `192.168.1.51/24`; `dns` addresses with commas between; all
    of them IPv4)."""

    ssid: str = ""
    password: str = ""
    apn: str = ""
    ip: str = ""
    gateway: str = ""
    dns: str = ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a boot file or a paper says. `address` is "" where it says none; `roots` are fingerprints of
    which one must vouch for the coordinator, none: whoever answers first is asked for his."""

    address: str = ""
    roots: frozenset[str] = field(default_factory=frozenset)
    voucher: str = ""
    contact: str = ""
    phone: str = ""
    serial: str = ""
    network: Network | None = None


def places(environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Where the file may lie: the paths in `DIEMCAU_BOOT_FILES`, separated by colons, or the usual ones."""
    named = environ.get(PLACES)
    return [Path(name) for name in (named.split(":") if named is not None else DEFAULT_PLACES) if name]


def read(paths: list[Path]) -> Prepared | None:
    """The prepared file; None when there is none. It is only ever read.

    Raises :class:`Trouble` for one that cannot be understood, and for two that say different things.
    """
    found: dict[bytes, Path] = {}
    for path in paths:
        try:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            if not os.access(path.parent, os.X_OK):  # a partition that is not ours to look into
                log.info("not looked into", extra={"path": str(path.parent)})
                continue
            raise Trouble("address", "boot_file_unreadable", where=str(path), detail=str(error)) from None
        found.setdefault(content, path)
    if len(found) > 1:
        raise Trouble("address", "two_boot_files", where=", ".join(str(path) for path in found.values()))
    for content, path in found.items():
        return parse(content, path)
    return None


def parse(content: bytes, path: Path) -> Prepared:
    """What the file says. Raises :class:`Trouble` that names the line, where there is one to name."""
    if len(content) > MAX_BYTES:
        raise _broken(path, "")
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")  # as Windows' editor leaves it
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise _broken(path, str(content.count(b"\n", 0, error.start) + 1)) from None
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        raise _broken(path, line[1] if line else str(text.count("\n") + 1)) from None
    except RecursionError:
        raise _broken(path, "") from None
    wrong = _first_wrong(document)
    if wrong is not None:
        raise _broken(path, _line_of(text, wrong))
    return _prepared(document)


def of_code(text: str) -> Prepared:
    """What a code held before the camera says: the text of such a file, or just the coordinator's address.

    Raises :class:`Trouble` for any other code.
    """
    address = _ADDRESS.match(text.strip())
    if address is not None:
        return Prepared(address=address[0])
    try:
        document = tomllib.loads(text.replace("\r\n", "\n"))
    except (tomllib.TOMLDecodeError, RecursionError):
        raise Trouble("address", "foreign_code") from None
    if _first_wrong(document) is not None or "address" not in document:
        raise Trouble("address", "foreign_code")
    return _prepared(document)


def _prepared(document: Mapping[str, Any]) -> Prepared:
    network = document.get("network")
    return Prepared(
        address=_text(document, "address").rstrip("/"),
        roots=frozenset(root.replace(":", "").lower() for root in document.get("roots", [])),
        voucher=_text(document, "voucher"),
        contact=_text(document, "contact"),
        phone=_text(document, "phone"),
        serial=_text(document, "serial"),
        network=Network(**network) if network else None,
    )


def _first_wrong(document: Mapping[str, Any]) -> str | None:
    """The key of the first value that cannot be; unknown keys are mistyped ones."""
    for key, value in document.items():
        match key:
            case "address":
                good = isinstance(value, str) and _ADDRESS.fullmatch(value.strip().rstrip("/")) is not None
            case "roots":
                good = isinstance(value, list) and 0 < len(value) <= 6 and all(map(_is_fingerprint, value))
            case "network":
                wrong = _wrong_of_network(value) if isinstance(value, dict) else key
                if wrong is not None:
                    return wrong
                continue
            case _:
                good = key in _KEYS and isinstance(value, str) and len(value) <= 200
        if not good:
            return key
    return None


def _is_fingerprint(value: object) -> bool:
    return isinstance(value, str) and _FINGERPRINT.fullmatch(value.replace(":", "").lower()) is not None


def _wrong_of_network(value: Mapping[str, Any]) -> str | None:
    """The key of the first value that cannot be; `network` where no line is named."""
    for key, text in value.items():
        if not isinstance(text, str) or len(text) > 100 or not text.isprintable() or key not in _NETWORK:
            return key
        if text and not _NETWORK[key](text):
            return key
    return None if any(value.get(key) for key in ("ssid", "apn", "ip")) else "network"


def _is_interface(text: str) -> bool:
    """An address with its prefix length. IPv6 configures itself, and takes none here."""
    try:
        return "/" in text and bool(ipaddress.IPv4Interface(text))
    except ValueError:
        return False


def _is_address(text: str) -> bool:
    try:
        return bool(ipaddress.IPv4Address(text))
    except ValueError:
        return False


_NETWORK: dict[str, Callable[[str], bool]] = {
    **dict.fromkeys(("ssid", "password", "apn"), lambda _: True),
    "ip": _is_interface,
    "gateway": _is_address,
    "dns": lambda text: all(not one.strip() or _is_address(one.strip()) for one in text.split(",")),
}


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key, "")
    return unicodedata.normalize("NFC", value).strip() if isinstance(value, str) else ""


def _line_of(text: str, key: str) -> str:
    for number, line in enumerate(text.split("\n"), 1):
        if re.match(rf'\s*\[?\s*"?{re.escape(key)}\b', line):
            return str(number)
    return ""


def _broken(path: Path, line: str) -> Trouble:
    return Trouble("address", "boot_file_broken", where=str(path), line=line or "1")
