"""What the lab's image is made from: a signed release of this tree, with a slow machine's limits of time."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from diemcau_controller.adapters.authority import Authority
from diemcau_controller.config import StateDir

from firmware.bundles import make_key
from tests.lab.machine import MachineFailed
from tests.lab.report import ROOT
from tests.lab.vm.patience import FACTOR, stretch

FOLDER = ROOT / ".lab/image"
VERSIONS = FIRST, NEXT, BROKEN = "1.0.0", "1.0.1", "1.0.2"
_PARTS = ("wire", "agent", "playbooks")
_LIMIT = re.compile(r"^(WatchdogSec|TimeoutStartSec)=(\d+)$", re.MULTILINE)


def prepare() -> Path:
    """The office's state folder with three signed releases: this tree's, one with nothing but a higher
    number, and one that opens no network camera. Wheels are kept. Raises :class:`MachineFailed`."""
    folder, kept, keys = FOLDER / "office", FOLDER / "wheels", FOLDER / "keys"
    for former in (folder, keys, FOLDER / "system-keys", FOLDER / "foreign-keys"):
        shutil.rmtree(former, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    releases = StateDir(folder).releases
    if kept.exists():
        shutil.copytree(kept, releases / "targets/wheels")
    _diemcau(folder, "release", "keys", str(keys), "--unlocked")
    for version in VERSIONS:
        with tempfile.TemporaryDirectory(prefix="diemcau-source-") as scratch:
            source = Path(scratch)
            for part in _PARTS:
                shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copy(ROOT / "requirements.lock", source)
            (source / "version.py").write_text(f'"""The version."""\n\n__version__ = "{version}"\n')
            be_patient(source)
            if version == BROKEN:
                break_camera(source)
            _diemcau(folder, "release", "build", "--source", str(source))
        _diemcau(folder, "release", "sign", version, "--keys", str(keys))
    shutil.copy(make_key(FOLDER / "system-keys"), releases)
    make_key(FOLDER / "foreign-keys")
    # what a controller that runs writes there
    authority = Authority(StateDir(folder).authority)
    authority.ensure()
    (releases / "ssh_authority").write_text(f"{authority.ssh.user_ca()}\n")
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(releases / "targets/wheels", kept)
    return folder


def break_camera(source: Path) -> None:
    """Whoever opens a network camera falls."""
    camera = source / "agent/diemcau_agent/drivers/rtsp.py"
    opens = "        self._name = without_password(url)\n"
    text = camera.read_text()
    assert opens in text
    camera.write_text(text.replace(opens, f"        raise RuntimeError\n{opens}", 1))


def be_patient(source: Path) -> None:
    """As in the lab's other guest: what counts as silent or late comes later, and nothing else is changed."""
    stretch(source / "agent/diemcau_agent")
    rules = source / "agent/diemcau_agent/rules/updating.py"
    rules.write_text(f"{rules.read_text()}\nGATE_S *= {FACTOR}\n")
    for file in (source / "agent/systemd").glob("*.service"):
        text = file.read_text(encoding="utf-8")
        file.write_text(_LIMIT.sub(lambda it: f"{it[1]}={int(it[2]) * FACTOR}", text), encoding="utf-8")


def _diemcau(folder: Path, *words: str) -> None:
    program = [Path(sys.executable).parent / "diemcau", *words, "--state-dir", folder]
    done = subprocess.run(program, capture_output=True, text=True, timeout=1800)
    if done.returncode != 0:
        raise MachineFailed(f"`diemcau {' '.join(words)}` failed: {done.stderr.strip()[-600:]}")
