"""The product put into the guest as an installer will: wheels, services, users, identity."""

from __future__ import annotations

import compileall
import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from .guest import ROOT, Guest
from .patience import stretch

SYSTEMD = ROOT / "agent/systemd"
_SITE = "opt/diemcau/lib/python3.11/site-packages"
_WHERE = {
    **dict.fromkeys((".service", ".socket", ".path", ".timer"), "etc/systemd/system"),
    ".rules": "etc/udev/rules.d",
}
_NAMED = {
    "diemcau.sysusers": "usr/lib/sysusers.d/diemcau.conf",
    "diemcau.tmpfiles": "usr/lib/tmpfiles.d/diemcau.conf",
    "sshd_config": "etc/diemcau/sshd_config",
    "weston.ini": "etc/diemcau/weston.ini",
    "sound.pa": "etc/diemcau/sound.pa",
    "sound.conf": "etc/diemcau/sound.conf",
}
SERVICES = (
    "diemcau-sound diemcau-weston diemcau-screen.socket diemcau-media.socket diemcau-clock.path "
    "diemcau-usb.path diemcau-screen diemcau-unit"
)


def install(guest: Guest) -> None:
    """The agent of this tree from its wheels, and its services, not started yet.

    The wheels are unpacked and compiled out here, by the same Python: in the guest that takes minutes. Only
    the agent's time limits are other than shipped (`patience.py`).
    """
    archive = io.BytesIO()
    with (
        tempfile.TemporaryDirectory(prefix="diemcau-wheels-") as folder,
        tarfile.open(fileobj=archive, mode="w") as tar,
    ):
        wheels, site = Path(folder, "wheels"), Path(folder, "site")
        build = ["wheel", "--no-build-isolation", "-w", str(wheels), str(ROOT / "wire"), str(ROOT / "agent")]
        _pip(*build)
        _pip("install", "--no-compile", "--target", str(site), *(str(wheel) for wheel in wheels.iterdir()))
        stretch(site / "diemcau_agent")
        compileall.compile_dir(site, quiet=1, stripdir=str(site), prependdir=f"/{_SITE}")
        for found in site.glob("diemcau_*"):
            tar.add(found, f"{_SITE}/{found.name}")
        for file in sorted(SYSTEMD.iterdir()):
            if file.name in _NAMED or file.suffix in _WHERE:  # the rest is for services not started here
                tar.add(file, _NAMED.get(file.name) or f"{_WHERE[file.suffix]}/{file.name}")
    guest.run(f"rm -rf /{_SITE}/diemcau_* && tar -C / --no-same-owner -xf -", given=archive.getvalue())
    guest.run(
        "ln -sfn . /opt/diemcau/current && "
        "ln -sf /opt/diemcau/current/bin/diemcau-agent /usr/local/bin/diemcau-agent && "
        "systemd-sysusers && systemd-tmpfiles --create diemcau.conf && systemctl daemon-reload && "
        "udevadm control --reload",
        limit_s=600,
    )


def _pip(command: str, *arguments: str) -> None:
    pip = [sys.executable, "-m", "pip", command, "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, *arguments], check=True)


def be_patient(guest: Guest) -> None:
    """Signs of life may come later on a machine that is twenty times slower, and it gets its sensors."""
    for unit, watchdog_s in (("diemcau-screen.service", 90), ("diemcau-media@.service", 30)):
        text = f"[Service]\nWatchdogSec={watchdog_s}\nTimeoutStartSec=300\n"
        guest.write(f"/etc/systemd/system/{unit}.d/slow-machine.conf", text)
    text = "[Service]\nExecStartPre=+/opt/lab/sensors.sh\nEnvironment=DIEMCAU_SYSFS=/run/lab-sys\n"
    guest.write("/etc/systemd/system/diemcau-unit.service.d/sensors.conf", text)


def give_identity(guest: Guest, identity: Path) -> None:
    """The folder that `diemcau unit add` made, as the unit's own."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(identity, "identity")
    guest.run(
        "install -d -m 700 -o diemcau-unit -g diemcau-unit /var/lib/diemcau-agent && "
        "tar -C /var/lib/diemcau-agent --no-same-owner -xf - && cd /var/lib/diemcau-agent && "
        "chown -R diemcau-unit:diemcau-unit . && chmod 600 identity/unit.key && "
        "chmod 644 identity/*.crt identity/coordinator.json",
        given=archive.getvalue(),
    )


def start(guest: Guest) -> None:
    """Start the services, and have them started at every boot."""
    be_patient(guest)
    guest.run(
        f"systemctl daemon-reload && systemctl enable --quiet {SERVICES} && systemctl start {SERVICES}",
        limit_s=300,
    )
