"""From packages and a signed release to a disk image, with its manifest and bill of materials."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from diemcau_controller.adapters.ansible.playbooks import NoPlaybooks, unpack_playbooks
from diemcau_wire.release import read_release

from . import boot_text, disk
from .boot_files import boot_files, boot_packages
from .cache import PackageCache
from .emulation import able_to_run
from .identity_scan import scan
from .layout import BOOT, CONFIG, DATA_LABEL, IN_IMAGE, LEAST_DISK_MIB, SLOT_B, starts_mib
from .packages import packages
from .sbom import installed, sbom
from .scrub import scrub
from .tree import FACTORY, Plan, compile_python, debian, furnish, initial_disk, provision
from .trouble import CannotBuild, run


@dataclass(frozen=True, slots=True)
class Office:
    """What every image of an office says: where its coordinator is, and who helps."""

    address: str = ""
    roots: Sequence[str] = ()
    contact: str = ""
    phone: str = ""


def build(plan: Plan, office: Office, cache: Path, out: Path, *, fetch: bool = False) -> Path:
    """Make the image; gives its file. Raises :class:`CannotBuild`."""
    out.mkdir(parents=True, exist_ok=True)
    name = f"diemcau-{plan.version}-{plan.arch}"
    log = out / f"{name}.log"
    log.write_text("")
    work = Path(tempfile.mkdtemp(prefix="diemcau-image-", dir=out))
    try:
        tree = work / "tree"
        playbooks = unpack_playbooks(plan.repository, plan.version, work / "release")
        names, beside = packages(playbooks, plan.arch), boot_packages(plan.arch)
        kept = PackageCache(cache, plan.arch)
        if fetch or not kept.ready([*names, *beside]):
            _say("fetching Debian's packages")
            kept.fetch([*names, *beside])
        with able_to_run(plan.arch):
            _say(f"a Debian of {len(names)} packages and what they need")
            debian(tree, plan, kept, names, log)
            _say("provision.yml on it")
            provision(tree, plan, playbooks, work, log)
            _say("what only an image has")
            scrub(tree, plan.epoch)
            furnish(tree, plan)
            initial_disk(tree, plan, log)
            compile_python(tree, plan)
        if findings := scan(tree):
            listed = "; ".join(str(one) for one in findings[:10])
            raise CannotBuild(f"an image has no identity, and this one has: {listed}")
        _say("the disk")
        return _write(plan, office, tree, kept, work, out / name)
    except NoPlaybooks as error:
        raise CannotBuild(str(error)) from None
    finally:
        _remove(work)


def _write(plan: Plan, office: Office, tree: Path, kept: PackageCache, work: Path, out: Path) -> Path:
    root, config, boot = (work / name for name in ("root.squashfs", "config.fat", "boot.fat"))
    disk.squashfs(tree, root, plan.epoch)
    filled = boot_text.boot_file(office.address, office.roots, office.contact, office.phone)
    disk.fat(config, CONFIG, boot_text.files(filled), plan.epoch)
    grubenv = (tree / FACTORY / "grubenv").read_bytes()
    disk.fat(boot, BOOT, boot_files(plan.arch, grubenv, tree, kept, work), plan.epoch)
    image = out.with_name(out.name + ".img")
    disk.assemble(image, disk.parts(config, boot, root))
    status = (tree / "var/lib/dpkg/status").read_text(encoding="utf-8")
    status += "".join(kept.status(name) for name in boot_packages(plan.arch))
    release = read_release(plan.manifest.read_bytes())
    root_sha256 = sha256(root)
    bill = sbom(out.name, plan.arch, status, release, root_sha256, plan.epoch)
    out.with_name(out.name + ".cdx.json").write_text(json.dumps(bill, ensure_ascii=False, indent=1) + "\n")
    shutil.move(root, out.with_name(out.name + ".squashfs"))
    manifest = {
        "image": image.name,
        "version": plan.version,
        "arch": plan.arch,
        "built_for": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(plan.epoch)),
        "root_sha256": root_sha256,
        "image_sha256": sha256(image),
        "image_bytes": image.stat().st_size,
        "packages": len(installed(status)),
        "partitions": {
            one.label: {"start_mib": start, "size_mib": one.size_mib}
            for start, one in zip(starts_mib(), IN_IMAGE, strict=True)
        },
        "made_at_first_boot": [SLOT_B.label, DATA_LABEL],
        "least_disk_mib": LEAST_DISK_MIB,
    }
    out.with_name(out.name + ".json").write_text(json.dumps(manifest, indent=1) + "\n")
    return image


def pack(image: Path) -> Path:
    """The image as it is handed out: flashing programs unpack it themselves. Beside it lies its SHA-256 for
    `sha256sum --check`. Raises :class:`CannotBuild`."""
    run(["xz", "--keep", "--force", "-2", "--threads=2", "--block-size=16MiB", image])
    packed = image.with_name(image.name + ".xz")
    packed.with_name(packed.name + ".sha256").write_text(f"{sha256(packed)}  {packed.name}\n")
    return packed


def sha256(path: Path) -> str:
    """Of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove(work: Path) -> None:
    """The scratch folder, but nothing of another file system."""
    if any((work / "tree" / name).is_mount() for name in ("dev", "proc", "sys", "run")):
        _say(f"{work} is left: something is mounted in it")
        return
    with suppress(OSError):
        shutil.rmtree(work)


def _say(text: str) -> None:
    print(f"image: {text}", flush=True)
