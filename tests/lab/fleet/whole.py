"""Part `fleet`: one fleet of five. A bare server becomes the coordinator, four bare machines its units, and
its own engine brings them releases, by the commands of docs/server.md and docs/huong-dan/cai-dat.md."""

from __future__ import annotations

import io
import shlex
import subprocess
import tarfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.lab.machine import MachineFailed
from tests.lab.report import Evidence, NotShown, Report

from . import coordinator, office, rollouts, units
from .coordinator import Coordinator
from .guide import Block, List, commands, machines
from .nodes import FOLDER, Fleet, Node
from .office import FIRST, NEXT, VERSIONS, WAITS, site_of, update_of
from .playbook import Played, play_at

MACHINES = ("n2", "n3", "n4", "n5")  # the server is n1
PLAIN = "n5"  # updated by hand; the other three by the engine
ROWS = [
    "a bare server becomes the coordinator, and makes its releases",
    "four bare machines become its units, by the guide's commands",
    "a release by plain ansible-playbook on the server, by the guide's commands",
    *rollouts.DURING,
    "what tells why, and the end of a machine, by the guide's commands",
    *rollouts.AFTER,
]
_PHRASE = "--passphrase-file /root/phrase"
_DEVICES = '--television none --buttons none --morning-at ""'


class Five:
    """The coordinator on its node, and the machines."""

    def __init__(self, fleet: Fleet, one: Coordinator) -> None:
        self.fleet, self.one, self.server = fleet, one, one.server
        self.nodes = {name: fleet.nodes[name] for name in MACHINES}
        self.plain_s = 0.0  # how long the release by plain ansible-playbook took
        self.rollout, self.meeting = "", ""
        self._line: subprocess.Popen[str] | None = None

    def settled(self, *names: str) -> bool:
        """Whether the units of these machines are there, and run what is meant for them."""
        found = {site["id"]: site["unit"] for site in self.one.diemcau("status")["sites"]}
        return all(
            (unit := found.get(site_of(self.nodes[name])))
            and unit["status"] == "online"
            and unit["config"]["reported"] == unit["config"]["desired"] is not None
            for name in names
        )

    def unit(self, name: str) -> str:
        """The id of a machine's unit."""
        return self.one.bound()[site_of(self.nodes[name])][0]

    def play(self, release: str, block: Block, instead: dict[str, str], log: Path) -> Played:
        """A block of the guide that is one run, in the folder of a release's playbooks."""
        place = f"cd /root/diemcau-{release}/playbooks"
        return play_at(self.server, [place, *commands(block, instead)], log)

    def unpack(self, release: str) -> None:
        """The playbooks of a release, where the guide has them."""
        self.server.run("\n".join(["set -e", *commands(Block.UNITS, {"1.4.0": release})[:2]]))

    def open_line(self, name: str) -> None:
        """Have a unit dial in, and name it for Ansible, as the guide says; it stays until `hang_up`."""
        unit = self.unit(name)
        (command,) = commands(Block.WAY_IN, {"MÁY": unit})
        self._line = subprocess.Popen(
            [*self.server.ssh("-tt"), command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        file = str(self._line.stdout and self._line.stdout.readline()).strip()
        if not file.startswith("/tmp/diemcau-reach-"):
            raise NotShown(f"{name} does not dial in: {file}")
        example = "/tmp/diemcau-reach-…/ssh_config"
        self.server.write("/root/may.ini", machines(List.IN_USE, {"MÁY": unit, example: file}))

    def hang_up(self) -> None:
        if self._line is not None:
            self._line.terminate()
            self._line.wait(20)

    def until(self, reached: Callable[[], Any], failure: str, limit_s: float) -> float:
        """Wait until something is so; who does not answer is asked again. Gives the seconds."""

        def asked() -> Any:
            try:
                return reached()
            except (MachineFailed, ValueError, KeyError):
                return None

        return self.one.until(asked, failure, limit_s)


def prepare() -> tuple[Path, Path]:
    """The coordinator's wheels, and those that a release for units is made of."""
    return coordinator.prepare(), office.prepare("whole", [FIRST]) / "releases/targets/wheels"


def run(report: Report, fleet: Fleet, prepared: tuple[Path, Path]) -> list[str]:
    """Show every row; gives their names. `prepared` is what :func:`prepare` gave."""
    if report.done(*ROWS):
        return ROWS
    wheels, parts = prepared
    one = Coordinator(fleet, wheels)
    units.start(fleet, *MACHINES)
    there = Five(fleet, one)
    rows: list[Callable[[Five, Evidence], str]] = [
        partial(becomes, parts),
        provision,
        by_hand,
        *rollouts.SHOW_DURING,
        leaves,
        *rollouts.SHOW_AFTER,
    ]
    try:
        for number, (name, show) in enumerate(zip(ROWS, rows, strict=True)):
            if not report.show(name, partial(show, there)) and number < 2:
                break  # there is no fleet to go on with
    finally:
        there.hang_up()
    return ROWS


def becomes(parts: Path, there: Five, evidence: Evidence) -> str:
    """docs/server.md, then the guide's first block for each version; what its wheels are made of lies there
    already, for nodes have no way to an index."""
    server = there.server
    played = there.one.play(evidence.path("log"))
    if played.code != 0:
        raise NotShown(played.failure())
    with tarfile.open(fileobj=(packed := io.BytesIO()), mode="w") as tar:
        for version in VERSIONS:
            tar.add(office.source(there.fleet.folder / "source", version), f"root/source-{version}")
        tar.add(parts, "var/lib/diemcau/releases/targets/wheels")
    server.run(
        "tar -C / --no-same-owner -xf - && chown -R diemcau: /var/lib/diemcau/releases",
        given=packed.getvalue(),
        limit_s=600,
    )
    server.write("/root/phrase", "bốn từ không ai đoán ra\n", "600")
    began = time.monotonic()
    for version in VERSIONS:
        instead = {
            "1.4.0": version,
            "/root/diemcau": f"/root/source-{version}",
            "/media/usb/khoa": "/root/khoa",
        }
        keys, build, sign, offer = commands(Block.RELEASE, instead)
        if version == FIRST:
            server.run(f"{keys} {_PHRASE}")
        server.run(build, limit_s=600)
        server.run(f"{sign} {_PHRASE}")
        server.run(offer)
    each = (time.monotonic() - began) / len(VERSIONS)
    authority = "test -s /var/lib/diemcau/releases/ssh_authority && echo there || true"
    there.until(lambda: server.run(authority), "whose log-ins units accept is not said", 90)
    return (
        f"{played.took_s:.0f} s from bare to the coordinator; three versions built, signed and offered "
        f"there, {each:.0f} s each"
    )


def provision(there: Five, evidence: Evidence) -> str:
    """The log-in that the guide asks for, its command, and each machine admitted by its digits."""
    server = there.server
    server.write("/root/.ssh/id_ed25519", (FOLDER / "key").read_bytes(), "600")
    server.write("/root/.ssh/known_hosts", (there.fleet.folder / "known_hosts").read_bytes())
    form, *_ = machines(List.NEW, {}).splitlines()[1:]
    lines = [
        form.replace("may-51", name).replace("192.168.1.51", node.address)
        for name, node in there.nodes.items()
    ]
    server.write("/root/may-moi.ini", "\n".join(["[units]", *lines, ""]))
    roots = [one["fingerprint"] for one in there.one.diemcau("ca status")["roots"]]
    instead = {
        "1.4.0": FIRST,
        "expected_hosts=2": f"expected_hosts={len(MACHINES)}",
        "hop.xa-mau.example": server.address,
        "dấu vân tay trong `diemcau ca status`": '", "'.join(roots),
    }
    given = commands(Block.UNITS, instead)
    foretold = play_at(server, [*given[:-1], f"{given[-1]} --check"], evidence.path("check.log"))
    if foretold.code != 0 or foretold.said.count("is bare, and can become a unit") != len(MACHINES):
        raise NotShown(f"check mode: {foretold.failure()}")
    played = play_at(server, given, evidence.path("log"))
    if played.code != 0:
        raise NotShown(played.failure())
    evidence.json("recap", played.recap)
    for number, (name, node) in enumerate(there.nodes.items()):
        there.until(partial(units.digits_of, node), f"{name} shows no digits", 120)
        site = {"xa-ea-kpam": site_of(node), "Hội trường xã Ea Kpam": f"Hội trường xã số {number}"}
        add, approve = commands(Block.ADMIT, {**site, "123456789": units.digits_of(node)})
        server.run(f"{add} --camera synthetic --mic tone:{500 + 90 * number} --sound none")
        server.run(f"diemcau site set {site_of(node)} {_DEVICES}")
        server.run(approve)
    took = there.until(partial(there.settled, *MACHINES), "not every unit runs its configuration", 180)
    for node in there.nodes.values():
        node.shut = True  # Debian's SSH closes there an hour after the provisioning
    return (
        f"check mode says after {foretold.took_s:.0f} s that they can; four at once in {played.took_s:.0f} s "
        f"({played.took_s / len(MACHINES):.0f} s a machine, by plain ansible-playbook); all run their hall's "
        f"configuration {took:.0f} s after the last was admitted"
    )


def by_hand(there: Five, evidence: Evidence) -> str:
    """What the engine does for the others, for one unit by the commands of the guide."""
    there.unpack(NEXT)
    began = time.monotonic()
    there.open_line(PLAIN)
    dialled = time.monotonic() - began
    for number in range(4):
        played = there.play(NEXT, Block.BY_HAND, {"1.4.1": NEXT}, evidence.path(f"log{number}"))
        step = update_of(there.nodes[PLAIN])
        evidence.json("step", step)
        if played.code == 0 and step["running"] == NEXT and "still to come" not in played.said:
            there.plain_s = played.took_s + dialled
            return f"{there.plain_s:.0f} s, {dialled:.0f} s of them until its line stood; try {number + 1}"
        time.sleep(30)  # a check of the room was going on
    raise NotShown(f"{played.failure()}: {step}")


def leaves(there: Five, evidence: Evidence) -> str:
    """While another waits for the end of its meeting's time: what is known of a unit, and its end."""
    node, unit = there.nodes[PLAIN], there.unit(PLAIN)
    there.hang_up()
    there.open_line(PLAIN)
    told = there.play(NEXT, Block.DIAGNOSE, {}, evidence.path("diagnose.log"))
    files = there.server.run(f"ls /root/chan-doan/{shlex.quote(unit)}").split()
    if told.code != 0 or not {"log.txt", "status.json"} <= set(files):
        raise NotShown(f"{told.failure()}: {files}")
    played = there.play(NEXT, Block.RETIRE, {"MÁY": unit}, evidence.path("retire.log"))
    if played.code != 0 or WAITS in played.said:
        raise NotShown(played.failure())
    there.until(lambda: not left(node), "something of the unit is left", 180)
    there.server.run(f"diemcau unit revoke {unit} --reason 'thôi dùng'")
    return f"{len(files)} files tell of it; then nothing of the unit is left on its machine"


def left(node: Node) -> list[str]:
    """What of the unit is still on a machine, apart from what the lab put there."""
    files = "/opt/diemcau /var/lib/diemcau-* /etc/diemcau /etc/systemd/system/diemcau-*.service"
    services = "systemctl list-units --no-legend --plain --state=active 'diemcau-*'"
    return node.run(f"ls -d {files} /boot/diemcau.toml 2>/dev/null; {services}", check=False).split()
