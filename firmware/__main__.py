"""`python -m firmware build`: the disk image of a unit, from Debian packages and a signed release."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from diemcau_controller.adapters.releases.errors import ReleaseError
from diemcau_controller.adapters.releases.repository import Repository
from diemcau_controller.adapters.releases.verify import signed_versions, verify
from diemcau_controller.config import StateDir
from diemcau_wire.release import order

from .build import Office, build, pack
from .bundles import CERTIFICATE, bundle, make_key
from .packages import ARCHITECTURES
from .tree import Plan
from .trouble import CannotBuild


def main() -> int:
    """Do as told; gives the exit code."""
    given = _parser().parse_args()
    try:
        if given.command == "key":
            return _key(given)
        if given.command == "bundle":
            return _bundle(given)
        return _build(given)
    except (CannotBuild, ReleaseError, OSError) as error:
        print(f"image: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m firmware", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    key = commands.add_parser("key", help="once: the key that signs systems")
    key.add_argument("folder", type=Path, help="on a medium that leaves the server")
    bundle = commands.add_parser(
        "bundle", help="sign the system of an image that was built, for the other slot"
    )
    bundle.add_argument("--keys", type=Path, required=True, help="the folder that `key` made")
    build = commands.add_parser("build", help="make an image")
    for command in (bundle, build):
        command.add_argument("--arch", choices=ARCHITECTURES, default="amd64")
        command.add_argument("--version", default="", help="which release; the newest where none is named")
        command.add_argument("--out", type=Path, default=Path(".image/out"))
    for command in (key, bundle, build):
        command.add_argument(
            "--state-dir", type=Path, default=Path("/var/lib/diemcau"), help="of the coordinator"
        )
    build.add_argument("--cache", type=Path, default=Path(".image/cache"), help="where packages are kept")
    build.add_argument("--fetch", action="store_true", help="ask Debian for newer packages first")
    build.add_argument("--no-pack", action="store_true", help="leave the .img as it is, without an .xz")
    build.add_argument("--address", default="", help="of the coordinator: https://NAME:PORT")
    build.add_argument("--root", action="append", default=[], help="fingerprint (diemcau ca status)")
    build.add_argument("--contact", default="", help="who helps, on the box's screen")
    build.add_argument("--phone", default="")
    build.add_argument("--time-server", action="append", default=[])
    return parser


def _key(given: argparse.Namespace) -> int:
    releases = StateDir(given.state_dir.resolve()).releases
    if (releases / CERTIFICATE).exists():
        raise CannotBuild(f"{releases / CERTIFICATE} is there already: units that trust it trust no other")
    if not releases.is_dir():
        raise CannotBuild(f"there is no {releases}: name the coordinator's folder as --state-dir")
    shutil.copyfile(make_key(given.folder), releases / CERTIFICATE)
    print(f"image: the key is in {given.folder}; copy it to a second medium and lock both away")
    return 0


def _bundle(given: argparse.Namespace) -> int:
    version = _version(given, Repository(StateDir(given.state_dir.resolve())))
    root = given.out.resolve() / f"diemcau-{version}-{given.arch}.squashfs"
    made = bundle(root, version, given.arch, given.keys, root.with_suffix(".raucb"))
    print(f"{made} {made.stat().st_size >> 20} MiB")
    print(f"image: for the fleet by `diemcau release add-system {version} {made}`, then sign {version} again")
    return 0


def _build(given: argparse.Namespace) -> int:
    began = time.monotonic()
    if os.geteuid() != 0:
        raise CannotBuild("owners of files are set: run it as root")
    image = build(
        _plan(given),
        Office(given.address, given.root, given.contact, given.phone),
        given.cache.resolve(),
        given.out.resolve(),
        fetch=given.fetch,
    )
    for path in [image] if given.no_pack else [image, pack(image)]:
        print(f"{path} {path.stat().st_size >> 20} MiB")
    print(f"image: made in {time.monotonic() - began:.0f} s")
    return 0


def _plan(given: argparse.Namespace) -> Plan:
    """What is built from; the release is looked through as a unit does."""
    repository = Repository(StateDir(given.state_dir.resolve()))
    version = _version(given, repository)
    release = verify(repository, version).release
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or release.built_at.timestamp())
    return Plan(given.arch, version, repository, epoch, {"time_servers": given.time_server})


def _version(given: argparse.Namespace, repository: Repository) -> str:
    repository.must_be_there()
    versions = sorted(signed_versions(repository), key=order)
    version = given.version or (versions[-1] if versions else "")
    if version not in versions:
        raise CannotBuild(f"there is no signed release {version}: see docs/releases.md")
    return str(version)


if __name__ == "__main__":
    sys.exit(main())
