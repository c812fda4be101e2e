"""The image for arm64 on a generic machine: UEFI, a disk, a television, a cable; nothing of a Raspberry Pi.

`python -m tests.lab.image.virt IMAGE`, as root, after `python -m tests.lab.image build` and
`make image ARCH=arm64` from the same office (`.lab/image/office`).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from tests.lab.report import ROOT, Report

from . import boot
from .box import Box
from .release import FOLDER

AAVMF = Path("/usr/share/AAVMF")
ROW = "the arm64 image boots on a generic machine to the enrolment screen"
LOOKED_AT = ("agent", "wire", "playbooks", "firmware", "tests/lab/image")


class Virt(Box):
    """QEMU's `virt` machine with the processor of a Raspberry Pi 4."""

    fresh_vars = AAVMF / "AAVMF_VARS.fd"

    def _board(self) -> list[str]:
        firmware = f"if=pflash,format=raw,readonly=on,file={AAVMF}/AAVMF_CODE.fd"
        return ["qemu-system-aarch64", "-machine", "virt", "-cpu", "cortex-a72", "-drive", firmware]


def main() -> int:
    image = Path(sys.argv[1]).resolve()
    if "inside" in sys.argv:
        return inside(image)
    inside_of = [
        sys.executable,
        "-m",
        "diemcau_controller.namespace",
        sys.executable,
        "-m",
        "tests.lab.image.virt",
    ]
    return subprocess.run([*inside_of, image, "inside"], cwd=ROOT, check=False).returncode


def inside(image: Path) -> int:
    """The row, in a network namespace."""
    report = Report("image-arm64", again=True, looked_at=LOOKED_AT)
    folder = Path(tempfile.mkdtemp(prefix="diemcau-image-lab-"))
    try:
        shutil.copytree(FOLDER / "office", folder, dirs_exist_ok=True)
        with boot.hall_of(folder, image, folder, FOLDER / "boxes-arm64", Virt) as hall:
            report.show(ROW, partial(boot.enrolment_screen, hall))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if report.verdict([ROW]) else 1


if __name__ == "__main__":
    sys.exit(main())
