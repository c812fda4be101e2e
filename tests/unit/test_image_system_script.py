"""What root does with the other slot of an image when the updater asks: the real script, with RAUC, the boot
loader's file and the restart made up."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from diemcau_agent.rules.updating import State, Step
from diemcau_agent.updating.asking import Asking
from diemcau_agent.updating.places import Places
from diemcau_agent.updating.slots import Slots

from firmware.tree import FACTORY, SYSTEM
from tests.system.updated_unit import NOW

pytestmark = pytest.mark.skipif(shutil.which("grub-editenv") is None, reason="needs grub-common")
SCRIPTS = ("system.sh", "good.sh", "boot_loader.sh")
SHA = "ab" * 32
_RAUC = """#!/bin/sh
[ "$1" = install ] || exit 9
echo "installing $2"
[ -z "$REFUSES" ] || { echo "LastError: $REFUSES"; exit 1; }
printf '[slot.rootfs.1]\\nbundle.version=1.1.0\\nstatus=ok\\n' >ROOT/data/rauc.status
"""


class Machine:
    """The scripts below `root` instead of `/`: slot A runs, and was good."""

    def __init__(self, root: Path) -> None:
        self.root, self.places = root, Places(root)
        for folder in (
            *(
                "bin",
                "proc",
                "etc",
                "run/diemcau-system",
                "boot/efi/EFI/BOOT",
                "data/slots/A",
                "data/slots/B",
            ),
            FACTORY,
            self.places.requests,
            self.places.systems / SHA,
        ):
            (root / folder).mkdir(parents=True)
        for name in SCRIPTS:
            text = (SYSTEM / FACTORY / name).read_text()
            for top in (
                "/run/",
                "/data/",
                "/var/lib/",
                "/proc/",
                "/usr/lib/",
                "/boot/",
                "/etc/",
                "/opt/",
                "/sys/",
            ):
                text = text.replace(top, f"{root}{top}")
            (root / FACTORY / name).write_text(text.replace(f"{root}{root}", str(root)))
        self.program("rauc", _RAUC.replace("ROOT", str(root)))
        self.program("systemctl", f'#!/bin/sh\necho "$@" >>{root}/restarts\n')
        self.program("sync", "#!/bin/sh\n")
        (self.places.systems / SHA / "diemcau-1.1.0-amd64.raucb").write_text("bundle")
        (root / "etc/machine-id").write_text("0123abcd\n")
        (root / FACTORY / "image").write_text("1.0.0 aa\n")
        (root / "data/slots/A/good").touch()
        (root / "data/slots/B/left").write_text("fault of long ago\n")
        for env in (root / FACTORY / "grubenv", self.env):
            self._editenv("create", env=env)
        self._editenv("set", "ORDER=A B", "A_OK=1", "A_TRY=0", "B_OK=0", "B_TRY=2", "machine_id=0123abcd")
        self.runs("A")

    @property
    def env(self) -> Path:
        return self.root / "boot/efi/EFI/BOOT/grubenv"

    def runs(self, slot: str) -> None:
        (self.root / "proc/cmdline").write_text(f"quiet rauc.slot={slot} panic=20\n")

    def told(self) -> dict[str, str]:
        listed = self._editenv("list")
        return dict(line.split("=", 1) for line in listed.splitlines())

    def program(self, name: str, text: str) -> None:
        (self.root / "bin" / name).write_text(text)
        (self.root / "bin" / name).chmod(0o755)

    def script(self, name: str, **environment: str) -> int:
        path = f"{self.root}/bin:/usr/bin:/bin"
        argv = ["/bin/sh", str(self.root / FACTORY / name)]
        return subprocess.run(argv, env={"PATH": path, **environment}, timeout=30, check=False).returncode

    def ask(self, what: str, **environment: str) -> str | None:
        """As the updater asks."""
        clock = [0.0]

        def pause(seconds: float) -> None:
            clock[0] += seconds
            if (self.places.requests / "system").exists():
                self.script("system.sh", **environment)

        return Asking(self.places, pause=pause, seconds=lambda: clock[0]).system(what, "o-1", 5)

    def _editenv(self, *words: str, env: Path | None = None) -> str:
        argv = ["grub-editenv", str(env or self.env), *words]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "root")


def test_a_system_is_put_there_and_only_started_when_it_is_asked_for(machine: Machine) -> None:
    assert machine.ask(f"install {SHA}") == "ok"
    assert Slots(machine.places).other_holds() == "1.1.0"
    assert machine.told()["ORDER"] == "A B" and not (machine.root / "restarts").exists()

    assert machine.ask("start") == "ok"
    told = machine.told()
    assert (told["ORDER"], told["B_OK"], told["B_TRY"], told["A_OK"]) == ("B A", "1", "0", "1")
    assert told["machine_id"] == "0123abcd" and machine.env.stat().st_size == 1024
    assert Slots(machine.places).chosen_by() == "o-1"
    assert Slots(machine.places).left() == "", "what was said of another system says nothing of this one"
    assert (machine.root / "restarts").read_text() == "reboot\n"


def test_what_rauc_refuses_is_told(machine: Machine) -> None:
    said = machine.ask(f"install {SHA}", REFUSES="signature verification failed: self-signed certificate")
    assert said == "signature verification failed: self-signed certificate"


def test_an_empty_slot_is_not_started(machine: Machine) -> None:
    assert machine.ask("start") == "there is no whole system in slot B"
    (machine.root / "data/rauc.status").write_text(
        "[slot.rootfs.1]\nstatus=update\n[slot.rootfs.0]\nstatus=ok\n"
    )
    assert machine.ask("start") == "there is no whole system in slot B"
    assert machine.told()["ORDER"] == "A B" and not (machine.root / "restarts").exists()


def test_back_to_the_slot_it_was_flashed_with(machine: Machine) -> None:
    machine.runs("B")
    assert machine.ask("start") == "ok"
    assert machine.told()["ORDER"] == "A B"


def test_a_boot_loader_that_cannot_be_told_leaves_everything_as_it_was(machine: Machine) -> None:
    machine.ask(f"install {SHA}")
    machine.program("dd", "#!/bin/sh\nexit 1\n")
    assert machine.ask("start") == "grubenv cannot be written"
    machine.program("grub-editenv", "#!/bin/sh\nexit 1\n")
    assert machine.ask("start") == "grubenv cannot be written"
    assert Slots(machine.places).chosen_by() == "" and not (machine.root / "restarts").exists()


@pytest.mark.parametrize(
    "asked", ["", "q", "q o", "q $(reboot) start", "q o erase", "q ../../x install ..\n"]
)
def test_what_is_no_question_does_nothing(machine: Machine, asked: str) -> None:
    (machine.places.requests / "system").write_text(asked)
    assert machine.script("system.sh") == 0
    assert machine.told()["ORDER"] == "A B" and not (machine.root / "restarts").exists()
    assert not (machine.places.requests / "system").exists()


@pytest.mark.parametrize(
    ("printed", "code", "left"),
    [("fault camera_missing", 1, "fault camera_missing"), ("", 2, "fault the room was not checked")],
)
def test_why_a_system_is_left_is_there_for_the_one_before(
    machine: Machine, printed: str, code: int, left: str
) -> None:
    (machine.root / "data/slots/B/good").touch()
    (machine.root / "data/slots/A/good").unlink()
    machine.program("setpriv", f'#!/bin/sh\ncase "$*" in *slot_gate) echo {printed}; exit {code};; esac\n')
    assert machine.script("good.sh") == 1
    told = machine.told()
    assert (told["ORDER"], told["A_OK"]) == ("B A", "0")
    machine.runs("B")
    assert Slots(machine.places).left() == left


def test_a_system_whose_room_works_is_kept(machine: Machine) -> None:
    (machine.root / "data/slots/B/good").touch()
    (machine.root / "data/slots/A/good").unlink()
    machine.program("setpriv", "#!/bin/sh\n")
    assert machine.script("good.sh") == 0
    assert Slots(machine.places).good() and machine.told()["A_OK"] == "1"


@pytest.mark.parametrize(("card", "kept"), [("driven", True), ("not driven", False), ("taken out", True)])
def test_a_system_without_the_driver_of_a_network_card_is_left(
    machine: Machine, card: str, *, kept: bool
) -> None:
    """Whoever checks the room has no say about the line, and nobody would reach the box again."""
    there = machine.root / "sys/devices/card0"
    there.mkdir(parents=True)
    (there / "driver").write_text("")
    for name, target in (("eth0", there), ("lo", None)):
        (machine.root / "sys/class/net" / name).mkdir(parents=True)
        if target is not None:
            (machine.root / "sys/class/net" / name / "device").symlink_to(target)
    machine.ask(f"install {SHA}")
    assert machine.ask("start") == "ok"

    machine.runs("B")
    if card != "driven":
        (there / "driver").unlink()
    if card == "taken out":
        there.rmdir()
    machine.program("setpriv", "#!/bin/sh\n")
    machine.program("sleep", "#!/bin/sh\n")
    assert machine.script("good.sh") == (0 if kept else 1)
    assert machine.told()["ORDER"] == ("B A" if kept else "A B")
    machine.runs("A")
    assert Slots(machine.places).left() == (
        "" if kept else f"fault no driver for the network card at {there}"
    )


def test_the_state_of_such_an_order_is_read_by_who_knows_of_none() -> None:
    state = State(step=Step.GATING, order="o", version="1.1.0", system="1.1.0", at=NOW)
    told = state.model_dump_json()
    assert State.model_validate_json(told.replace('"system"', '"something_newer"')).step is Step.GATING
