"""What tests of a box that asks to be a unit share: an honest coordinator, and an empty state folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from diemcau_agent.identity import boot_file
from diemcau_agent.unit.state_folder import StateFolder

from tests.system.enrolment_peer import Peer


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    made = Peer(tmp_path / "office")
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "state")


@pytest.fixture
def no_boot_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody prepared this box."""
    monkeypatch.setenv(boot_file.PLACES, "")
