"""`python -m firmware build`: the disk image of a unit, from Debian packages and a signed release."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from diemcau_controller.adapters.releases.errors import ReleaseError
from diemcau_controller.adapters.releases.repository import Repository
from diemcau_controller.adapters.releases.verify import signed_versions, verify
from diemcau_controller.config import StateDir
from diemcau_wire.release import order

from .build import Office, build, pack
from .packages import ARCHITECTURES
from .tree import Plan
from .trouble import CannotBuild


def main() -> int:
    """Build as told; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m firmware", description=__doc__)
    command = parser.add_subparsers(dest="command", required=True).add_parser("build", help="make an image")
    command.add_argument("--arch", choices=ARCHITECTURES, default="amd64")
    command.add_argument(
        "--state-dir", type=Path, default=Path("/var/lib/diemcau"), help="of the coordinator"
    )
    command.add_argument("--version", default="", help="which signed release; the newest where none is named")
    command.add_argument("--out", type=Path, default=Path(".image/out"))
    command.add_argument("--cache", type=Path, default=Path(".image/cache"), help="where packages are kept")
    command.add_argument("--fetch", action="store_true", help="ask Debian for newer packages first")
    command.add_argument("--no-pack", action="store_true", help="leave the .img as it is, without an .xz")
    command.add_argument("--address", default="", help="of the coordinator: https://NAME:PORT")
    command.add_argument("--root", action="append", default=[], help="fingerprint (diemcau ca status)")
    command.add_argument("--contact", default="", help="who helps, on the box's screen")
    command.add_argument("--phone", default="")
    command.add_argument("--time-server", action="append", default=[])
    given = parser.parse_args()
    began = time.monotonic()
    try:
        if os.geteuid() != 0:
            raise CannotBuild("owners of files are set: run it as root")
        if given.arch != "amd64":
            raise CannotBuild("only the image for mini-PCs can be made yet: ARCH=amd64")
        image = build(
            _plan(given),
            Office(given.address, given.root, given.contact, given.phone, given.time_server),
            given.cache.resolve(),
            given.out.resolve(),
            fetch=given.fetch,
        )
        made = [image] if given.no_pack else [image, pack(image)]
    except (CannotBuild, ReleaseError) as error:
        print(f"image: {error}", file=sys.stderr)  # noqa: T201
        return 1
    for path in made:
        print(f"{path} {path.stat().st_size >> 20} MiB")  # noqa: T201
    print(f"image: made in {time.monotonic() - began:.0f} s")  # noqa: T201
    return 0


def _plan(given: argparse.Namespace) -> Plan:
    """What is built from; the release is looked through as a unit does."""
    repository = Repository(StateDir(given.state_dir.resolve()))
    repository.must_be_there()
    versions = sorted(signed_versions(repository), key=order)
    version = given.version or (versions[-1] if versions else "")
    if version not in versions:
        raise CannotBuild(f"there is no signed release {version}: see docs/releases.md")
    release = verify(repository, version).release
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or release.built_at.timestamp())
    return Plan(given.arch, version, repository.folder, epoch, {"time_servers": given.time_server})


if __name__ == "__main__":
    sys.exit(main())
