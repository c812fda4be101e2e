"""What root does to releases and to the authority belongs to the controller's user afterwards."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from diemcau_controller.adapters.authority import Authority
from diemcau_controller.cli import app
from diemcau_controller.cli.client import Failed
from diemcau_controller.cli.release import _repository
from diemcau_controller.config import StateDir
from typer.testing import CliRunner

OWNED = ("releases", "releases/metadata", "releases/metadata/1.root.json", "generated/releases-online.key")


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[Path, tuple[int, int]]:
    """Who was given what."""
    made: dict[Path, tuple[int, int]] = {}

    def chown(path: Path, user: int, group: int, *, follow_symlinks: bool) -> None:
        assert not follow_symlinks
        path.lstat()  # as the real one: FileNotFoundError
        made[path] = (user, group)

    monkeypatch.setattr(os, "chown", chown)
    return made


@pytest.mark.parametrize("fails", [False, True])
def test_what_root_writes_is_the_owners_of_the_state_folder(
    tmp_path: Path, given: dict[Path, tuple[int, int]], monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    state = StateDir(tmp_path)

    def works() -> None:
        with _repository(tmp_path) as repository:
            repository.metadata.mkdir(parents=True)
            (repository.metadata / "1.root.json").write_text("{}")
            state.releases_key.parent.mkdir()
            state.releases_key.write_text("key")
            (repository.folder / "away").symlink_to("/")
            if fails:
                repository.root()

    if fails:
        with pytest.raises(Failed):
            works()
    else:
        works()
    owner = (tmp_path.stat().st_uid, tmp_path.stat().st_gid)
    assert {tmp_path / name for name in (*OWNED, "generated", "releases/away")} == set(given)
    assert set(given.values()) == {owner}


def test_what_root_changes_of_the_authority_is_the_controllers_too(
    tmp_path: Path, given: dict[Path, tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = StateDir(tmp_path)
    Authority(state.authority).ensure()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    done = CliRunner().invoke(app, ["ca", "rotate-logins", "--state-dir", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert {state.authority / "ssh" / name for name in ("user_ca", "user_ca.former", "user_ca.pub")} <= set(
        given
    )
    assert set(given.values()) == {(tmp_path.stat().st_uid, tmp_path.stat().st_gid)}


def test_who_is_not_root_gives_nothing_away(
    tmp_path: Path, given: dict[Path, tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with _repository(tmp_path) as repository:
        repository.folder.mkdir()
    assert given == {}
