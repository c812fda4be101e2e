"""EDID: a real one is read, everything else is refused clearly and never with another exception."""

from __future__ import annotations

from pathlib import Path

import pytest
from diemcau_agent.drivers.edid import BadEdid, Connector, connectors, find, parse
from hypothesis import given
from hypothesis import strategies as st


def block(**changes: bytes) -> bytes:
    """A base block as a 43-inch television sends it, `at_N` replaced by other bytes from N on."""
    data = bytearray(128)
    data[0:8] = b"\x00\xff\xff\xff\xff\xff\xff\x00"
    data[8:10] = (19 << 10 | 1 << 5 | 13).to_bytes(2, "big")  # SAM
    data[10:12] = (0x0F99).to_bytes(2, "little")
    data[12:16] = (16780800).to_bytes(4, "little")
    data[18:20] = b"\x01\x03"
    # 1920x1080 at 60 Hz, as CTA-861 writes it
    data[54:72] = bytes.fromhex("023a801871382d40582c4500a05a00000000")[:18].ljust(18, b"\0")
    data[72:90] = b"\x00\x00\x00\xfc\x00" + b"SAMSUNG\n".ljust(13)
    data[90:108] = b"\x00\x00\x00\xff\x00" + b"H4ZR 700123\n".ljust(13)
    for at, value in changes.items():
        start = int(at.removeprefix("at_"))
        data[start : start + len(value)] = value
    data[127] = -sum(data[:127]) % 256
    return bytes(data)


def test_a_television_is_read() -> None:
    edid = parse(block() + bytes(128))
    assert (edid.maker, edid.product, edid.name) == ("SAM", 0x0F99, "SAMSUNG")
    assert (edid.serial, edid.width, edid.height) == ("H4ZR 700123", 1920, 1080)
    assert edid.identity == "SAM-0F99-H4ZR_700123"


def test_one_without_texts_has_its_number() -> None:
    edid = parse(block(at_72=bytes(36)))
    assert (edid.name, edid.serial) == ("", "16780800")
    assert parse(block(at_72=bytes(36), at_12=bytes(4), at_54=bytes(18))).identity == "SAM-0F99"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (block()[:127], "127 bytes"),
        (bytes(128), "begin"),
        (block()[:126] + b"\x01\x00", "sum"),
        (block(at_18=b"\x02"), "version 2"),
    ],
)
def test_everything_else_is_refused_in_words(data: bytes, said: str) -> None:
    with pytest.raises(BadEdid, match=said):
        parse(data)


@given(st.binary(max_size=300))
def test_no_bytes_do_harm(data: bytes) -> None:
    with pytest.raises(BadEdid):
        parse(data)


@given(st.binary(min_size=119, max_size=119))
def test_nor_do_bytes_that_are_right_outside(data: bytes) -> None:
    edid = parse(block(at_8=data[:10], at_20=data[10:]))
    assert len(edid.maker) == 3 and (edid.width == 0) == (edid.height == 0)
    assert edid.identity.isascii() and edid.name.isprintable()


def plug(folder: Path, name: str, status: str, edid: bytes | None) -> None:
    (folder / name).mkdir()
    (folder / name / "status").write_text(status + "\n")
    if edid is not None:
        (folder / name / "edid").write_bytes(edid)


def test_what_is_plugged_in_is_found(tmp_path: Path) -> None:
    plug(tmp_path, "card0-HDMI-A-1", "connected", block())
    plug(tmp_path, "card0-HDMI-A-2", "disconnected", b"")
    plug(tmp_path, "card1-VGA-1", "connected", b"")
    plug(tmp_path, "card1-DP-1", "connected", None)
    (tmp_path / "card0").mkdir()
    (tmp_path / "version").write_text("drm 1.1.0")
    found = {one.name: one for one in connectors(tmp_path)}
    assert found.keys() == {"HDMI-A-1", "HDMI-A-2", "VGA-1", "DP-1"}
    good, absent, empty, silent = (found[name] for name in ("HDMI-A-1", "HDMI-A-2", "VGA-1", "DP-1"))
    assert good.edid is not None and good.plugged
    assert absent == Connector("HDMI-A-2", plugged=False)
    assert empty.plugged and empty.problem == "EDID: empty"
    assert silent.edid is None and silent.problem
    sources = [device.source for device in find(tmp_path)]
    assert sources[0] == "edid:SAM-0F99-H4ZR_700123" and "drm:VGA-1" in sources
