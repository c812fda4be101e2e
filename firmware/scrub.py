"""What a build leaves in the tree that no unit needs, or that differs from one build to the next."""

from __future__ import annotations

import shutil
from pathlib import Path

from .trouble import CannotBuild

DAY_S = 86_400
_EMPTIED = (
    *("var/cache", "var/log", "var/tmp", "tmp", "run", "root", "dev", "opt/diemcau", "boot/firmware"),
    *("var/lib/apt/lists", "var/lib/diemcau-agent", "var/lib/NetworkManager", "usr/share/doc-base"),
)
_REMOVED = (
    *("etc/passwd-", "etc/shadow-", "etc/group-", "etc/gshadow-", "etc/subuid-", "etc/subgid-"),
    *("etc/.pwd.lock", "etc/apt/sources.list", "etc/adjtime", "boot/diemcau.toml"),
    *("var/lib/dpkg/status-old", "var/lib/dpkg/available", "var/lib/dpkg/available-old"),
    *("var/lib/dpkg/lock", "var/lib/dpkg/lock-frontend", "var/lib/dpkg/diversions-old"),
    *("var/lib/dpkg/statoverride-old", "var/lib/dbus/machine-id", "var/lib/systemd/random-seed"),
    *("var/lib/systemd/credential.secret", "var/lib/diemcau-update/first.txt"),
)
_GLOBS = ("etc/ssh/ssh_host_*", "etc/apt/sources.list.d/*", "boot/*.old-dkms", "var/backups/*")


def scrub(tree: Path, epoch: int) -> None:
    """Take it out; `epoch` is the second since 1970 that stands for the time of the build. Raises
    :class:`CannotBuild`."""
    for name in _EMPTIED:
        folder = tree / name
        if folder.is_mount():
            raise CannotBuild(f"{folder} is mounted: nothing there is ours to remove; unmount it")
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    for name in _REMOVED:
        (tree / name).unlink(missing_ok=True)
    for pattern in _GLOBS:
        for path in tree.glob(pattern):
            path.unlink()
    (tree / "etc/machine-id").write_bytes(b"")  # empty: each box gives itself one
    shadow = tree / "etc/shadow"
    shadow.write_text(same_days(shadow.read_text(encoding="utf-8"), epoch), encoding="utf-8")


def same_days(shadow: str, epoch: int) -> str:
    """/etc/shadow with the day of the build as the day of each last change of a password."""
    lines = [line.split(":") for line in shadow.splitlines()]
    return "".join(":".join([*line[:2], str(epoch // DAY_S), *line[3:]]) + "\n" for line in lines)
