"""What an image's own scripts decide, with programs in the place of disks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware import tree

SCRIPTS = tree.SYSTEM / tree.FACTORY
# what the disk's programs end with
WHOLE = {"e2fsck": 1, "mount": 0, "dd": 0}
LEFT_ERRORS = {"e2fsck": 4, "mount": 0, "dd": 0}
BROKEN = {"e2fsck": 8, "mount": 32, "dd": 0}
UNREADABLE = {"e2fsck": 8, "mount": 32, "dd": 1}


@pytest.mark.parametrize(
    ("disk", "code", "made_anew"),
    [(WHOLE, 0, False), (LEFT_ERRORS, 0, False), (BROKEN, 0, True), (UNREADABLE, 1, False)],
    ids=["whole", "left errors", "broken", "unreadable"],
)
def test_only_what_can_be_read_and_not_mended_is_made_anew(
    tmp_path: Path, disk: dict[str, int], code: int, *, made_anew: bool
) -> None:
    done = tmp_path / "done"
    for name in ("e2fsck", "mount", "umount", "dd", "mkfs.ext4", "sleep", "mkdir"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho "{name}" >>{done}\nexit {disk.get(name, 0)}\n')
        program.chmod(0o755)
    ended = subprocess.run(["/bin/sh", SCRIPTS / "mend.sh"], env={"PATH": str(tmp_path)}, capture_output=True)
    said = done.read_text().split()
    assert (ended.returncode, "mkfs.ext4" in said) == (code, made_anew)
    assert said.count("umount") == (1 if "mount" in said and disk["mount"] == 0 else 0)


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.sh")), ids=lambda path: path.name)
def test_a_script_is_one_that_the_shell_of_an_image_reads(script: Path) -> None:
    subprocess.run(["/bin/dash", "-n", script], check=True)
    text = script.read_text()
    assert "set -eu" in text or not text.startswith("#!")  # what is sourced leaves that to the script


def test_what_is_wiped_is_all_but_the_mark(tmp_path: Path) -> None:
    data, drive, factory = tmp_path / "data", tmp_path / "drive", tmp_path / "factory"
    for folder in (data / "kept/var", data / "lost+found", drive, factory, tmp_path / "bin"):
        folder.mkdir(parents=True)
    (data / "kept/var/identity").write_text("x")
    (data / "wipe").write_text("")
    (drive / "diemcau.toml").write_text('[network]\npassword = "mat-khau"\n')
    (factory / "diemcau.toml").write_text("# an example\n")
    for name in ("mount", "umount", "sync", "fstrim"):
        (tmp_path / "bin" / name).write_text(
            f"#!/bin/sh\n[ {name} != mount ] || find {data} >{tmp_path}/left\n"
        )
        (tmp_path / "bin" / name).chmod(0o755)
    text = (SCRIPTS / "wipe.sh").read_text()
    for was, now in (("/data", data), ("/run/diemcau-drive", drive), ("/usr/lib/diemcau", factory)):
        text = text.replace(was, str(now))
    env = {"PATH": f"{tmp_path}/bin{os.pathsep}{os.defpath}"}
    subprocess.run(["/bin/sh", "-c", text], env=env, check=True)
    # the mark is the last to go
    assert (tmp_path / "left").read_text().split() == [str(data), str(data / "wipe")]
    assert list(data.iterdir()) == []
    assert (drive / "diemcau.toml").read_text() == "# an example\n"


@pytest.fixture
def laid_out(tmp_path: Path) -> Callable[[], Path]:
    """Runs data.sh as root of a box whose system brings release 1.0.0; gives the folder of its releases."""
    factory, bin_ = tmp_path / "usr/lib/diemcau", tmp_path / "bin"
    for folder in (factory / "releases/1.0.0", factory / "wheels/0aa", tmp_path / "var/lib/kept", bin_):
        folder.mkdir(parents=True)
    (tmp_path / "run").mkdir()
    (factory / "releases/1.0.0/release.json").write_text("{}")
    (factory / "factory").symlink_to("releases/1.0.0")
    (factory / "image").write_text("1.0.0 abc\n")
    (factory / "kept").write_text(f"{tmp_path}/var/lib/kept\n")
    (tmp_path / "cmdline").write_text("root=x rauc.slot=B quiet\n")
    for name in ("chown", "install"):
        (bin_ / name).write_text("#!/bin/sh\n")
        (bin_ / name).chmod(0o755)
    text = (SCRIPTS / "data.sh").read_text().replace("/proc/cmdline", f"{tmp_path}/cmdline")
    for was in ("/data", "/run", "/usr/lib/diemcau"):
        text = re.sub(rf"(?<![\w.}}]){was}\b", f"{tmp_path}{was}", text)

    def run() -> Path:
        env = {"PATH": f"{bin_}{os.pathsep}{os.defpath}"}
        subprocess.run(["/bin/sh", "-c", text], env=env, check=True, capture_output=True)
        return tmp_path / "data/slots/B/opt"

    return run


def test_what_a_disk_lost_of_releases_is_the_systems_own_again(laid_out: Callable[[], Path]) -> None:
    opt = laid_out()
    assert all((opt / link / "release.json").is_file() for link in ("current", "proven"))
    later = opt / "releases/1.1.0"
    later.mkdir()
    (later / "release.json").write_text("{}")
    (opt / "current").unlink()
    (opt / "current").symlink_to("releases/1.1.0")
    laid_out()
    assert (opt / "current").readlink().name == "1.1.0"
    shutil.rmtree(later)
    (opt / "releases/1.0.0").unlink()
    laid_out()
    assert {(opt / link).readlink().name for link in ("current", "proven")} == {"1.0.0"}
    assert (opt / "current/release.json").is_file()


def test_another_system_begins_with_its_own_release(laid_out: Callable[[], Path], tmp_path: Path) -> None:
    opt = laid_out()
    (opt.parent / "good").touch()
    laid_out()
    assert (opt.parent / "good").exists()
    (tmp_path / "usr/lib/diemcau/image").write_text("1.0.0 def\n")
    laid_out()
    assert not (opt.parent / "good").exists() and (opt / "current/release.json").is_file()


def test_a_full_disk_does_without_wheels(laid_out: Callable[[], Path], tmp_path: Path) -> None:
    laid_out()
    ln = tmp_path / "bin/ln"
    ln.write_text('#!/bin/sh\ncase "$*" in *wheels*) exit 1 ;; esac\nexec /bin/ln "$@"\n')
    ln.chmod(0o755)
    laid_out()


@pytest.mark.skipif(shutil.which("grub-editenv") is None, reason="needs grub-common")
@pytest.mark.parametrize(
    ("before", "other_was_good", "after"),
    [
        ("ORDER=A B", True, "ORDER=A B"),
        (None, True, "A_OK=1"),
        (b"", False, "A_OK=0"),
        (b"\xff" * 1024, True, "ORDER=B A"),
    ],
    ids=["whole", "gone", "cut off", "garbage"],
)
def test_what_the_boot_loader_reads_is_made_anew_where_it_cannot_be_read(
    tmp_path: Path, before: str | bytes | None, after: str, *, other_was_good: bool
) -> None:
    env, factory = tmp_path / "grubenv", tmp_path / "factory"
    for file in (env, factory):
        subprocess.run(["grub-editenv", file, "create"], check=True)
    subprocess.run(["grub-editenv", factory, "set", "ORDER=A B", "A_OK=1", "B_OK=0"], check=True)
    if isinstance(before, str):
        subprocess.run(["grub-editenv", env, "set", before, "A_OK=1"], check=True)
    elif before is None:
        env.unlink()
    else:
        env.write_bytes(before)
    (tmp_path / "slots/A").mkdir(parents=True)
    if other_was_good:
        (tmp_path / "slots/A/good").touch()
    (tmp_path / "id").write_text("0123456789abcdef0123456789abcdef\n")
    tells = (SCRIPTS / "boot_loader.sh").read_text()
    for was, now in (
        ("/data/slots", tmp_path / "slots"),
        ("/usr/lib/diemcau/grubenv", factory),
        ("/etc/machine-id", tmp_path / "id"),
    ):
        tells = tells.replace(was, str(now))
    here = f"env={env} now={tmp_path}/now slot=B other=A"
    call = f"set -eu\n{tells}{here}\ntell_boot_loader B_OK=1 B_TRY=0"
    subprocess.run(["/bin/sh", "-c", call], check=True)
    said = subprocess.run(["grub-editenv", env, "list"], check=True, capture_output=True, text=True).stdout
    assert env.stat().st_size == 1024
    assert {after, "B_OK=1", "B_TRY=0", "machine_id=0123456789abcdef0123456789abcdef"} <= set(
        said.splitlines()
    )
