"""Releases at the controller: offered only when a unit would take them; withdrawn; on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from diemcau_controller.actions.backup import _files
from diemcau_controller.actions.releases import find_offered, offered
from diemcau_controller.adapters import age
from diemcau_controller.adapters.releases.contents import remove_files
from diemcau_controller.adapters.releases.repository import Repository
from diemcau_controller.cli import app, release
from diemcau_controller.rules.refusals import Conflict, NotFound
from diemcau_wire.release import wheel_path
from typer.testing import CliRunner

from tests.release_for_tests import put_release, signed_release
from tests.system.office import Office, furnished, on_the_command_line

MAGIC = b"age-encryption.org/v1\n"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with furnished(tmp_path_factory.mktemp("releases") / "state") as made:
        yield made


def quick_lock(data: bytes, phrase: str) -> bytes:
    """Instead of age's, which takes two seconds on purpose."""
    return MAGIC + phrase.encode() + b"\n" + data[::-1]


def quick_unlock(data: bytes, phrase: str) -> bytes:
    its, _, body = data.removeprefix(MAGIC).partition(b"\n")
    if its != phrase.encode():
        raise age.DecryptFailed(True)
    return body[::-1]


def said(office: Office, *words: str) -> str:
    """What a command prints; it must do what was asked."""
    with on_the_command_line(office, release):
        ended = CliRunner().invoke(app, ["release", *words], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def test_only_what_a_unit_would_take_is_offered(office: Office) -> None:
    repository = Repository(office.state)
    assert office.get("releases") == []
    assert "no keys for releases" in office.refused(409, "releases/1.0.0/offer")
    assert office.refused(422, "releases/1.0/offer")

    made = signed_release(office.state, "1.0.0")
    put_release(repository, "1.1.0", b"not signed")
    assert "is not signed" in office.refused(409, "releases/1.1.0/offer")
    path = repository.targets / wheel_path(made.parts[0])
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert "bytes instead of" in office.refused(409, "releases/1.0.0/offer")
    path.write_bytes(whole)

    assert office.http.post("/api/v1/releases/1.0.0/offer").status_code == 204
    assert office.http.post("/api/v1/releases/1.0.0/offer").status_code == 204  # again is no change
    newest, oldest = office.get("releases")
    assert (newest["version"], newest["state"]) == ("1.1.0", "built")
    assert (oldest["version"], oldest["state"], oldest["offered_by"]) == ("1.0.0", "offered", "local")
    assert oldest["bytes"]["arm64"] > 0
    with office.database.read() as session:
        assert offered(session) == ["1.0.0"]
        assert find_offered(session, "1.0.0").offered_by == "local"
        with pytest.raises(NotFound):
            find_offered(session, "1.1.0")


def test_no_older_one_is_offered_and_a_withdrawn_one_may_be_again(office: Office) -> None:
    signed_release(office.state, "1.2.0", b"newer")
    signed_release(office.state, "1.1.0", b"older")
    said(office, "offer", "1.2.0")
    assert "is older" in office.refused(409, "releases/1.1.0/offer")
    assert "was not offered" in office.refused(404, "releases/9.9.9/withdraw", reason="x")
    said(office, "withdraw", "1.2.0", "--reason", "mất tiếng")
    with office.database.read() as session, pytest.raises(Conflict, match="mất tiếng"):
        find_offered(session, "1.2.0")
    said(office, "offer", "1.1.0")
    said(office, "offer", "1.2.0")
    listed = json.loads(said(office, "list", "--json"))
    assert [(one["version"], one["state"]) for one in listed[:2]] == [
        ("1.2.0", "offered"),
        ("1.1.0", "offered"),
    ]


def test_what_is_offered_and_gone_is_said(office: Office) -> None:
    """After a restored backup the signatures are there, the wheels are not."""
    names = {name for name, _ in _files(office.state)}
    assert any(name.endswith(".targets.json") for name in names) and "generated/releases-online.key" in names
    assert not any(name.startswith("releases/targets") for name in names)
    remove_files(Repository(office.state).targets, ["1.2.0"])
    assert "files missing" in said(office, "list")
    assert "a unit refuses" in office.refused(409, "releases/1.2.0/offer")


def test_the_files_are_worked_on_without_a_controller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(age, "lock", quick_lock)
    monkeypatch.setattr(age, "unlock", quick_unlock)
    state, one, two = tmp_path / "state", tmp_path / "one", tmp_path / "two"
    state.mkdir()

    def run(*words: str, code: int = 0) -> str:
        ended = CliRunner().invoke(app, ["release", *words, "--state-dir", str(state)])
        assert (ended.exit_code == 0) is (code == 0), ended.output
        return ended.stdout if code == 0 else str(ended.exception)

    assert "no keys for releases" in run("sign", "1.0.0", "--keys", str(one), code=1)
    phrase, wrong = tmp_path / "phrase", tmp_path / "wrong"
    phrase.write_text("con mèo đen trên mái\n")
    wrong.write_text("con mèo trắng trên mái\n")
    assert "not there: is the medium" in run("keys", str(tmp_path / "no/stick"), "--unlocked", code=1)
    assert "nobody to ask" in run("keys", str(one), code=1)
    run("keys", str(one), str(two), "--threshold", "2", "--passphrase-file", str(phrase))
    assert b"PRIVATE" not in (one / "targets.key").read_bytes()
    assert "another pass phrase" in run("sign", "--keys", str(one), "--passphrase-file", str(wrong), code=1)
    opened = ("--passphrase-file", str(phrase))
    assert "not the source" in run("build", "--source", str(tmp_path), code=1)
    assert "is not a folder" in run("build", "--wheels", str(tmp_path / "none"), code=1)
    assert "was not built" in run("sign", "1.0.0", "--keys", str(one), *opened, code=1)
    assert "--keys" in run("sign", "1.0.0", code=1)
    assert "1 must still sign" in run("sign", "--keys", str(one), *opened)
    assert "Nothing waits" in run("sign", "--drop")
    run("sign", "--keys", str(one), *opened)
    assert json.loads(run("sign", "--keys", str(two), "--json", *opened)) == {"missing": 0, "served": True}
    assert "is not signed" in run("verify", "1.0.0", code=1)
    assert "cannot be read" in run("verify", "1.0.0", "--root", str(tmp_path / "none"), code=1)
    assert "there is no folder" in str(
        CliRunner().invoke(app, ["release", "verify", "1.0.0", "--state-dir", "/nowhere"]).exception
    )
