"""What people do with the keys of releases: make them, sign, change them.

Each holder has a folder of his own. What needs more than one of them waits in the repository between one and
the next; it is served when the last has signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from diemcau_wire.release import is_version, playbooks_target, release_target, system_target
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root, TargetFile, Targets

from ...rules import releases as rules
from .contents import check_contents, remove_files
from .errors import ReleaseError, disk_told
from .keys import NOBODY, ROOT_KEY, TARGETS_KEY, Phrases, kept_or_new, key_id, read_key
from .repository import Published, Repository, Waiting, sign_with, whole
from .systems import check_systems
from .wheel_file import ARCHES


@dataclass(frozen=True, slots=True)
class Signed:
    """How a ceremony went: what was begun or done, in a few words, and how many must still sign it."""

    what: str
    missing: int


def set_up(
    repository: Repository,
    folders: Sequence[Path],
    threshold: int,
    now: datetime,
    phrases: Phrases = NOBODY,
) -> None:
    """Make the keys of these holders, and a repository without releases. Cut short, it is begun again."""
    if repository.is_there:
        raise ReleaseError("there are keys for releases already: `diemcau release rotate` changes them")
    _check_holders(repository, folders, threshold)
    with repository.locked():
        root_keys, targets_keys = _keys_of(folders, phrases)
        online = kept_or_new(repository.online_key)
        root = Metadata(Root(version=1, expires=whole(now + rules.ROOT_LIFE), consistent_snapshot=True))
        _name_keys(root.signed, root_keys, targets_keys, online, threshold)
        for signer in root_keys:
            sign_with(root, signer)
        targets = Metadata(
            Targets(version=rules.next_number(0, now), expires=whole(now + rules.TARGETS_LIFE))
        )
        for signer in targets_keys:
            sign_with(targets, signer)
        repository.begin(root)
        repository.publish(root, targets, [online], now)


def sign(
    repository: Repository,
    folder: Path,
    add: str | None,
    without: Sequence[str],
    now: datetime,
    phrases: Phrases = NOBODY,
) -> Signed:
    """One holder signs: `add` is a version that was built, `without` those that shall no longer be signed;
    with neither, what is signed is signed anew. Once enough have, it is served."""
    repository.must_be_there()
    signer = read_key(folder / TARGETS_KEY, phrases)
    with repository.locked():
        published = repository.finish(now)
        if published is Published.TARGETS and add is None:
            return Signed("what was begun is signed", 0)
        waiting = repository.waiting()
        if waiting is not None and waiting.root is not None:
            raise ReleaseError(
                "the root is being changed: finish that first, with `diemcau release rotate`, or drop it "
                "with `diemcau release sign --drop`"
            )
        signed = repository.newest_targets()
        if signer.public_key.keyid not in repository.root().signed.roles["targets"].keyids:
            raise ReleaseError(
                f"the key in {folder} does not count here: take the folder `diemcau release keys`, or the "
                "last `diemcau release rotate`, put it in"
            )
        wanted = _wanted(repository, signed.signed, add, without)
        if waiting is None:
            if add is not None and not without and wanted == signed.signed.targets:
                return Signed(f"{add} is signed already", 0)
            number = rules.next_number(signed.signed.version, now)
            targets = Metadata(
                Targets(version=number, expires=whole(now + rules.TARGETS_LIFE), targets=wanted)
            )
        elif waiting.targets.signed.targets != wanted:
            raise ReleaseError(
                f"{_versions(waiting.targets.signed)} waits to be signed by others: give the command as the "
                "first one did, or drop what waits with `diemcau release sign --drop`"
            )
        else:
            targets = waiting.targets
        sign_with(targets, signer)
        waiting = Waiting(targets, None)
        repository.put_waiting(waiting)
        missing = repository.missing(waiting)
        repository.finish(now)
        if missing == 0:
            remove_files(repository.targets, without)
    return Signed(f"{add} is signed" if add is not None else "what there is is signed anew", missing)


def rotate(
    repository: Repository,
    folders: Sequence[Path],
    fresh: Sequence[Path],
    threshold: int,
    now: datetime,
    phrases: Phrases = NOBODY,
) -> Signed:
    """Change whose keys count; the one that stays here is always made anew. `folders` are of present holders,
    `fresh` of those from now on, of whom `threshold` must sign; one of these that has keys keeps them. A
    present holder who comes later names none. Units learn the new root by the signatures of the former."""
    repository.must_be_there()
    old_roots = [read_key(folder / ROOT_KEY, phrases) for folder in folders]
    with repository.locked():
        if repository.finish(now) is Published.ROOT:
            return Signed("the root is changed", 0)
        root, waiting = repository.root(), repository.waiting()
        if waiting is not None and waiting.root is None:
            raise ReleaseError(
                "a release waits to be signed: let the others sign it, or drop it with "
                "`diemcau release sign --drop`"
            )
        for signer, folder in zip(old_roots, folders, strict=True):
            if signer.public_key.keyid not in root.signed.roles["root"].keyids:
                raise ReleaseError(f"the root key in {folder} is not one of those that count now")
        if waiting is None:
            if not fresh:
                raise ReleaseError("name the folders of the next keys with --new")
            _check_holders(repository, fresh, threshold)
            waiting = _next(repository, root.signed, _keys_of(fresh, phrases), threshold, now)
        elif fresh:
            raise ReleaseError(
                "the next keys are made already: name only folders of former keys, or begin anew after "
                "`diemcau release sign --drop`"
            )
        assert waiting.root is not None
        for signer in old_roots:
            sign_with(waiting.root, signer)
        for folder in folders:  # so that who has not heard of the new root yet accepts them, too
            if (folder / TARGETS_KEY).exists():
                sign_with(waiting.targets, read_key(folder / TARGETS_KEY, phrases))
        repository.put_waiting(waiting)
        missing = repository.missing(waiting)
        repository.finish(now)
    return Signed("the root is changed", missing)


def _next(
    repository: Repository,
    root: Root,
    fresh: tuple[list[CryptoSigner], list[CryptoSigner]],
    threshold: int,
    now: datetime,
) -> Waiting:
    root_keys, targets_keys = fresh
    online = kept_or_new(repository.next_online_key)
    turned = Metadata(
        Root(version=root.version + 1, expires=whole(now + rules.ROOT_LIFE), consistent_snapshot=True)
    )
    _name_keys(turned.signed, root_keys, targets_keys, online, threshold)
    for signer in root_keys:
        sign_with(turned, signer)
    former = repository.newest_targets().signed
    targets = Metadata(
        Targets(
            version=rules.next_number(former.version, now),
            expires=whole(now + rules.TARGETS_LIFE),
            targets=former.targets,
        )
    )
    for signer in targets_keys:
        sign_with(targets, signer)
    return Waiting(targets, turned)


def _wanted(
    repository: Repository, signed: Targets, add: str | None, without: Sequence[str]
) -> dict[str, TargetFile]:
    """The targets as they shall be: each version is there whole, and none ever changes."""
    wanted = dict(signed.targets)
    for version in without:
        if wanted.pop(release_target(version), None) is None:
            raise ReleaseError(f"{version} is not signed: see `diemcau release list`")
        wanted.pop(playbooks_target(version), None)
        for arch in ARCHES:
            wanted.pop(system_target(version, arch), None)
    if add is None:
        return wanted
    if not is_version(add):
        raise ReleaseError(f"{add[:40]!r} is no version: it is three numbers, like 1.4.0")
    release = check_contents(repository.targets, add)
    systems = [system_target(add, system.arch) for system in check_systems(repository.targets, add)]
    for name in (release_target(release.version), playbooks_target(release.version), *systems):
        with disk_told(repository.targets):
            file = TargetFile.from_file(name, str(repository.targets / name))
        if name in wanted and wanted[name].hashes != file.hashes:
            raise ReleaseError(
                f"{add} was signed with other contents, and a version never changes: give version.py a "
                "higher number and build that"
            )
        wanted[name] = file
    return wanted


def _versions(targets: Targets) -> str:
    names = [name.split("/")[1] for name in targets.targets if name.endswith("/release.json")]
    return ", ".join(sorted(names)) or "nothing"


def _keys_of(folders: Sequence[Path], phrases: Phrases) -> tuple[list[CryptoSigner], list[CryptoSigner]]:
    """Root and targets keys of holders, made where there are none."""
    return (
        [kept_or_new(folder / ROOT_KEY, phrases) for folder in folders],
        [kept_or_new(folder / TARGETS_KEY, phrases) for folder in folders],
    )


def _name_keys(
    root: Root,
    root_keys: Sequence[CryptoSigner],
    targets_keys: Sequence[CryptoSigner],
    online: CryptoSigner,
    threshold: int,
) -> None:
    for role, signers in (
        ("root", root_keys),
        ("targets", targets_keys),
        ("snapshot", [online]),
        ("timestamp", [online]),
    ):
        for signer in sorted(signers, key=key_id):
            root.add_key(signer.public_key, role)
    root.roles["root"].threshold = root.roles["targets"].threshold = threshold


def _check_holders(repository: Repository, folders: Sequence[Path], threshold: int) -> None:
    if not 1 <= threshold <= len(folders):
        raise ReleaseError(
            f"{threshold} of {len(folders)} cannot sign: name a folder for each holder, and a threshold of "
            "at least 1 and at most as many"
        )
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise ReleaseError("a folder is named twice: each holder has one of his own")
    for folder in folders:
        if folder.resolve().is_relative_to(repository.folder.parent.resolve()):
            raise ReleaseError(f"{folder} is in the state folder itself: name a folder on another medium")
        if not folder.parent.is_dir():
            raise ReleaseError(f"{folder.parent} is not there: is the medium plugged in and mounted?")
