"""What a machine starts from, on both architectures, and how another one's programs are run meanwhile."""

from __future__ import annotations

import platform
import re
import subprocess
from pathlib import Path

import pytest

from firmware import boot_files, build, emulation, layout, packages
from firmware.cache import PackageCache
from firmware.trouble import CannotBuild

HERE = packages.HERE
DESCRIBED = ":qemu-{0}:M::\\x7fELF\\x02:\\xff\\xff:/usr/libexec/qemu-binfmt/{0}-binfmt-P:OPF\n"
FOREIGN = next(arch for arch, machine in emulation.MACHINES.items() if machine != platform.machine())
MACHINE = emulation.MACHINES[FOREIGN]


# ── the partition that is booted from ────────────────────────────────────────────────────────────


def test_a_raspberry_reads_the_first_fat_and_uefi_the_one_with_its_type() -> None:
    first = layout.IN_IMAGE[0]
    assert first is layout.BOOT and first.kind == layout.ESP
    assert [one for one in layout.IN_IMAGE if one.kind == layout.SHOWN] == [layout.CONFIG]


def test_every_architecture_has_a_boot_loader_by_the_name_its_firmware_looks_for() -> None:
    assert set(boot_files.GRUB) == set(packages.ARCHITECTURES) == set(emulation.MACHINES)
    assert {arch: one.name for arch, one in boot_files.GRUB.items()} == {
        "amd64": "BOOTX64.EFI",
        "arm64": "BOOTAA64.EFI",
    }
    assert boot_files.boot_packages("amd64") == ["grub-efi-amd64-bin"]
    assert set(boot_files.boot_packages("arm64")) == {"grub-efi-arm64-bin", "raspi-firmware", "u-boot-rpi"}


class Unpacked(PackageCache):
    """Packages with the files that are asked for, each with its own name as content."""

    def unpacked(self, package: str, into: Path) -> Path:
        folder, names = boot_files.RASPBERRY_PACKAGES[package]
        (into / folder).mkdir(parents=True)
        for name in names:
            (into / folder / name).write_text(name)
        return into


def test_a_raspberry_finds_what_its_configuration_names(tmp_path: Path) -> None:
    tree = tmp_path / "tree/usr/lib/linux-image-6.1.0-arm64/broadcom"
    tree.mkdir(parents=True)
    for name in ("bcm2711-rpi-4-b.dtb", "bcm2711-rpi-400.dtb", "bcm2837-rpi-3-b.dtb"):
        (tree / name).write_text(name)
    found = dict(boot_files._raspberry(tmp_path / "tree", Unpacked(tmp_path, "arm64"), tmp_path / "scratch"))
    assert set(found) == {
        *(
            "config.txt",
            "start4.elf",
            "fixup4.dat",
            "u-boot.bin",
            "bcm2711-rpi-4-b.dtb",
            "bcm2711-rpi-400.dtb",
        )
    }
    settings = dict(
        line.split("=") for line in found["config.txt"].decode().splitlines() if line and line[0] != "#"
    )
    assert settings["kernel"] in found and settings["arm_64bit"] == settings["upstream_kernel"] == "1"


def test_a_kernel_without_device_trees_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    with pytest.raises(CannotBuild, match="bcm2711"):
        dict(boot_files._raspberry(tmp_path / "tree", Unpacked(tmp_path, "arm64"), tmp_path / "scratch"))


def test_a_package_that_is_not_in_the_cache_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotBuild, match=r"0 u-boot-rpi .*--fetch"):
        PackageCache(tmp_path, "arm64").unpacked("u-boot-rpi", tmp_path / "into")


def test_the_hook_is_shell_and_names_each_module_once() -> None:
    hook = HERE / "system/etc/initramfs-tools/hooks/diemcau"
    subprocess.run(["sh", "-n", hook], check=True)
    named = " ".join(re.findall(r"^manual_add_modules (.*)$", hook.read_text(), re.MULTILINE)).split()
    assert len(named) == len(set(named))
    assert {"squashfs", "sdhci_iproc", "usb_storage", "virtio_blk"} <= set(named)


# ── another processor's programs ─────────────────────────────────────────────────────────────────


@pytest.fixture
def kernel(tmp_path: Path) -> tuple[Path, Path]:
    """binfmt_misc, and the descriptions that the emulators bring."""
    kernel, described = tmp_path / "kernel", tmp_path / "described"
    for folder in (kernel, described):
        folder.mkdir()
    (kernel / "register").write_text("")
    (described / f"qemu-{MACHINE}.conf").write_text(DESCRIBED.format(MACHINE))
    return kernel, described


def test_what_a_build_registers_is_taken_back(kernel: tuple[Path, Path]) -> None:
    with pytest.raises(KeyError), emulation.able_to_run(FOREIGN, *kernel):
        told = (kernel[0] / "register").read_text()
        raise KeyError
    name = told.split(":")[1]
    assert told == DESCRIBED.format(MACHINE).strip().replace(f"qemu-{MACHINE}:", f"{name}:", 1)
    assert name != f"qemu-{MACHINE}" and (kernel[0] / name).read_text() == "-1"


def test_what_somebody_else_registered_is_used_and_stays(kernel: tuple[Path, Path]) -> None:
    theirs = kernel[0] / f"qemu-{MACHINE}"
    theirs.write_text("enabled\n")
    with emulation.able_to_run(FOREIGN, *kernel):
        pass
    assert theirs.read_text() == "enabled\n" and (kernel[0] / "register").read_text() == ""


def test_nothing_is_registered_for_this_machines_own_programs(kernel: tuple[Path, Path]) -> None:
    (own,) = set(emulation.MACHINES) - {FOREIGN}
    with emulation.able_to_run(own, *kernel):
        pass
    assert (kernel[0] / "register").read_text() == ""


def test_what_is_missing_is_said(kernel: tuple[Path, Path]) -> None:
    (kernel[1] / f"qemu-{MACHINE}.conf").unlink()
    with pytest.raises(CannotBuild, match="qemu-user-static"), emulation.able_to_run(FOREIGN, *kernel):
        pass
    (kernel[0] / "register").unlink()
    with pytest.raises(CannotBuild, match="binfmt_misc"), emulation.able_to_run(FOREIGN, *kernel):
        pass


# ── what is handed out ───────────────────────────────────────────────────────────────────────────


def test_a_packed_image_has_its_checksum_beside_it(tmp_path: Path) -> None:
    image = tmp_path / "diemcau-1.4.0-arm64.img"
    image.write_bytes(bytes(100_000))
    packed = build.pack(image)
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", f"{packed.name}.sha256"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert checked.stdout == "diemcau-1.4.0-arm64.img.xz: OK\n" and image.exists()
