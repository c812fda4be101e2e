"""What an image's own scripts decide, with programs in the place of disks."""

from __future__ import annotations

import os
import subprocess
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
    assert "set -eu" in script.read_text()


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
