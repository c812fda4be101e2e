"""The network a boot file names, as profiles of NetworkManager."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest
from diemcau_agent import network_profiles
from diemcau_agent.identity import boot_file
from diemcau_agent.identity.boot_file import Network
from diemcau_agent.identity.trouble import Trouble
from diemcau_agent.network_profiles import CABLE, MOBILE, WIFI, profiles

BOOT_FILE = Path(__file__).parents[2] / "firmware/boot/diemcau.toml"


def parsed(text: str) -> configparser.ConfigParser:
    found = configparser.ConfigParser(interpolation=None)
    found.read_string(text)
    return found


def test_a_wifi_is_named_by_its_bytes_and_its_password_is_kept_as_it_was() -> None:
    made = profiles(Network(ssid="UBND xã", password=" mật\\khẩu "))
    assert list(made) == [WIFI]
    wifi = parsed(made[WIFI])
    assert bytes(int(one) for one in wifi["wifi"]["ssid"].split(";")[:-1]).decode() == "UBND xã"
    assert wifi["wifi-security"]["psk"] == "\\smật\\\\khẩu\\s"
    assert wifi["ipv4"]["method"] == "auto"


def test_an_open_wifi_asks_for_no_password() -> None:
    assert "wifi-security" not in profiles(Network(ssid="khach"))[WIFI]


def test_a_cable_without_dhcp() -> None:
    cable = parsed(
        profiles(Network(ip="192.168.1.51/24", gateway="192.168.1.1", dns="192.168.1.1, 8.8.4.4"))[CABLE]
    )
    assert cable["ipv4"]["method"] == "manual"
    assert cable["ipv4"]["address1"] == "192.168.1.51/24,192.168.1.1"
    assert cable["ipv4"]["dns"] == "192.168.1.1;8.8.4.4;"
    assert "route-metric" not in cable["ipv4"]


def test_all_at_once_and_the_cable_goes_first() -> None:
    made = profiles(Network(ssid="a", apn="v-internet", ip="10.0.0.2/8"))
    assert set(made) == {CABLE, WIFI, MOBILE}
    assert parsed(made[MOBILE])["gsm"]["apn"] == "v-internet"
    metrics = [parsed(made[name])["ipv4"].get("route-metric", "100") for name in (CABLE, WIFI, MOBILE)]
    assert metrics == sorted(metrics, key=int) and len(set(metrics)) == 3
    assert len({parsed(text)["connection"]["uuid"] for text in made.values()}) == 3


@pytest.mark.parametrize(
    "line",
    [
        'ip = "192.168.1.51"',  # how long is the network?
        'ip = "192.168.1.300/24"',
        'ip = "fd00::5/64"',
        'gateway = "router"\nip = "192.168.1.5/24"',
        'dns = "192.168.1.1; 8.8.8.8"\nip = "192.168.1.5/24"',
        'wpa3 = "yes"\nssid = "a"',
    ],
)
def test_what_cannot_be_is_told_with_its_line(line: str, tmp_path: Path) -> None:
    with pytest.raises(Trouble) as trouble:
        boot_file.parse(f"# x\n[network]\n{line}\n".encode(), tmp_path)
    assert (trouble.value.why, trouble.value.line) == ("boot_file_broken", "3")


@pytest.mark.parametrize("line", ['gateway = "192.168.1.1"', 'password = "mat-khau"', 'ssid = ""'])
def test_where_no_line_is_named_the_heading_is(line: str, tmp_path: Path) -> None:
    with pytest.raises(Trouble) as trouble:
        boot_file.parse(f"# x\n[network]\n{line}\n".encode(), tmp_path)
    assert (trouble.value.why, trouble.value.line) == ("boot_file_broken", "2")


def write(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Run it on a boot file; gives the folders of made and kept profiles."""
    made, kept = tmp_path / "run", tmp_path / "kept"
    kept.mkdir()
    (kept / f"{WIFI}.nmconnection").write_text("from a paper")
    (kept / "office.nmconnection").write_text("by a person")
    (tmp_path / "diemcau.toml").write_text(text)
    monkeypatch.setenv(boot_file.PLACES, str(tmp_path / "diemcau.toml"))
    monkeypatch.setattr(sys, "argv", ["network_profiles", str(made), str(kept)])
    assert network_profiles.main() == 0
    return made, kept


def test_the_file_wins_over_what_was_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, kept = write(tmp_path, '[network]\nssid = "UBND"\npassword = "mat-khau"\n', monkeypatch)
    assert [path.name for path in kept.iterdir()] == ["office.nmconnection"]
    (profile,) = made.iterdir()
    assert profile.stat().st_mode & 0o777 == 0o600 and "psk=mat-khau" in profile.read_text()


@pytest.mark.parametrize("text", ["", "[network\nssid=", '[network]\nip = "x"\n', "\0\0"])
def test_garbage_leaves_the_cable(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, kept = write(tmp_path, text, monkeypatch)
    assert not made.exists() and len(list(kept.iterdir())) == 2


def test_the_file_the_image_brings_can_be_read_with_every_line_in_use(tmp_path: Path) -> None:
    text = BOOT_FILE.read_text(encoding="utf-8")
    assert boot_file.parse(text.encode(), tmp_path) == boot_file.Prepared()
    in_use = re.sub(r"^#(?=[a-z\[])", "", text, flags=re.MULTILINE)
    network = boot_file.parse(in_use.encode(), tmp_path).network
    assert network is not None and set(profiles(network)) == {CABLE, WIFI, MOBILE}


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        (BOOT_FILE.read_text(encoding="utf-8"), False),
        ("[network]\r\n", True),
        ("\t[ network ]\n", True),
        ('network = { apn = "v-internet" }\n', True),
        ("\ufeff[network]\n", True),
    ],
)
def test_python_is_started_for_every_file_that_may_name_a_network(
    text: str, tmp_path: Path, *, asked: bool
) -> None:
    unit = BOOT_FILE.parents[1] / "system/etc/systemd/system/diemcau-boot-network.service"
    pattern = re.search(r'^ExecCondition=/bin/grep -q "(.+)" \S+$', unit.read_text(), re.MULTILINE)
    assert pattern is not None and "\\" not in pattern[1]
    (tmp_path / "diemcau.toml").write_text(text, encoding="utf-8")
    found = subprocess.run(["grep", "-q", pattern[1], tmp_path / "diemcau.toml"], env={"LC_ALL": "C"})
    assert (found.returncode == 0) is asked
