"""Releases signed by people, kept fresh by the controller, and refused as a unit refuses them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from diemcau_controller.adapters.releases import repository as repository_module
from diemcau_controller.adapters.releases.ceremony import rotate, set_up, sign
from diemcau_controller.adapters.releases.errors import ReleaseError
from diemcau_controller.adapters.releases.repository import Repository
from diemcau_controller.adapters.releases.verify import signed_versions, verify
from diemcau_controller.config import StateDir
from diemcau_controller.rules import releases as rules
from diemcau_controller.rules.refusals import Conflict
from diemcau_controller.rules.releases import Need, check_not_older
from diemcau_wire.release import Arch, playbooks_target, release_target, wheel_path

from tests.release_for_tests import put_release, repository_with_keys

NOW = datetime.now(UTC)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return repository_with_keys(tmp_path, NOW)


def keys(repository: Repository, name: str = "keys") -> Path:
    return repository.folder.parents[1] / name


def signed(repository: Repository, version: str = "1.0.0", agent: bytes = b"") -> None:
    put_release(repository, version, agent)
    assert sign(repository, keys(repository), version, [], NOW).missing == 0


def test_a_unit_takes_what_was_signed_and_nothing_else(repository: Repository) -> None:
    put_release(repository, "1.0.0")
    with pytest.raises(ReleaseError, match="is not signed"):
        verify(repository, "1.0.0")
    assert sign(repository, keys(repository), "1.0.0", [], NOW).missing == 0
    assert verify(repository, "1.0.0").release.version == "1.0.0"
    assert "already" in sign(repository, keys(repository), "1.0.0", [], NOW).what
    assert not (repository.metadata / "root.key").exists()
    assert (repository.folder / "root.json").read_bytes() == repository.first_root()


def damaged_wheel(repository: Repository) -> None:
    wheel = put_release(repository, "1.0.0").parts_for(Arch.ARM64)[-1]
    path = repository.targets / wheel_path(wheel)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut_wheel(repository: Repository) -> None:
    path = repository.targets / wheel_path(put_release(repository, "1.0.0").parts[0])
    path.write_bytes(path.read_bytes()[:-20])


def missing_wheel(repository: Repository) -> None:
    (repository.targets / wheel_path(put_release(repository, "1.0.0").parts[0])).unlink()


def other_release(repository: Repository) -> None:
    path = repository.targets / release_target("1.0.0")
    path.write_bytes(path.read_bytes().replace(b"2026-01-01", b"2026-01-02"))


def other_playbooks(repository: Repository) -> None:
    (repository.targets / playbooks_target("1.0.0")).write_bytes(b"rm -rf")


def wrong_signature(repository: Repository) -> None:
    path = repository.metadata / "timestamp.json"
    document = json.loads(path.read_bytes())
    document["signatures"][0]["sig"] = "00" * 64
    path.write_text(json.dumps(document))


def other_targets(repository: Repository) -> None:
    """Somebody who has the server names a release of his own, without the keys of people."""
    number = repository.newest_targets().signed.version
    path = repository.metadata / f"{number}.targets.json"
    document = json.loads(path.read_bytes())
    document["signed"]["targets"][release_target("1.0.0")]["hashes"]["sha256"] = "ab" * 32
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (damaged_wheel, "is not what was built"),
        (cut_wheel, "bytes instead of"),
        (missing_wheel, "is not there"),
        (other_release, "a unit refuses 1.0.0"),
        (other_playbooks, "a unit refuses 1.0.0"),
        (wrong_signature, "sign it again"),
        (other_targets, "sign it again"),
    ],
)
def test_what_was_touched_is_refused(
    repository: Repository, harm: Callable[[Repository], None], says: str
) -> None:
    signed(repository)
    harm(repository)
    with pytest.raises(ReleaseError, match=says):
        verify(repository, "1.0.0")


def test_a_wheel_that_is_touched_is_not_signed_either(repository: Repository) -> None:
    damaged_wheel(repository)
    with pytest.raises(ReleaseError, match="is not what was built"):
        sign(repository, keys(repository), "1.0.0", [], NOW)
    assert signed_versions(repository) == []


def test_two_of_three_must_sign_one_after_another(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state")
    state.make()
    repository, holders = Repository(state), [tmp_path / name for name in "abc"]
    set_up(repository, holders, 2, NOW)
    put_release(repository, "1.0.0")
    assert sign(repository, holders[0], "1.0.0", [], NOW).missing == 1
    assert sign(repository, holders[0], "1.0.0", [], NOW).missing == 1  # the same one again
    with pytest.raises(ReleaseError, match="is not signed"):
        verify(repository, "1.0.0")
    assert repository.freshen(NOW).need is Need.FINISH
    put_release(repository, "1.1.0")
    with pytest.raises(ReleaseError, match="waits to be signed"):
        sign(repository, holders[1], "1.1.0", [], NOW)
    assert sign(repository, holders[2], "1.0.0", [], NOW).missing == 0
    assert verify(repository, "1.0.0").release.version == "1.0.0"
    assert repository.freshen(NOW).need is Need.NOTHING


def test_the_server_alone_cannot_lower_the_number_of_signatures(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state")
    state.make()
    repository, holders = Repository(state), [tmp_path / "a", tmp_path / "b"]
    set_up(repository, holders, 2, NOW)
    put_release(repository, "1.0.0")
    sign(repository, holders[0], "1.0.0", [], NOW)
    waiting = repository.waiting()
    assert waiting is not None
    with pytest.raises(ReleaseError, match="1/2"):
        repository.publish(repository.root(), waiting.targets, repository.online_signers(), NOW)


def test_a_unit_of_the_first_day_follows_the_root_through_its_changes(repository: Repository) -> None:
    signed(repository)
    first, former_online = repository.first_root(), repository.online_key.read_bytes()
    new = keys(repository, "new")
    assert rotate(repository, [keys(repository)], [new], 1, NOW).missing == 0
    assert rotate(repository, [new], [keys(repository, "newer")], 1, NOW).missing == 0
    put_release(repository, "1.1.0")
    with pytest.raises(ReleaseError, match="does not count here"):
        sign(repository, keys(repository), "1.1.0", [], NOW)
    assert sign(repository, keys(repository, "newer"), "1.1.0", [], NOW).missing == 0
    for version in ("1.0.0", "1.1.0"):
        assert verify(repository, version, first).release.version == version
    assert repository.online_key.read_bytes() != former_online
    assert (repository.folder / "root.json").read_bytes() == (
        repository.metadata / "3.root.json"
    ).read_bytes()
    assert repository.freshen(NOW + timedelta(days=2)).need is Need.NOTHING


def test_more_holders_from_now_on_and_each_former_one_signs_when_he_can(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state")
    state.make()
    repository = Repository(state)
    former, holders = [tmp_path / name for name in "xy"], [tmp_path / name for name in "abc"]
    set_up(repository, former, 2, NOW)
    assert rotate(repository, [former[0]], holders, 2, NOW).missing == 1
    with pytest.raises(ReleaseError, match="root is being changed"):
        sign(repository, former[0], None, [], NOW)
    assert rotate(repository, [former[1]], [], 1, NOW).missing == 0
    put_release(repository, "1.0.0")
    sign(repository, holders[2], "1.0.0", [], NOW)
    assert sign(repository, holders[0], "1.0.0", [], NOW).missing == 0
    assert verify(repository, "1.0.0").release.version == "1.0.0"


def test_a_stranger_with_the_server_cannot_change_the_root(repository: Repository, tmp_path: Path) -> None:
    other = StateDir(tmp_path / "other")
    other.make()
    set_up(Repository(other), [tmp_path / "strange"], 1, NOW)
    with pytest.raises(ReleaseError, match="not one of those that count"):
        rotate(repository, [tmp_path / "strange"], [tmp_path / "stranger"], 1, NOW)
    with pytest.raises(ReleaseError, match="a unit refuses"):
        signed(repository)
        verify(repository, "1.0.0", Repository(other).first_root())


def test_signatures_are_renewed_while_they_count(repository: Repository) -> None:
    signed(repository)
    before = repository.newest_timestamp().signed
    assert repository.freshen(NOW + timedelta(hours=23)).need is Need.NOTHING
    assert repository.newest_timestamp().signed.version == before.version
    for day in range(1, 40):
        repository.freshen(NOW + timedelta(days=day))
        timestamp, snapshot = repository.newest_timestamp().signed, repository.newest_snapshot().signed
        assert timestamp.expires > NOW + timedelta(days=day + 12)
        assert snapshot.expires > NOW + timedelta(days=day + 14)
    assert len(list(repository.metadata.glob("*.snapshot.json"))) == 2
    assert repository.freshen(NOW + rules.TARGETS_LIFE - timedelta(days=59)).need is Need.SIGN
    assert sign(repository, keys(repository), None, [], NOW + timedelta(days=700)).missing == 0
    assert repository.freshen(NOW + timedelta(days=701)).need is Need.NOTHING
    assert repository.freshen(NOW + rules.ROOT_LIFE - timedelta(days=365)).need is Need.ROTATE


def test_what_is_over_is_refused_and_good_again_once_the_controller_runs(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed(repository)
    for path in repository.metadata.glob("*.json"):  # as if nobody had signed for weeks
        if "root" not in path.name:
            path.unlink()
    monkeypatch.setattr(rules, "TIMESTAMP_LIFE", timedelta(seconds=-5))
    set_up(repository, [keys(repository)], 1, NOW)
    signed(repository)
    with pytest.raises(ReleaseError, match="is over"):
        verify(repository, "1.0.0")
    monkeypatch.undo()
    repository.freshen(NOW + timedelta(days=20))
    assert verify(repository, "1.0.0").release.version == "1.0.0"


def test_a_clock_that_went_back_signs_nothing(repository: Repository) -> None:
    repository.freshen(NOW + timedelta(days=3))
    served = (repository.metadata / "timestamp.json").read_bytes()
    state = repository.freshen(NOW - timedelta(days=20000))
    assert state.need is Need.CLOCK and "clock" in state.sentence()
    assert (repository.metadata / "timestamp.json").read_bytes() == served


def test_what_a_restored_controller_signs_is_newer_than_what_units_have_seen(repository: Repository) -> None:
    signed(repository)
    backup = keys(repository, "backup")
    shutil.copytree(repository.metadata, backup)
    for day in range(1, 5):
        repository.freshen(NOW + timedelta(days=day))
    seen = repository.newest_timestamp().signed.version
    shutil.rmtree(repository.metadata)
    shutil.copytree(backup, repository.metadata)
    repository.freshen(NOW + timedelta(days=6))
    assert repository.newest_timestamp().signed.version > seen


def test_a_version_never_changes(repository: Repository) -> None:
    signed(repository)
    put_release(repository, "1.0.0", agent=b"print('other')")
    with pytest.raises(ReleaseError, match="never changes"):
        sign(repository, keys(repository), "1.0.0", [], NOW)


def test_a_version_that_is_signed_no_longer_takes_its_files_along(repository: Repository) -> None:
    signed(repository)
    signed(repository, "1.1.0", b"new")
    old = put_release(repository, "1.0.0").parts[0]
    assert sign(repository, keys(repository), None, ["1.0.0"], NOW).missing == 0
    assert signed_versions(repository) == ["1.1.0"]
    assert not (repository.targets / wheel_path(old)).exists()
    assert verify(repository, "1.1.0").release.version == "1.1.0"
    with pytest.raises(ReleaseError, match="is not signed"):
        sign(repository, keys(repository), None, ["1.0.0"], NOW)


@pytest.mark.parametrize("at", range(1, 12))
def test_a_change_cut_short_anywhere_is_done_or_not(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """The power goes at the n-th file: a unit takes what it took, and a second try goes on."""
    signed(repository)
    put_release(repository, "1.1.0", b"new")
    write, written = repository_module.write_whole, 0

    def cut(path: Path, data: bytes, mode: int = 0o644) -> None:
        nonlocal written
        written += 1
        if written >= at:
            raise KeyboardInterrupt
        write(path, data, mode)

    def change() -> None:
        new = keys(repository, "new")
        if repository.root().signed.version == 1:
            again = repository.waiting() is not None
            rotate(repository, [keys(repository)], [] if again else [new], 1, NOW)
        sign(repository, new, "1.1.0", [], NOW)

    monkeypatch.setattr(repository_module, "write_whole", cut)
    try:
        change()
    except KeyboardInterrupt:
        monkeypatch.undo()
        assert verify(repository, "1.0.0").release.version == "1.0.0"
        change()
    assert verify(repository, "1.1.0").release.version == "1.1.0"
    assert repository.freshen(NOW).need is Need.NOTHING


@pytest.mark.parametrize("at", [1, 2, 3])
def test_what_a_rotation_left_that_was_cut_short_spoils_no_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """It never came to be, or was dropped, and the power went: the key that signs every day stays."""
    state = StateDir(tmp_path / "state")
    state.make()
    repository, holders = Repository(state), [tmp_path / "a", tmp_path / "b"]
    set_up(repository, holders, 2, NOW)
    former, unlink, removed = repository.online_key.read_bytes(), Path.unlink, 0

    def cut(path: Path, data: bytes, mode: int = 0o644) -> None:
        raise KeyboardInterrupt

    def cut_removing(path: Path, missing_ok: bool = False) -> None:
        nonlocal removed
        removed += path.parent == repository.signing and not path.name.startswith(".")
        if removed >= at:
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        if at == 1:
            patch.setattr(repository_module, "write_whole", cut)
        assert rotate(repository, holders[:1], [tmp_path / "new"], 1, NOW).missing == 1
        patch.setattr(Path, "unlink", cut_removing)
        repository.drop_waiting()
    assert repository.next_online_key.exists() and repository.waiting() is None
    put_release(repository, "1.0.0")
    assert [sign(repository, holder, "1.0.0", [], NOW).missing for holder in holders] == [1, 0]
    assert verify(repository, "1.0.0").release.version == "1.0.0"
    assert repository.online_key.read_bytes() == former and not repository.next_online_key.exists()
    assert repository.freshen(NOW + timedelta(days=20)).need is Need.NOTHING
    assert repository.root().signed.version == 1


@pytest.mark.parametrize("garbage", [b"", b"{}", b"-----BEGIN PRIVATE KEY-----\n", b"\xff" * 40])
def test_what_is_no_key_is_refused(repository: Repository, garbage: bytes) -> None:
    (keys(repository) / "targets.key").write_bytes(garbage)
    put_release(repository, "1.0.0")
    with pytest.raises(ReleaseError, match="is no key"):
        sign(repository, keys(repository), "1.0.0", [], NOW)


@pytest.mark.parametrize("garbage", [b"", b"{}", b'{"signed":{},"signatures":[]}', b"\xff" * 40])
def test_damaged_metadata_is_a_sentence(repository: Repository, garbage: bytes) -> None:
    (repository.metadata / "timestamp.json").write_bytes(garbage)
    with pytest.raises(ReleaseError, match=r"is damaged.*backup"):
        repository.freshen(NOW)


def test_keys_are_not_made_where_they_do_not_belong(repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="there are keys"):
        set_up(repository, [tmp_path / "more"], 1, NOW)
    with pytest.raises(ReleaseError, match="state folder itself"):
        rotate(repository, [keys(repository)], [repository.folder / "keys"], 1, NOW)
    with pytest.raises(ReleaseError, match="cannot sign"):
        rotate(repository, [keys(repository)], [tmp_path / "one"], 2, NOW)
    with pytest.raises(ReleaseError, match="twice"):
        rotate(repository, [keys(repository)], [tmp_path / "one", tmp_path / "one"], 1, NOW)
    with pytest.raises(ReleaseError, match="medium"):
        sign(repository, tmp_path / "nowhere", None, [], NOW)


def test_what_is_older_than_what_was_offered_is_not_offered() -> None:
    check_not_older("1.2.0", ["1.1.0", "1.0.0"])
    check_not_older("1.2.0", ["1.2.0"])
    with pytest.raises(Conflict, match=r"1\.10\.0"):
        check_not_older("1.9.0", ["1.10.0", "1.0.0"])
