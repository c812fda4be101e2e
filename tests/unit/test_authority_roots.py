"""Roots: taken offline, replaced, forgotten; and what becomes of units meanwhile."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from diemcau_controller.adapters.authority import Authority, AuthorityError
from diemcau_controller.adapters.authority import certificates as made
from diemcau_controller.adapters.authority.roots import (
    authority_now,
    forget_former,
    keys_here,
    new_intermediate,
    rotate,
    take_offline,
)

from tests.unit.cut_short import cut_short
from tests.unit.old_authority import old_authority, old_unit
from tests.unit.tls_pair import Pair, Refused, shake_hands

NAMES = (["localhost"], ["127.0.0.1"])


class Unit:
    """A unit with the roots it was given, and its certificate."""

    def __init__(self, authority: Authority, folder: Path) -> None:
        self._folder, self.id = folder, authority.new_unit_identity(folder, "localhost", 1)
        self.pair: Pair = (folder / "unit.key", folder / "unit.crt")
        self.roots = folder / "ca.crt"

    def renew(self, authority: Authority) -> None:
        """As the answer to its question who it is: a certificate, and the roots of now."""
        key = made.read_key(self.pair[0].read_bytes())
        self.pair[1].write_text(authority.sign_unit(made.public_pem(key)).pem_chain)
        self.roots.write_bytes(authority.ca_pem())


def meets(unit: Unit, authority: Authority) -> bool:
    """True when unit and server accept each other by TLS."""
    try:
        server = authority.server_certificate(*NAMES)
        shake_hands(server, authority.ca_path, unit.pair, unit.roots)
    except Refused:
        return False
    return True


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    ca = Authority(tmp_path / "state/ca")
    ca.ensure()
    return ca


@pytest.fixture
def drawer(tmp_path: Path) -> Path:
    folder = tmp_path / "drawer"
    folder.mkdir()
    return folder


@pytest.fixture
def unit(authority: Authority, tmp_path: Path) -> Unit:
    return Unit(authority, tmp_path / "unit")


def names(authority: Authority) -> list[str]:
    return [f"{root.state} {root.name}" for root in authority_now(authority).roots]


# ── the keys go into the drawer ──────────────────────────────────────────────────────────────────


def test_keys_lie_here_until_they_are_taken_away(authority: Authority, drawer: Path, unit: Unit) -> None:
    assert authority_now(authority).keys_here == ("root-1", "root-2")
    assert take_offline(authority, drawer) == ["root-1", "root-2"]
    assert authority_now(authority).keys_here == ()
    assert sorted(path.name for path in drawer.iterdir()) == ["root-1.key", "root-2.key", "roots.crt"]
    assert take_offline(authority, drawer) == []
    assert meets(unit, authority)
    Unit(authority, drawer.parent / "another")  # what goes on every day needs none of them


def test_a_place_that_will_not_do_is_refused_and_nothing_is_lost(
    authority: Authority, drawer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {path.name: path.read_bytes() for path in authority.offline.iterdir()}
    with pytest.raises(AuthorityError, match="mounted"):
        take_offline(authority, tmp_path / "nothing")
    with pytest.raises(AuthorityError, match="another medium"):
        take_offline(authority, authority.folder)
    (drawer / "root-2.key").write_bytes(made.key_pem(made.new_key()))
    foreign = (drawer / "root-2.key").read_bytes()
    with pytest.raises(AuthorityError, match="another key"):
        take_offline(authority, drawer)
    assert (drawer / "root-2.key").read_bytes() == foreign
    (drawer / "root-2.key").unlink()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(AuthorityError, match="make room"):
            take_offline(authority, drawer)
    assert {path.name: path.read_bytes() for path in authority.offline.iterdir()} == keys
    assert not [path for path in drawer.iterdir() if path.name.startswith(".")]  # no half copy either


def test_a_damaged_key_is_not_moved(authority: Authority, drawer: Path) -> None:
    (authority.offline / "root-2.key").write_bytes(b"garbage")
    with pytest.raises(AuthorityError, match="damaged"):
        take_offline(authority, drawer)
    assert keys_here(authority) == ("root-1", "root-2")


# ── the online authority anew ────────────────────────────────────────────────────────────────────


def test_a_new_online_authority_leaves_units_as_they_are(
    authority: Authority, drawer: Path, unit: Unit
) -> None:
    take_offline(authority, drawer)
    former = authority.intermediate().certificate
    new_intermediate(authority, drawer)
    assert authority.intermediate().certificate != former
    assert meets(unit, authority)  # whose certificate the former one signed
    assert authority.recognise(unit.pair[1].read_text()).unit == unit.id
    unit.renew(authority)
    assert meets(unit, authority)


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "damaged"])
def test_an_online_authority_that_is_gone_is_made_anew_with_the_roots_key(
    authority: Authority, drawer: Path, unit: Unit, lost: bool
) -> None:
    take_offline(authority, drawer)
    if lost:
        authority.intermediate_path.unlink()
    else:
        authority.intermediate_path.write_bytes(authority.intermediate_path.read_bytes()[:700])
    for refused in (authority.ensure, lambda: authority.client_files("c"), lambda: authority_now(authority)):
        with pytest.raises(AuthorityError, match="new-intermediate"):
            refused()
    new_intermediate(authority, drawer)
    assert meets(unit, authority)


def test_keys_that_are_not_ours_are_refused(authority: Authority, drawer: Path, tmp_path: Path) -> None:
    take_offline(authority, drawer)
    before = authority.intermediate_path.read_bytes()
    other = Authority(tmp_path / "other")
    other.ensure()
    (tmp_path / "half").mkdir()
    (tmp_path / "half/root-1.key").write_bytes((drawer / "root-1.key").read_bytes()[:60])
    for folder, why in (
        (other.offline, "another installation"),
        (tmp_path / "half", "damaged"),
        (tmp_path / "nothing", "--roots"),
        (None, "--roots"),
    ):
        with pytest.raises(AuthorityError, match=why):
            new_intermediate(authority, folder)
        if folder != tmp_path / "half":  # it has no key of root-2 at all
            with pytest.raises(AuthorityError, match=why):
                rotate(authority, folder)
    assert authority.intermediate_path.read_bytes() == before
    assert names(authority) == ["active root-1", "asleep root-2"]


# ── roots change ─────────────────────────────────────────────────────────────────────────────────


def test_a_unit_that_slept_through_one_rotation_meets_the_server_and_learns(
    authority: Authority, drawer: Path, unit: Unit, tmp_path: Path
) -> None:
    take_offline(authority, drawer)
    sleeper = Unit(authority, tmp_path / "sleeper")
    rotate(authority, drawer)
    assert names(authority) == ["active root-2", "asleep root-3", "former root-1"]
    assert authority_now(authority).signed_by == "root-2" and keys_here(authority) == ()
    assert (drawer / "root-3.key").exists()
    assert meets(unit, authority)  # with the roots it knew, and the certificate root-1 vouches for
    unit.renew(authority)
    assert meets(unit, authority)
    with pytest.raises(AuthorityError, match="forget-old"):  # before every unit has had its chance
        rotate(authority, drawer)
    assert forget_former(authority) == ["root-1"]
    assert names(authority) == ["active root-2", "asleep root-3"]
    assert meets(unit, authority)
    # The sleeper accepts the server still; its certificate counts no more, so it renews by proof of its key.
    shake_hands(
        authority.server_certificate(*NAMES), sleeper.roots, authority.client_files("c"), sleeper.roots
    )
    assert not meets(sleeper, authority)
    sleeper.renew(authority)
    assert meets(sleeper, authority)


def test_who_slept_through_two_rotations_refuses_and_is_enrolled_anew(
    authority: Authority, drawer: Path, unit: Unit
) -> None:
    take_offline(authority, drawer)
    for _ in range(2):
        rotate(authority, drawer)
        forget_former(authority)
    assert names(authority) == ["active root-3", "asleep root-4"]
    assert not meets(unit, authority)


def test_an_online_authority_of_a_root_that_is_forgotten_would_be_refused(
    authority: Authority, drawer: Path
) -> None:
    take_offline(authority, drawer)
    former = authority.intermediate_path.read_bytes()
    rotate(authority, drawer)
    authority.intermediate_path.write_bytes(former)  # put back from a backup
    with pytest.raises(AuthorityError, match="new-intermediate"):
        forget_former(authority)
    new_intermediate(authority, drawer)
    assert forget_former(authority) == ["root-1"]


# ── a folder from before there were two roots ────────────────────────────────────────────────────


def test_an_old_folder_gets_its_roots_and_no_unit_is_stranded(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    old_authority(folder)
    pair, roots = old_unit(folder, tmp_path / "old"), tmp_path / "old/ca.crt"
    authority = Authority(folder)
    authority.ensure()
    assert names(authority) == ["active root-1", "asleep root-2", "former old"]
    server = authority.server_certificate(*NAMES)
    assert shake_hands(server, authority.ca_path, pair, roots) == made.common_name(
        made.read_chain(pair[1].read_bytes())[0]
    )
    assert authority.recognise(pair[1].read_text()).site is None
    new = Unit(authority, tmp_path / "new")
    assert meets(new, authority)
    for _ in range(2):  # and the old files of the controller itself were renewed or still count
        shake_hands(server, authority.ca_path, authority.client_files("controller"), authority.ca_path)
    chain = made.read_chain(authority.statement_files()[1].read_bytes())
    assert made.signed(chain[0], made.read_chain(roots.read_bytes())[0])  # the only root an old unit knows

    forget_former(authority)
    assert names(authority) == ["active root-1", "asleep root-2"] and not authority.old_key_path.exists()
    assert meets(new, authority)
    with pytest.raises(Refused):
        shake_hands(authority.server_certificate(*NAMES), authority.ca_path, pair, roots)


# ── cut short anywhere ───────────────────────────────────────────────────────────────────────────


def begin(folder: Path) -> None:
    Authority(folder / "ca").ensure()


def issue(folder: Path) -> None:
    Authority(folder / "ca").server_certificate(["localhost"], ["127.0.0.1", "127.0.0.2"])


ACTS: dict[str, Callable[[Path], object]] = {
    "issue": issue,
    "take offline": lambda folder: take_offline(Authority(folder / "ca"), folder / "drawer"),
    "new intermediate": lambda folder: new_intermediate(Authority(folder / "ca")),
    "rotate": lambda folder: rotate(Authority(folder / "ca")),
}


@pytest.mark.parametrize("what", ACTS)
def test_cut_short_anywhere_it_works_and_goes_on(what: str, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    (whole / "drawer").mkdir(parents=True)
    first = Authority(whole / "ca")
    unit = Unit(first, tmp_path / "unit")
    first.server_certificate(*NAMES)
    keys = {name: (first.offline / f"{name}.key").read_bytes() for name in keys_here(first)}

    def prepare(n: int) -> Path:
        return Path(shutil.copytree(whole, tmp_path / f"cut-{n}"))

    cuts = 0
    for n, folder in cut_short(prepare, ACTS[what]):
        cuts = n
        authority = Authority(folder / "ca")
        for name, key in keys.items():
            held = [folder / "ca/offline" / f"{name}.key", folder / "drawer" / f"{name}.key"]
            assert key in [path.read_bytes() for path in held if path.exists()], f"cut {n}: {name} is lost"
        assert meets(unit, authority), f"cut {n}"
        ACTS[what](folder)
        assert meets(unit, authority), f"cut {n}, and again"
        if what == "rotate":  # once, however often it was begun
            assert names(authority) == ["active root-2", "asleep root-3", "former root-1"]
        if what == "take offline":
            assert keys_here(authority) == ()
        assert not [path for path in folder.rglob(".*.new")]
    print(f"{what}: {cuts} cut points")
    assert cuts >= 2


@pytest.mark.parametrize("old", [False, True], ids=["a bare folder", "an old folder"])
def test_the_first_start_cut_short_anywhere_goes_on(old: bool, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    pair: Pair | None = None
    if old:
        old_authority(whole / "ca")
        pair = old_unit(whole / "ca", tmp_path / "unit")

    def prepare(n: int) -> Path:
        return Path(shutil.copytree(whole, tmp_path / f"cut-{n}"))

    cuts = 0
    for n, folder in cut_short(prepare, begin):
        cuts = n
        begin(folder)
        authority = Authority(folder / "ca")
        server = authority.server_certificate(*NAMES)
        assert keys_here(authority) == ("root-1", "root-2")
        take_offline(authority, tmp_path)  # the keys that are there are those of the roots
        for key in tmp_path.glob("root-*.key"):
            key.unlink()
        shake_hands(server, authority.ca_path, authority.client_files("c"), authority.ca_path)
        if pair is not None:
            shake_hands(server, authority.ca_path, pair, tmp_path / "unit/ca.crt")
    print(f"first start: {cuts} cut points")
    assert cuts >= 10


def test_forgetting_cut_short_anywhere_goes_on(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    old_authority(whole / "ca")
    unit = Unit(Authority(whole / "ca"), tmp_path / "unit")

    def prepare(n: int) -> Path:
        return Path(shutil.copytree(whole, tmp_path / f"cut-{n}"))

    for n, folder in cut_short(prepare, lambda folder: forget_former(Authority(folder / "ca"))):
        authority = Authority(folder / "ca")
        assert meets(unit, authority), f"cut {n}"
        forget_former(authority)
        assert names(authority) == ["active root-1", "asleep root-2"]
        assert not authority.old_key_path.exists()
        assert meets(unit, authority)
