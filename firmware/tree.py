"""The system of an image, as a folder: Debian, then the playbook that provisions machines, then what only an
image has (`firmware/system/`)."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diemcau_controller.adapters.releases.repository import Repository
from diemcau_wire.release import playbooks_target, release_target

from .boot_text import boot_file
from .bundles import CERTIFICATE
from .cache import SUITE, PackageCache
from .packages import HERE, listed
from .trouble import CannotBuild, run

SYSTEM = HERE / "system"
FACTORY = Path("usr/lib/diemcau")
_SMALL = ("doc/*", "man/*", "locale/*", "info/*", "lintian/*")
_ENABLED = ("diemcau-boot-network.service", "diemcau-good.service", "diemcau-system.path")
_FOLDERS = ("data", "boot/efi", "boot/firmware", "opt/diemcau", "var/lib/NetworkManager")
# Mounts of its own, which end with it: Ansible, sudo and pip look into both.
_IN_NAMESPACE = ("unshare", "--mount", "--propagation", "private", "sh", "-ec")
_MOUNTED = 'mount --bind /dev "$0/dev"; mount -t proc proc "$0/proc"'
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Plan:
    """What an image is made from; `epoch` is its time (s since 1970), `variables` go to the playbook."""

    arch: str
    version: str
    repository: Repository
    epoch: int
    variables: Mapping[str, Any]

    @property
    def releases(self) -> Path:
        """The coordinator's folder of releases."""
        return self.repository.folder

    @property
    def certificate(self) -> Path:
        """Of the key that signs systems, which this one will accept."""
        return self.releases / CERTIFICATE

    @property
    def archive(self) -> Path:
        return self.releases / "targets" / playbooks_target(self.version)

    @property
    def manifest(self) -> Path:
        return self.releases / "targets" / release_target(self.version)


def debian(tree: Path, plan: Plan, cache: PackageCache, names: Sequence[str], log: Path) -> None:
    """Debian from the packages in the cache, and nothing else. Raises :class:`CannotBuild`."""
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{one}" for one in _SMALL]
    run(
        [
            *("mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory", "--skip=check/qemu"),
            *(f"--architectures={plan.arch}", f"--include={','.join(names)}"),
            *(*excluded, "--dpkgopt=path-include=/usr/share/doc/*/copyright", "--dpkgopt=force-unsafe-io"),
            '--aptopt=APT::Install-Recommends "false"',
            *(SUITE, str(tree), cache.source),
        ],
        # the initial memory disk is made once, at the end: under emulation it takes minutes
        env={**os.environ, "SOURCE_DATE_EPOCH": str(plan.epoch), "INITRD": "No"},
        log=log,
    )


def provision(tree: Path, plan: Plan, playbooks: Path, work: Path, log: Path) -> None:
    """Run provision.yml on the tree. Raises :class:`CannotBuild`."""
    boot = tree / "boot/firmware"
    boot.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "boot/diemcau.toml", boot)  # that lies on a partition of its own: the role writes none
    (tree / "etc/hosts").write_text("127.0.0.1 localhost diemcau\n::1 localhost\n")
    inventory, given = work / "inventory.ini", work / "variables.json"
    inventory.write_text(
        f"[units]\nimage ansible_connection=tree ansible_tree={tree} ansible_tree_epoch={plan.epoch}\n"
    )
    given.write_text(
        json.dumps(
            {
                **plan.variables,
                "in_image": True,
                "expected_hosts": 1,
                "releases_folder": str(plan.releases),
                "release_version": plan.version,
            }
        )
    )
    bin_ = Path(sys.executable).parent
    env = {
        **os.environ,
        "PATH": f"{bin_}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "ANSIBLE_CONFIG": str(playbooks / "ansible.cfg"),
        "ANSIBLE_CONNECTION_PLUGINS": str(HERE / "connection_plugins"),
        "ANSIBLE_HOME": str(work / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
    }
    command = [str(bin_ / "ansible-playbook"), "-i", str(inventory), "-e", f"@{given}"]
    inside = [*_IN_NAMESPACE, f'{_MOUNTED}; exec "$@"', str(tree)]
    run([*inside, *command, str(playbooks / "provision.yml")], env=env, log=log)


def furnish(tree: Path, plan: Plan) -> None:
    """Put in what only an image has: mounts, what is kept, what may not run. Raises :class:`CannotBuild`."""
    for name in _FOLDERS:
        (tree / name).mkdir(parents=True, exist_ok=True)
    _copy_system(tree)
    check_numbers(tree)
    _write_fstab(tree)
    _move_logins(tree)
    (
        tree / "usr/lib/clock-epoch"
    ).touch()  # its time is the image's: no box without a clock battery begins before
    (tree / FACTORY / "diemcau.toml").write_text(boot_file(), encoding="utf-8", newline="")
    units = tree / "etc/systemd/system"
    for name in listed((HERE / "masked.txt").read_text(encoding="utf-8")):
        (units / name).unlink(missing_ok=True)
        (units / name).symlink_to("/dev/null")
    wants = units / "multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    for name in _ENABLED:
        (wants / name).unlink(missing_ok=True)
        (wants / name).symlink_to(f"/etc/systemd/system/{name}")
    keyring = tree / "etc/rauc/keyring.pem"
    if not plan.certificate.exists():
        raise CannotBuild(f"there is no {plan.certificate}: run `python -m firmware key DIR` once")
    shutil.copyfile(plan.certificate, keyring)
    keyring.chmod(0o644)
    slots = tree / "etc/rauc/system.conf"
    slots.write_text(slots.read_text().replace("@arch@", plan.arch))
    (tree / "etc/hostname").write_text("diemcau\n")
    _link(tree / FACTORY / "factory", f"releases/{plan.version}")
    _link(tree / "etc/resolv.conf", "/run/NetworkManager/resolv.conf")
    _link(tree / "etc/systemd/system/default.target", "/lib/systemd/system/multi-user.target")
    grubenv = tree / FACTORY / "grubenv"
    run(["grub-editenv", grubenv, "create"])
    run(["grub-editenv", grubenv, "set", "ORDER=A B", "A_OK=1", "A_TRY=0", "B_OK=0", "B_TRY=0"])
    (tree / FACTORY / "image").write_text(f"{plan.version} {identifier(tree, plan)}\n")


def initial_disk(tree: Path, plan: Plan, log: Path) -> None:
    """What the kernel starts from until it finds its root, and the names the boot loader asks for.
    Raises :class:`CannotBuild`."""
    kernels = sorted(path.name for path in (tree / "lib/modules").iterdir())
    if len(kernels) != 1:
        raise CannotBuild(f"there are {len(kernels)} kernels in {tree}, not one")
    make = f'exec chroot "$0" /usr/bin/env -i PATH={_PATH} "$@"'
    its_time, disk = f"SOURCE_DATE_EPOCH={plan.epoch}", f"/boot/initrd.img-{kernels[0]}"
    words = [its_time, "mkinitramfs", "-o", disk, kernels[0]]
    run([*_IN_NAMESPACE, f"{_MOUNTED}; {make}", str(tree), *words], log=log)
    for name in ("vmlinuz", "initrd.img"):
        _link(tree / "boot" / name, f"{name}-{kernels[0]}")


def compile_python(tree: Path, plan: Plan) -> None:
    """Compiled code that is not compared with its source's time: all files of the image have the same one."""
    found = [path for path in ("usr/lib/python3", "usr/lib/python3.11") if (tree / path).is_dir()]
    releases = [f"/{FACTORY}/releases/{plan.version}", *(f"/{path}" for path in found)]
    how = ["-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash"]
    inside = ["/usr/sbin/chroot", str(tree), "/usr/bin/env", "-i", "PATH=/usr/bin:/bin", "LANG=C.UTF-8"]
    run([*inside, "PYTHONHASHSEED=0", "/usr/bin/python3", *how, *releases])


def identifier(tree: Path, plan: Plan) -> str:
    """Which image this is: another one for any other package, release or file of ours."""
    digest = hashlib.sha256()
    used = (tree / "var/lib/dpkg/status", plan.manifest, plan.archive, plan.certificate)
    for path in (*used, *sorted(SYSTEM.rglob("*"))):
        if path.is_file():
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:32]


def kept() -> list[str]:
    """The folders that lie on the data partition."""
    return (SYSTEM / FACTORY / "kept").read_text().split()


def _copy_system(tree: Path) -> None:
    """With owners and rights of a system, whatever this checkout's are."""
    for source in sorted(SYSTEM.rglob("*")):
        target = tree / source.relative_to(SYSTEM)
        if source.is_dir():
            target.mkdir(exist_ok=True)
            continue
        target.unlink(missing_ok=True)
        shutil.copyfile(source, target)
        executable = source.suffix == ".sh" or "hooks" in source.parts
        target.chmod(0o600 if source.suffix == ".nmconnection" else 0o755 if executable else 0o644)


def _write_fstab(tree: Path) -> None:
    fstab = tree / "etc/fstab"
    text = fstab.read_text().replace("@diemcau-unit@", str(group(tree, "diemcau-unit")))
    lines = [
        f"/data/kept{path} {path} none bind,x-systemd.requires=diemcau-data.service 0 0\n" for path in kept()
    ]
    fstab.write_text(text + "".join(lines))
    for path in kept():
        (tree / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
    agent = tree / "var/lib/diemcau-agent"
    agent.chmod(0o700)
    os.chown(agent, user(tree, "diemcau-unit"), group(tree, "diemcau-unit"))


def _move_logins(tree: Path) -> None:
    """Whose certificates open the box, to where playbooks can write it. Raises :class:`CannotBuild`."""
    authority, moved = tree / "etc/diemcau/ssh_authority", tree / "var/lib/diemcau-logins/ssh_authority"
    if not authority.is_symlink():
        if not authority.is_file():
            raise CannotBuild(f"there is no {authority}: did the playbook go through?")
        authority.rename(moved)
    _link(authority, "/var/lib/diemcau-logins/ssh_authority")


def check_numbers(tree: Path) -> None:
    """What a unit's users own outlives the system, so they have the same numbers in each. Raises
    :class:`CannotBuild`."""
    file = tree / "usr/lib/sysusers.d/diemcau.conf"
    for words in (line.split() for line in file.read_text(encoding="utf-8").splitlines()):
        if words[:1] == ["u"] and str(user(tree, words[1])) != words[2]:
            raise CannotBuild(
                f"{words[1]} is not number {words[2]} here, as {file} says: who has that number?"
            )
        if words[:1] in (["u"], ["g"]) and str(group(tree, words[1])) != words[2]:
            raise CannotBuild(f"group {words[1]} is not number {words[2]} here, as {file} says")


def user(tree: Path, name: str) -> int:
    """The number of a user of the tree. Raises :class:`CannotBuild`."""
    return _number(tree / "etc/passwd", name)


def group(tree: Path, name: str) -> int:
    """The number of a group of the tree. Raises :class:`CannotBuild`."""
    return _number(tree / "etc/group", name)


def _number(file: Path, name: str) -> int:
    for line in file.read_text().splitlines():
        words = line.split(":")
        if words[0] == name:
            return int(words[2])
    raise CannotBuild(f"{file} knows no {name}: did the playbook go through?")


def _link(path: Path, target: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)
