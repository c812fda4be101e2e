"""release.json at the border: what is taken, what is refused, and how versions are ordered."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from diemcau_wire import Refused
from diemcau_wire.release import (
    Arch,
    Release,
    Wheel,
    is_version,
    order,
    read_release,
    wheel_path,
    write_release,
)
from hypothesis import given
from hypothesis import strategies as st

SHA = "ab" * 32


def wheel(name: str = "numpy", arch: Arch = Arch.ANY, **other: Any) -> Wheel:
    file = f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
    return Wheel(
        **{"name": name, "version": "1.0", "file": file, "sha256": SHA, "size": 9, "arch": arch, **other}
    )


def release(*parts: Wheel) -> Release:
    return Release(version="1.2.3", built_at=datetime(2026, 1, 2, tzinfo=UTC), python="3.11", parts=parts)


def test_a_release_comes_back_the_same_and_is_the_same_bytes() -> None:
    told = release(wheel(), wheel("av", Arch.AMD64), wheel("av", Arch.ARM64))
    assert read_release(write_release(told)) == told
    assert write_release(read_release(write_release(told))) == write_release(told)
    assert [part.name for part in told.parts_for(Arch.ARM64)] == ["numpy", "av"]
    assert wheel_path(told.parts[0]) == f"wheels/{SHA}/numpy-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"version": "1.2"},
        {"version": "1.2.3\n"},
        {"version": "../1.2"},
        {"built_at": "yesterday"},
        {"python": "2.7"},
        {"parts": []},
        {"parts": [{"name": "x"}]},
        {"parts": [wheel().model_dump(), wheel("numpy", Arch.ARM64).model_dump()]},
        {"parts": [wheel().model_dump() | {"file": "../../x-1-py3-none-any.whl"}]},
        {"parts": [wheel().model_dump() | {"sha256": "AB" * 32}]},
        {"parts": [wheel().model_dump() | {"size": 0}]},
        {"parts": [wheel().model_dump() | {"arch": "mips"}]},
    ],
)
def test_a_wrong_one_is_refused(change: dict[str, Any]) -> None:
    document = json.loads(write_release(release(wheel()))) | change
    with pytest.raises(Refused):
        read_release(json.dumps(document, default=str).encode())


@given(st.binary(max_size=300))
def test_whatever_bytes_are_refused_by_their_own_error(data: bytes) -> None:
    with pytest.raises(Refused):
        read_release(data)


def test_versions_are_ordered_by_their_numbers() -> None:
    assert order("1.10.0") > order("1.9.9")
    assert not any(is_version(text) for text in ("1", "1.2", "1.2.3.4", "01.2.3", "1.2.3rc1", "1.2.3\n", ""))
    with pytest.raises(ValueError, match="no version"):
        order("1.2")
