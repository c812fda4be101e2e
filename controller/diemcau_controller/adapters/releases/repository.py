"""The TUF repository of releases: what is served, and how it changes.

    metadata/   N.root.json, N.targets.json, N.snapshot.json, timestamp.json
    targets/    releases/<version>/…, wheels/<sha256>/…
    signing/    what waits for more signatures; not served
    root.json   the newest root, for who provisions units; not served. Beside it `ssh_authority`, for the same

Every file is written whole. `timestamp.json` is what a client begins with, so a change is made when that is
renamed into place; whatever lay there before goes on counting until then, and who was cut short gives the
same command again.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import LengthOrHashMismatchError, RepositoryError, UnsignedMetadataError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp
from tuf.api.serialization import DeserializationError
from tuf.api.serialization.json import JSONSerializer

from ...config import StateDir
from ...rules import releases as rules
from ..whole_file import keep_names, write_whole
from .errors import ReleaseError, disk_told
from .keys import key_id, read_key

T = TypeVar("T", Root, Targets, Snapshot, Timestamp)


class Published(StrEnum):
    """What enough have signed, now or before somebody was cut short."""

    NOTHING = "nothing"
    TARGETS = "targets"
    ROOT = "root"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for signatures: new targets, and with a rotation a new root and online key."""

    targets: Metadata[Targets]
    root: Metadata[Root] | None


class Repository:
    """The repository of a controller's state folder. Everything may raise :class:`ReleaseError`."""

    def __init__(self, state: StateDir) -> None:
        self.folder = state.releases
        self.metadata, self.targets = self.folder / "metadata", self.folder / "targets"
        self.signing = self.folder / "signing"
        self.online_key = state.releases_key
        self.next_online_key = self.signing / "online.key"

    @property
    def is_there(self) -> bool:
        """Whether it was set up."""
        return (self.metadata / "timestamp.json").exists()

    def must_be_there(self) -> None:
        """Raise :class:`ReleaseError` when it was not set up."""
        if not self.is_there:
            raise ReleaseError(
                f"there are no keys for releases in {self.folder.parent} yet: run `diemcau release keys DIR`"
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One at a time changes what is served; the next waits."""
        with disk_told(self.folder):
            for folder in (self.folder, self.metadata, self.targets):
                folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            self.signing.mkdir(mode=0o700, exist_ok=True)
            with (self.signing / ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield

    def root(self) -> Metadata[Root]:
        """The newest root."""
        numbers = [int(path.name.split(".")[0]) for path in self.metadata.glob("[0-9]*.root.json")]
        if not numbers:
            raise ReleaseError(f"there is no root in {self.metadata}: restore it from a backup")
        return _read(Root, self.metadata / f"{max(numbers)}.root.json")

    def first_root(self) -> bytes:
        """The root of the oldest unit there can be."""
        with disk_told(self.metadata):
            return (self.metadata / "1.root.json").read_bytes()

    def newest_timestamp(self) -> Metadata[Timestamp]:
        """What a client begins with."""
        return _read(Timestamp, self.metadata / "timestamp.json")

    def newest_snapshot(self) -> Metadata[Snapshot]:
        """What the timestamp names."""
        number = self.newest_timestamp().signed.snapshot_meta.version
        return _read(Snapshot, self.metadata / f"{number}.snapshot.json")

    def newest_targets(self) -> Metadata[Targets]:
        """The releases that are signed."""
        number = self.newest_snapshot().signed.meta["targets.json"].version
        return _read(Targets, self.metadata / f"{number}.targets.json")

    def signed(self, name: str) -> bytes:
        """A target exactly as it was signed. That its signatures are over does not matter here: who goes back
        to the release before must not wait for them."""
        self.must_be_there()
        targets = self.newest_targets()
        _must_verify(self.root(), "targets", targets)
        says = targets.signed.targets.get(name)
        if says is None:
            raise ReleaseError(f"{name} is not signed: run `diemcau release sign` for its version")
        with disk_told(self.targets), (self.targets / name).open("rb") as file:
            data = file.read(says.length + 1)
        try:
            says.verify_length_and_hashes(data)
        except LengthOrHashMismatchError:
            raise ReleaseError(
                f"{self.targets / name} is not what was signed, it was changed or cut short: restore it "
                "from a backup, or build and sign this version again"
            ) from None
        return data

    def waiting(self) -> Waiting | None:
        """What was not signed by enough yet."""
        if not (self.signing / "targets.json").exists():
            return None
        targets = _read(Targets, self.signing / "targets.json")
        root_file = self.signing / "root.json"
        root = _read(Root, root_file) if root_file.exists() else None
        if root is not None and root.signed.version <= self.root().signed.version:
            root = None  # it is published; whoever did was cut short afterwards
        return Waiting(targets, root)

    def put_waiting(self, waiting: Waiting) -> None:
        """Keep what waits, for the next who signs."""
        if waiting.root is not None:
            write_whole(self.signing / "root.json", _bytes(waiting.root))
        else:  # left by a rotation that was cut short or dropped
            (self.signing / "root.json").unlink(missing_ok=True)
        write_whole(self.signing / "targets.json", _bytes(waiting.targets))

    def drop_waiting(self) -> None:
        """Forget what waits."""
        for name in ("targets.json", "root.json", "online.key"):
            (self.signing / name).unlink(missing_ok=True)
        keep_names(self.signing)

    def missing(self, waiting: Waiting) -> int:
        """How many more people must sign what waits."""
        payload, signatures = waiting.targets.signed_bytes, waiting.targets.signatures
        if waiting.root is None:
            return self.root().signed.get_verification_result("targets", payload, signatures).missing
        turned = waiting.root
        roots = turned.signed.get_root_verification_result(
            self.root().signed, turned.signed_bytes, turned.signatures
        )
        of_targets = turned.signed.get_verification_result("targets", payload, signatures)
        return max(roots.first.missing, roots.second.missing, of_targets.missing)

    def finish(self, now: datetime) -> Published:
        """Publish what waits when enough have signed it."""
        waiting = self.waiting()
        if waiting is None or self.missing(waiting) > 0:
            return Published.NOTHING
        what = Published.ROOT if (self.signing / "root.json").exists() else Published.TARGETS
        signers = self.online_signers()
        self.publish(waiting.root or self.root(), waiting.targets, signers, now)
        if self.next_online_key.exists() and self._counts(self.next_online_key):
            self.next_online_key.replace(self.online_key)
            keep_names(self.online_key.parent)
        self.drop_waiting()  # also a next key that a rotation left which was cut short or dropped
        return what

    def online_signers(self) -> list[CryptoSigner]:
        """The keys that sign by themselves: one, and while the root changes the next one, too."""
        paths = [path for path in (self.online_key, self.next_online_key) if path.exists()]
        if not paths:
            raise ReleaseError(
                f"{self.online_key} is not there: restore it from a backup, or make another by "
                "`diemcau release rotate`"
            )
        return [read_key(path) for path in paths]

    def begin(self, root: Metadata[Root]) -> None:
        """Write the first root, before anything is served under it."""
        write_whole(self.metadata / "1.root.json", _bytes(root))

    def publish(
        self,
        root: Metadata[Root],
        targets: Metadata[Targets],
        signers: Sequence[CryptoSigner],
        now: datetime,
    ) -> None:
        """Serve these targets, under this root. What `root` would not accept is not served."""
        _must_verify(root, "targets", targets)
        write_whole(self.metadata / f"{targets.signed.version}.targets.json", _bytes(targets))
        former = self.newest_snapshot().signed.version if self.is_there else 0
        snapshot = Metadata(
            Snapshot(
                version=rules.next_number(former, now),
                expires=whole(now + rules.SNAPSHOT_LIFE),
                meta={"targets.json": MetaFile(targets.signed.version)},
            )
        )
        _sign(snapshot, signers)
        _must_verify(root, "snapshot", snapshot)
        write_whole(self.metadata / f"{snapshot.signed.version}.snapshot.json", _bytes(snapshot))
        self.publish_timestamp(root, snapshot.signed.version, signers, now)
        self._write_root(root)
        self._tidy(snapshot.signed.version, targets.signed.version)

    def publish_timestamp(
        self, root: Metadata[Root], snapshot: int, signers: Sequence[CryptoSigner], now: datetime
    ) -> None:
        """Say that this snapshot is the newest."""
        former = self.newest_timestamp().signed.version if self.is_there else 0
        timestamp = Metadata(
            Timestamp(
                version=rules.next_number(former, now),
                expires=whole(now + rules.TIMESTAMP_LIFE),
                snapshot_meta=MetaFile(snapshot),
            )
        )
        _sign(timestamp, signers)
        _must_verify(root, "timestamp", timestamp)
        write_whole(self.metadata / "timestamp.json", _bytes(timestamp))

    def freshen(self, now: datetime) -> rules.ReleasesState:
        """Sign anew what is due, and say what a person should do. For a service: blocks for some time."""
        if not self.is_there:
            return rules.ReleasesState(rules.Need.NOT_SET_UP)
        with self.locked():
            self.finish(now)
            root, timestamp = self.root(), self.newest_timestamp().signed
            signed_at = timestamp.expires - rules.TIMESTAMP_LIFE
            if rules.clock_went_back(signed_at, now):
                return rules.ReleasesState(rules.Need.CLOCK, f"{signed_at:%Y-%m-%d %H:%M} UTC")
            targets, snapshot = self.newest_targets(), self.newest_snapshot().signed
            if rules.snapshot_due(snapshot.expires, now):
                self.publish(root, targets, self.online_signers(), now)
            elif rules.timestamp_due(timestamp.expires, now):
                self.publish_timestamp(root, snapshot.version, self.online_signers(), now)
            waiting = self.waiting()
            waits = f"{self.missing(waiting)} more must sign what was begun" if waiting is not None else ""
            return rules.what_is_needed(root.signed.expires, targets.signed.expires, waits, now)

    def _counts(self, key: Path) -> bool:
        """Whether the root that is served names this key as the one that signs every day."""
        return key_id(read_key(key)) in self.root().signed.roles["timestamp"].keyids

    def _write_root(self, root: Metadata[Root]) -> None:
        data, versioned = _bytes(root), self.metadata / f"{root.signed.version}.root.json"
        if not versioned.exists():
            write_whole(versioned, data)
        if not (copy := self.folder / "root.json").exists() or copy.read_bytes() != data:
            write_whole(copy, data)

    def _tidy(self, snapshot: int, targets: int) -> None:
        """Remove what nothing names; clients in the middle of it may still fetch what was named last."""
        for kind, named in (("snapshot", snapshot), ("targets", targets)):
            numbers = sorted(
                int(path.name.split(".")[0]) for path in self.metadata.glob(f"[0-9]*.{kind}.json")
            )
            for number in numbers[:-2]:
                if number != named:
                    (self.metadata / f"{number}.{kind}.json").unlink(missing_ok=True)


def sign_with(metadata: Metadata[T], signer: CryptoSigner) -> None:
    """Add a signature, in the order of the keys, so that it does not matter who signed first."""
    metadata.sign(signer, append=True)
    metadata.signatures = dict(sorted(metadata.signatures.items()))


def whole(moment: datetime) -> datetime:
    """As TUF writes moments: whole seconds."""
    return moment.replace(microsecond=0)


def _sign(metadata: Metadata[T], signers: Sequence[CryptoSigner]) -> None:
    for signer in sorted(signers, key=key_id):
        sign_with(metadata, signer)


def _must_verify(root: Metadata[Root], role: str, metadata: Metadata[T]) -> None:
    try:
        root.signed.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except UnsignedMetadataError as error:
        raise ReleaseError(
            f"the keys here are not those the root of the releases names ({error}): restore the newest "
            "backup, or make them anew by `diemcau release rotate`"
        ) from None


def _bytes(metadata: Metadata[T]) -> bytes:
    return metadata.to_bytes(JSONSerializer(compact=True))


def _read(kind: type[T], path: Path) -> Metadata[T]:
    with disk_told(path.parent):
        try:
            found: Metadata[T] = Metadata.from_bytes(path.read_bytes())
        except (DeserializationError, RepositoryError, ValueError) as error:
            raise ReleaseError(f"{path} is damaged ({error}): restore it from a backup") from None
    if not isinstance(found.signed, kind):
        raise ReleaseError(f"{path} says something else than its name: restore it from a backup")
    return found
