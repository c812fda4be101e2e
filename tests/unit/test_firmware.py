"""The parts of an image that can be looked at without making one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from diemcau_agent.identity import boot_file
from diemcau_wire.release import Arch, Release, Wheel

from firmware import boot_text, cache, layout, packages, scrub, tree
from firmware.identity_scan import scan
from firmware.sbom import sbom
from firmware.trouble import CannotBuild

ROOT = Path(__file__).parents[2]
EPOCH = 1_767_225_600
KEY = "-----BEGIN {}PRIVATE KEY-----\n{}MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v\n-----END {}PRIVATE KEY-----\n"


# ── partitions ───────────────────────────────────────────────────────────────────────────────────


def test_partitions_follow_each_other_without_a_gap_or_overlap() -> None:
    starts = layout.starts_mib()
    ends = [start + one.size_mib for start, one in zip(starts, layout.IN_IMAGE, strict=True)]
    assert starts == [layout.FIRST_MIB, *ends[:-1]]
    assert layout.image_mib() == ends[-1] + layout.FIRST_MIB  # room for the copy of the table
    assert layout.LEAST_DISK_MIB < 7_400  # what is sold as 8 GB


def test_the_table_is_the_same_every_time() -> None:
    script = layout.sfdisk_script()
    assert script == layout.sfdisk_script()
    assert len(set(re.findall(r"uuid=(\S+),", script))) == len(layout.IN_IMAGE)
    assert 'name="diemcau-a"' in script and "start=2048" in script
    assert layout.SLOT_A.guid.strip("0-") == ""  # each disk gives itself one


def test_what_is_made_at_the_first_boot_fits_what_the_image_brings() -> None:
    made = {file.stem: file.read_text() for file in (tree.SYSTEM / "usr/lib/repart.d").iterdir()}
    assert all(f"Type={layout.SLOT}" in made[name] for name in ("30-a", "40-b"))
    assert all(f"SizeMaxBytes={layout.SLOT_A.size_mib}M" in made[name] for name in ("30-a", "40-b"))
    assert f"Type={layout.DATA}" in made["50-data"] and f"Label={layout.DATA_LABEL}" in made["50-data"]


def test_every_partition_is_mounted_or_started_by_its_label() -> None:
    fstab = (tree.SYSTEM / "etc/fstab").read_text()
    grub = (ROOT / "firmware/grub/grub.cfg").read_text()
    for label in (layout.CONFIG.label, layout.BOOT.label, layout.DATA_LABEL):
        assert re.search(rf"^/dev/diemcau/{label}\s", fstab, re.MULTILINE), label
    for number, partition in ((3, layout.SLOT_A), (4, layout.SLOT_B)):
        assert f"set number={number}; set label={partition.label};" in grub


# ── packages ─────────────────────────────────────────────────────────────────────────────────────


def test_an_image_has_what_a_provisioned_machine_has() -> None:
    names = packages.packages(ROOT / "playbooks", "amd64")
    assert {"weston", "openssh-server", "network-manager", "linux-image-amd64", "grub-common"} <= set(names)
    assert names == sorted(set(names))


def test_a_release_file_names_its_list_by_its_hash() -> None:
    text = cache.release(b"Package: a\n", "amd64")
    assert "Suite: bookworm\n" in text and " 11 Packages\n" in text


# ── no identity ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """What an image may hold, also what looks like a secret and is none."""
    put(tmp_path, "etc/shadow", "root:*:20000:0:99999:7:::\nsystemd:!*:20000::::::\n")
    put(tmp_path, "etc/gshadow", "root:*::\nvideo:::\n")
    put(tmp_path, "etc/machine-id", "")
    put(tmp_path, "usr/lib/python3/ssh.py", '_START = b"-----BEGIN OPENSSH PRIVATE KEY-----"\n_END = 1\n')
    put(tmp_path, "etc/ssl/certs/ca.pem", "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUJ\n")
    put(tmp_path, "boot/diemcau-example.toml", '#voucher = "…"\n#password = "x"\n')
    (tmp_path / "var/lib/diemcau-agent").mkdir(parents=True)
    return tmp_path


def put(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_clean_tree_is_let_through(clean: Path) -> None:
    assert scan(clean) == []


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("opt/unit.key", KEY.format("", "", ""), "a private key"),
        ("root/id", KEY.format("OPENSSH ", "", "OPENSSH "), "a private key"),
        ("a.pem", KEY.format("RSA ", "Proc-Type: 4,ENCRYPTED\n\n", "RSA "), "a private key"),
        ("b.pem", "junk\r\n" + KEY.format("EC ", "", "EC ").replace("\n", "\r\n"), "a private key"),
        ("backup.txt", f"AGE-SECRET-KEY-1{'Q' * 58}\n", "a private key"),
        ("a.ppk", "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", "a private key"),
        ("etc/wireguard/wg0.conf", f"[Interface]\nPrivateKey = {'k' * 43}=\n", "a private key"),
        ("opt/key.der", '0.\x02\x01\x000\x05\x06\x03+ep\x04"\x04 abc', "a private key"),
        ("root/.ssh/id_ed25519.pub", "ssh-ed25519 AAAA\n", "what belongs to one person"),
        ("var/lib/dhcp/dhclient.eth0.leases", "lease {}\n", "what belongs to one person or one box"),
        ("etc/passwd", "root:x:0:0::/root:/bin/sh\ntech::0:0::/:/bin/sh\n", "tech enters without a password"),
        ("etc/passwd", "tech:$6$abc$def:1000:1000::/:/bin/sh\n", "a password of tech"),
        ("var/lib/diemcau-update/order.json", "{}", "state of a box"),
        ("etc/machine-id", "0123456789abcdef0123456789abcdef\n", "a machine-id"),
        ("var/lib/dbus/machine-id", "0123456789abcdef0123456789abcdef\n", "a machine-id"),
        ("etc/ssh/ssh_host_ed25519_key", "x", "an SSH host key"),
        ("etc/ssh/ssh_host_rsa_key.pub", "x", "an SSH host key"),
        ("root/.ssh/authorized_keys", "ssh-ed25519 AAAA\n", "a log-in by SSH key"),
        ("etc/shadow", "root:*:1::::::\ntech:$y$j9T$abc$def:1::::::\n", "a password of tech"),
        ("etc/shadow-", "root::1::::::\n", "root enters without a password"),
        ("etc/gshadow", "sudo:$6$abc::\n", "a password of sudo"),
        ("var/lib/diemcau-agent/identity/unit.crt", "x", "state of a unit"),
        ("var/lib/systemd/random-seed", "x", "state of a box"),
        ("boot/firmware/diemcau.toml", '[network]\npassword = "mat-khau"\n', "a password or voucher"),
        ("etc/NetworkManager/system-connections/a.nmconnection", "[wifi-security]\npsk=x\n", "a password"),
    ],
)
def test_what_gives_an_image_an_identity_is_found(clean: Path, name: str, text: str, what: str) -> None:
    put(clean, name, text)
    (found,) = scan(clean)
    assert what in found.what and name.startswith(found.path)


def test_a_link_to_the_machines_own_keys_is_not_followed(
    clean: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("machine") / "host.key"
    outside.write_text(KEY.format("", "", ""))
    (clean / "link").symlink_to(outside)
    assert scan(clean) == []


# ── the same every time ──────────────────────────────────────────────────────────────────────────


def test_what_a_build_leaves_is_taken_out(clean: Path) -> None:
    put(clean, "var/log/dpkg.log", "x")
    put(clean, "var/cache/ldconfig/aux-cache", "x")
    put(clean, "etc/ssh/ssh_host_rsa_key", "x")
    put(clean, "etc/shadow-", "tech:$y$x:1::::::\n")
    put(clean, "var/lib/dbus/machine-id", "0123\n")
    put(clean, "boot/firmware/diemcau.toml", "x")
    put(clean, "usr/bin/kept", "x")
    scrub.scrub(clean, EPOCH)
    assert scan(clean) == []
    assert not list((clean / "var/log").iterdir()) and (clean / "usr/bin/kept").exists()
    assert (clean / "etc/shadow").read_text().startswith(f"root:*:{EPOCH // 86400}:0:99999:7:::\n")


def test_two_bills_of_one_image_are_equal() -> None:
    status = (
        "Package: weston\nStatus: install ok installed\nArchitecture: amd64\nVersion: 10.0.1-1+b1\n"
        "Description: a\n more: of it\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n"
        "Package: libatomic1\nStatus: install ok installed\nArchitecture: amd64\nSource: gcc-12 (12.2.0-14)\n"
        "Version: 12.2.0-14\n"
    )
    wheels = tuple(
        Wheel(
            name=name, version="1.0", file=f"{name}-1.0-py3-none-any.whl", sha256="0" * 64, size=1, arch=arch
        )
        for name, arch in (("av", Arch.AMD64), ("av", Arch.ARM64), ("diemcau-agent", Arch.ANY))
    )
    release = Release(version="1.4.0", built_at=datetime(2026, 1, 1, tzinfo=UTC), python="3.11", parts=wheels)
    make: Callable[[], str] = lambda: json.dumps(sbom("x", "amd64", status, release, "ab" * 32, EPOCH))  # noqa: E731
    document = json.loads(make())
    assert make() == json.dumps(document)
    assert [one["name"] for one in document["components"]] == ["libatomic1", "weston", "av", "diemcau-agent"]
    assert document["components"][0]["properties"][0]["value"] == "gcc-12 12.2.0-14"
    assert document["components"][1]["purl"].startswith("pkg:deb/debian/weston@10.0.1-1%2Bb1?arch=amd64")
    assert document["metadata"]["timestamp"] == "2026-01-01T00:00:00Z"


# ── what people see ──────────────────────────────────────────────────────────────────────────────


def test_what_the_office_filled_in_is_what_the_box_reads(tmp_path: Path) -> None:
    made = boot_text.boot_file("https://hop.example:8443", ["ab" * 32], "Phòng Văn hóa", "0905 123 456")
    prepared = boot_file.parse(boot_text.files(made)["diemcau.toml"], tmp_path)
    assert (prepared.address, prepared.roots) == ("https://hop.example:8443", {"ab" * 32})
    assert (prepared.contact, prepared.phone) == ("Phòng Văn hóa", "0905 123 456")
    assert boot_file.parse(boot_text.boot_file().encode(), tmp_path) == boot_file.Prepared()


def test_a_key_without_a_place_is_refused() -> None:
    with pytest.raises(CannotBuild, match="#address"):
        boot_text.boot_file("https://hop.example", example="# nothing here\n")


def test_the_fstab_of_an_image_keeps_what_services_need() -> None:
    kept = set(tree.kept())
    assert {"/var/lib/diemcau-agent", "/var/lib/diemcau-update", "/var/lib/systemd"} <= kept
    assert not any(one.endswith("/") for one in kept)


def test_playbooks_can_say_anew_whose_log_ins_count(tmp_path: Path) -> None:
    put(tmp_path, "etc/diemcau/ssh_authority", "ssh-ed25519 AAAA\n")
    (tmp_path / "var/lib/diemcau-logins").mkdir(parents=True)
    for _ in range(2):  # a tree is furnished anew where a build is looked at
        tree._move_logins(tmp_path)
    assert (tmp_path / "var/lib/diemcau-logins/ssh_authority").read_text() == "ssh-ed25519 AAAA\n"
    link = (tmp_path / "etc/diemcau/ssh_authority").readlink()
    assert link.is_absolute() and str(link.parent) in tree.kept()


def test_an_image_that_lets_nobody_in_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(CannotBuild, match="ssh_authority"):
        tree._move_logins(tmp_path)


@pytest.mark.parametrize(
    ("user", "group", "said"),
    [(961, 961, ""), (994, 961, "diemcau-unit is not number 961"), (961, 994, "group diemcau-unit")],
)
def test_a_units_users_have_the_same_numbers_in_each_system(
    tmp_path: Path, user: int, group: int, said: str
) -> None:
    put(
        tmp_path,
        "usr/lib/sysusers.d/diemcau.conf",
        '# x\nu diemcau-unit 961 "Điểm Cầu" /\nm diemcau-unit x\n',
    )
    put(tmp_path, "etc/passwd", f"diemcau-unit:x:{user}:{group}::/:/bin/sh\n")
    put(tmp_path, "etc/group", f"diemcau-unit:x:{group}:\n")
    if not said:
        tree.check_numbers(tmp_path)
        return
    with pytest.raises(CannotBuild, match=said):
        tree.check_numbers(tmp_path)


def test_the_numbers_are_fixed_and_each_is_given_once() -> None:
    lines = (ROOT / "agent/systemd/diemcau.sysusers").read_text(encoding="utf-8").splitlines()
    numbers = [line.split()[2] for line in lines if line.startswith(("u ", "g "))]
    assert all(100 <= int(number) < 1000 for number in numbers) and len(set(numbers)) == len(numbers)
