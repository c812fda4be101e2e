"""Screens by what they say of themselves: EDID, as the kernel keeps it in /sys/class/drm.

The 128 bytes of the base block of VESA E-EDID 1.3 and 1.4; nothing in extensions is needed here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from diemcau_wire.messages import Device

from .found import Found

DRM = Path("/sys/class/drm")
_BLOCK = 128
_HEADER = bytes([0, *[0xFF] * 6, 0])
_NAME, _SERIAL = 0xFC, 0xFF  # tags of display descriptors (section 3.10.3)
_CONNECTOR = re.compile(r"card\d+-(.+)")


class BadEdid(ValueError):
    """These bytes are no EDID; the text says what is wrong with them."""


@dataclass(frozen=True, slots=True)
class Edid:
    """`maker`: three letters (PNP id). `serial`: what is printed on it, or the number in the block, or "".
    `width`, `height`: the preferred size in pixels, 0 when none is named."""

    maker: str
    product: int
    serial: str
    name: str
    width: int
    height: int

    @property
    def identity(self) -> str:
        """The same for the same screen on every port: "SAM-0F99-H4ZR700123"."""
        serial = re.sub(r"[^A-Za-z0-9.]+", "_", self.serial)
        return "-".join(part for part in (self.maker, f"{self.product:04X}", serial) if part)


@dataclass(frozen=True, slots=True)
class Connector:
    """A socket for a screen: `name` as the kernel calls it ("HDMI-A-1"). `edid` is None while nothing is
    plugged in, and when what is plugged in does not say what it is: then `problem` says so."""

    name: str
    plugged: bool
    edid: Edid | None = None
    problem: str = ""


def parse(data: bytes) -> Edid:
    """Read an EDID, of which only the first block counts. Raises :class:`BadEdid` and nothing else."""
    if not data:
        raise BadEdid("empty")
    if len(data) < _BLOCK:
        raise BadEdid(f"{len(data)} bytes, not {_BLOCK}")
    block = data[:_BLOCK]
    if block[:8] != _HEADER:
        raise BadEdid("it does not begin like one")
    if sum(block) % 256:
        raise BadEdid("the sum of its bytes is wrong")
    if block[18] != 1:
        raise BadEdid(f"version {block[18]}.{block[19]}")
    number = int.from_bytes(block[12:16], "little")
    texts: dict[int, str] = {}
    width = height = 0
    for start in (54, 72, 90, 108):
        part = block[start : start + 18]
        if part[0] or part[1]:  # a timing; the first one is preferred
            if not width:
                width, height = part[2] | (part[4] >> 4) << 8, part[5] | (part[7] >> 4) << 8
        elif part[3] in (_NAME, _SERIAL):
            texts.setdefault(part[3], _text(part[5:]))
    return Edid(
        maker=_maker(int.from_bytes(block[8:10], "big")),
        product=int.from_bytes(block[10:12], "little"),
        serial=texts.get(_SERIAL) or (str(number) if number else ""),
        name=texts.get(_NAME, ""),
        width=width if height else 0,
        height=height if width else 0,
    )


def connectors(folder: Path = DRM) -> list[Connector]:
    """Every socket for a screen this machine has, with what is plugged into it now."""
    return [_connector(path) for path in sorted(folder.glob("card*-*")) if _CONNECTOR.fullmatch(path.name)]


def find(folder: Path = DRM) -> list[Found]:
    """The screens that are plugged in. One without a readable EDID is named by its socket."""
    return [_found(connector) for connector in connectors(folder) if connector.plugged]


def _connector(path: Path) -> Connector:
    match = _CONNECTOR.fullmatch(path.name)
    name = match[1] if match else path.name
    try:
        if (path / "status").read_text(encoding="ascii").strip() != "connected":
            return Connector(name, plugged=False)
        return Connector(name, plugged=True, edid=parse((path / "edid").read_bytes()))
    except BadEdid as error:
        return Connector(name, plugged=True, problem=f"EDID: {error}")
    except (OSError, UnicodeDecodeError) as error:
        return Connector(name, plugged=(path / "edid").exists(), problem=f"EDID: {error}")


def _found(connector: Connector) -> Found:
    edid = connector.edid
    if edid is None:
        details: dict[str, object] = {"connector": connector.name, "problem": connector.problem}
        return Found(Device.SCREEN, f"drm:{connector.name}", connector.name, details=details)
    details = {"connector": connector.name, "maker": edid.maker, "serial": edid.serial}
    if edid.width:
        details |= {"width": edid.width, "height": edid.height}
    return Found(Device.SCREEN, f"edid:{edid.identity}", edid.name or edid.identity, details=details)


def _text(field: bytes) -> str:
    """Up to 13 letters, ended by a line feed and filled with blanks."""
    letters = field.partition(b"\n")[0].decode("ascii", "ignore")
    return "".join(letter for letter in letters if letter.isprintable()).strip()


def _maker(packed: int) -> str:
    """Three letters of five bits each, 1 for A (section 3.4.1)."""
    letters = [packed >> shift & 0x1F for shift in (10, 5, 0)]
    return "".join(chr(ord("A") + letter - 1) if 1 <= letter <= 26 else "?" for letter in letters)
