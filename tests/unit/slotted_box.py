"""A box with two slots on disk, that is ordered another version: its boot loader, the scripts of its image
and RAUC as the updater sees them, and a coordinator's server in memory."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from diemcau_agent.updating import releases
from diemcau_agent.updating.line import Line, NotServed, Opened
from diemcau_agent.updating.places import Places
from diemcau_wire.release import TARGETS_PATH, Arch, System, system_path, write_release

from tests.system.updated_unit import NEW, OLD, UpdatedUnit, release_of, wheel

AGENT = wheel("diemcau-agent", b"the agent")
BUNDLE = b"a whole system " * 20_000
SYSTEM = System(version=NEW, arch=Arch.AMD64, sha256=hashlib.sha256(BUNDLE).hexdigest(), size=len(BUNDLE))
WORKS, BREAKS, SILENT, DEAD = "works", "breaks", "silent", "dead"
_OTHER = {"A": "B", "B": "A"}


class Restarted(Exception):
    """The box starts again: whoever ran is gone."""


class Served:
    """The coordinator's server; `cuts` are byte counts after which the next answers break off."""

    def __init__(self) -> None:
        self.bundle: bytes | None = BUNDLE
        self.cuts: list[int] = []
        self.begun_at: list[int] = []

    @contextmanager
    def open(self, path: str, start: int = 0) -> Iterator[Opened]:
        if path != TARGETS_PATH + system_path(SYSTEM) or self.bundle is None:
            raise NotServed(404)
        self.begun_at.append(start)
        rest = self.bundle[start:]
        rest = rest[: self.cuts.pop(0)] if self.cuts else rest
        bites = (rest[at : at + 65_536] for at in range(0, len(rest), 65_536))
        yield Opened(start, len(self.bundle), bites)


class SlottedBox(UpdatedUnit):
    """`does` is how the system of each version behaves; `rauc` what RAUC says of the bundle ("": it is good),
    `root` False: nobody does what only root may."""

    def __init__(self, root: Path) -> None:
        self.served = Served()
        self.system: System | None = SYSTEM
        self.does = {OLD: WORKS, NEW: WORKS}
        self.rauc, self.as_root = "", True
        self.installed = 0
        super().__init__(
            root,
            find=lambda _, __, version, *___: release_of(version, [AGENT]),
            line=lambda _: cast(Line, self.served),
        )
        self.with_hands(
            find_system=lambda _, __, version, *___: self.system if version == NEW else None,
            neighbour=lambda _: None,
            boot=lambda: (root / "boot-id").read_text(),
        )

    @classmethod
    def flashed(cls, root: Path) -> SlottedBox:
        """As it comes from its first start: the old system in slot A, nothing in B."""
        places = Places(root)
        for folder in (places.folder, places.shared, root / "data", root / "usr/lib/diemcau"):
            folder.mkdir(parents=True)
        (root / "slot-A").write_text(OLD)
        box = cls(root)
        box.boot_loader({"order": "AB", "A": [1, 0], "B": [0, 0]})
        box.start()
        box.judge()
        return box

    # ── what starts ──────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """The boot loader, `data.sh`, and nothing in /run."""
        root = self.places.root
        shutil.rmtree(root / "run", ignore_errors=True)
        self.places.requests.mkdir(parents=True)
        while True:
            told = json.loads((root / "grubenv").read_text())
            able = [slot for slot in told["order"] if told[slot][0] and told[slot][1] < 3]
            if not able:
                told["A"][1] = told["B"][1] = 0
                able = [slot for slot in told["order"] if told[slot][0]]
            slot = able[0]
            told[slot][1] += 1
            self.boot_loader(told)
            version = (root / f"slot-{slot}").read_text()
            if self.does.get(version, DEAD) != DEAD:
                break
        _put(root / "boot-id", os.urandom(8).hex())
        (root / "proc").mkdir(exist_ok=True)
        _put(root / "proc/cmdline", f"root=x rauc.slot={slot} quiet")
        _put(root / "usr/lib/diemcau/image", f"{version} 0123abcd\n")
        home = root / "data/slots" / slot
        if not (home / "image").exists() or (home / "image").read_text().split()[0] != version:
            shutil.rmtree(home, ignore_errors=True)
            (home / "opt/releases" / version).mkdir(parents=True)
            (home / "opt/releases" / version / "release.json").write_bytes(
                write_release(release_of(version, [AGENT]))
            )
            for link in ("current", "proven"):
                (home / "opt" / link).symlink_to(f"releases/{version}")
            _put(home / "image", f"{version} 0123abcd\n")
        (root / "opt").mkdir(exist_ok=True)
        (root / "opt/diemcau").unlink(missing_ok=True)
        (root / "opt/diemcau").symlink_to(f"../data/slots/{slot}/opt")
        self.runs = releases.running(self.places) or ""

    def judge(self) -> None:
        """`good.sh`: keep the slot that runs, or leave it."""
        slot, root = self.slot, self.places.root
        home, other = root / "data/slots" / slot, _OTHER[slot]
        told = json.loads((root / "grubenv").read_text())
        does = self.does[(root / f"slot-{slot}").read_text()]
        if (home / "good").exists() or does == WORKS:
            told[slot] = [1, 0]
            self.boot_loader(told)
            (home / "good").touch()
            return
        said = {BREAKS: "fault camera_missing", SILENT: "silent the unit does not answer"}
        _put(home / "left", said[does])
        self.boot_loader({**told, "order": other + slot, slot: [0, 0]})
        self.start()

    def until_end(self) -> None:
        """The box goes on until the order came to its end, or half an hour is over in which nothing moves."""
        for _ in range(40):
            try:
                if self.go():
                    return
            except Restarted:
                self.start()
            self.seconds += 60
            self.judge()

    # ── what only root does ──────────────────────────────────────────────────────────────────────

    def pause(self, seconds: float) -> None:
        super().pause(seconds)
        asked = self.places.requests / "system"
        if not self.as_root or not asked.exists():
            return
        question, order, what, *more = asked.read_text().split()
        asked.unlink()
        root, other = self.places.root, _OTHER[self.slot]
        if what == "install":
            answer = self.rauc or "ok"
            if answer == "ok":
                self._install(other, more[0])
        else:
            told = json.loads((root / "grubenv").read_text())
            (root / "data/slots" / other / "left").unlink(missing_ok=True)
            self.boot_loader({**told, "order": other + self.slot, other: [1, 0]})
            _put(root / "data/slots/chosen", order)
            answer = "ok"
        self.places.system_said.parent.mkdir(exist_ok=True)
        self.places.system_said.write_text(f"{question} {answer}\n")
        if what == "start":
            raise Restarted

    def _install(self, slot: str, sha256: str) -> None:
        self.installed += 1
        (bundle,) = (self.places.systems / sha256).glob("*.raucb")
        assert bundle.read_bytes() == BUNDLE
        root, name = self.places.root, {"A": "slot.rootfs.0", "B": "slot.rootfs.1"}[slot]
        told = json.loads((root / "grubenv").read_text())
        self.boot_loader({**told, slot: [0, 0]})
        _put(root / "data/rauc.status", f"[{name}]\nstatus=update\n")
        (root / f"slot-{slot}").write_text("torn")
        (root / f"slot-{slot}").write_text(NEW)
        _put(root / "data/rauc.status", f"[{name}]\nbundle.version={NEW}\nstatus=ok\n")

    def boot_loader(self, told: dict[str, Any]) -> None:
        _put(self.places.root / "grubenv", json.dumps(told))

    @property
    def slot(self) -> str:
        return (self.places.root / "proc/cmdline").read_text().partition("rauc.slot=")[2][0]


def _put(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".fresh")
    fresh.write_text(text)
    fresh.replace(path)
