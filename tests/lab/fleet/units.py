"""Rows of part `fleet`: bare machines become units of halls, meet, are updated, and leave service."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from diemcau_controller.config import StateDir

from tests.lab.report import Evidence, NotShown, Report

from . import updates
from .nodes import Fleet, Node, build
from .office import BIN, NODES, WAITS, Office, office, prepare, site_of, status
from .playbook import differences, play, state

ROWS = [
    "three bare machines become boxes that ask to be units",
    "the second run changes nothing",
    "a run that reaches more machines than were meant is refused",
    "approved by the digits on their screens they are units",
    "reached through the tunnel alone",
    *updates.DURING,
    "the units meet",
    "running services leave little open",
    "what tells why comes home",
    *updates.AFTER,
    "a retired machine is blank",
]
# What a machine has not got that has no television: the compositor draws into memory, the screen nowhere.
_NO_TELEVISION = {
    "diemcau-weston": """
        PAMName=
        TTYPath=
        TTYReset=no
        TTYVHangup=no
        TTYVTDisallocate=no
        StandardInput=null
        ExecStartPre=
        ExecStart=
        ExecStart=/usr/bin/env XDG_RUNTIME_DIR=/run/diemcau-screen /usr/bin/weston \\
            --config=/etc/diemcau/weston.ini --socket=wayland-0 --backend=headless-backend.so
        """,
    "diemcau-screen": "Environment=SDL_VIDEODRIVER=dummy",
    "diemcau-unit": "Environment=DIEMCAU_CODE_CAMERA=none",
}
_EXPOSURE = """
for unit in $(systemctl list-units --plain --no-legend --state=active 'diemcau-*.service' | cut -d' ' -f1); do
    name=${unit#diemcau-}
    said=$(systemd-analyze security --no-pager $unit | tail -1)
    said=${said#*: }
    echo "${name%.service} ${said%% *}"
done
"""


# ── the rows ─────────────────────────────────────────────────────────────────────────────────────


def run(report: Report, fleet: Fleet, folder: Path) -> list[str]:
    """Show every row; gives their names. `folder` is what :func:`prepare` gave."""
    if report.done(*ROWS):
        return ROWS
    start(fleet, *NODES)
    with office(fleet, folder) as there:
        rows: list[Callable[[Office, Evidence], str]] = [
            provision,
            second_run,
            too_wide,
            approve,
            tunnel,
            updates.deferred,
            updates.broken,
            meet,
            exposure,
            diagnose,
            updates.afterwards,
            retire,
        ]
        for name, show in zip(ROWS, rows, strict=True):
            if not report.show(name, partial(show, there)) and name == ROWS[0]:
                break  # there are no boxes to go on with
    return ROWS


def start(fleet: Fleet, *names: str) -> list[Node]:
    """Bare machines without a television."""
    fleet.start(*names)
    for name in names:
        for service, text in _NO_TELEVISION.items():
            drop_in = f"/etc/systemd/system/{service}.service.d/lab.conf"
            fleet.nodes[name].write(drop_in, f"[Service]\n{text}\n")
    return [fleet.nodes[name] for name in names]


def provision(there: Office, evidence: Evidence) -> str:
    there.until((StateDir(there.stage.root).releases / "ssh_authority").exists, 90, "no ssh_authority")
    played = there.play("provision.yml", evidence)
    digits = []
    for node in there.nodes:
        code = there.until(partial(digits_of, node), 120, f"{node.name} shows no digits")
        digits.append(len(code))
    if digits != [9, 9, 9]:
        raise NotShown(f"digits: {digits}")
    evidence.json("recap", played.recap)
    each = played.took_s / len(there.nodes)
    return f"three at once in {played.took_s:.0f} s ({each:.0f} s a machine); each shows nine digits"


def digits_of(node: Node) -> str:
    return str(status(node).get("enrolment", {}).get("code") or "")


def second_run(there: Office, evidence: Evidence) -> str:
    before = {node.name: state(node) for node in there.nodes}
    played = there.play("provision.yml", evidence)
    evidence.json("state", before)
    for node in there.nodes:
        if odd := differences(before[node.name], state(node)):
            raise NotShown(f"{node.name}: not as before: {', '.join(odd[:6])}")
    if played.count("changed"):
        raise NotShown(f"changed: {played.recap}")
    started = sum(name.startswith("started:") for name in before[NODES[0]])
    rest = len(before[NODES[0]]) - started
    return (
        f"changed=0 in {played.took_s:.0f} s; {rest} hashes, modes and links on each and the start times "
        f"of {started} services are the same"
    )


def too_wide(there: Office, evidence: Evidence) -> str:
    for meant in (0, 2):
        played = there.try_to("provision.yml", evidence, expected_hosts=meant)
        if played.code == 0 or "nothing was done" not in played.said or played.count("changed"):
            raise NotShown(f"{meant} meant, three reached: {played.recap}")
    return f"three reached, two meant, or none named: {played.failure()}"


def approve(there: Office, evidence: Evidence) -> str:
    began = time.monotonic()
    for node in there.nodes:
        code = status(node)["enrolment"]["code"]
        there.stage.api.post(
            "/api/v1/enrolments/approve", {"code": code, "site": site_of(node), "what": "install"}
        )

    def settled() -> bool:
        sites = {site["id"]: site["unit"] for site in there.stage.api.get("/api/v1/sites")}
        evidence.json("units", {site_of(node): sites[site_of(node)] for node in there.nodes})
        return all(
            (unit := sites[site_of(node)])
            and unit["status"] == "online"
            and unit["config"]["reported"] == unit["config"]["desired"] is not None
            for node in there.nodes
        )

    there.until(settled, 120, "not every unit runs its configuration")
    took = time.monotonic() - began
    return f"three units run their hall's configuration {took:.0f} s after the first approval"


def meet(there: Office, evidence: Evidence) -> str:
    if there.meeting:
        there.close(there.meeting, there.nodes[:1])
    began = time.monotonic()
    meeting = there.meet(there.nodes, "Giao ban thử")
    joined = time.monotonic() - began
    try:

        def sees() -> dict[str, int]:
            shown = {node.name: seen(status(node)) for node in there.nodes}
            evidence.json("seen", shown)
            return shown if all(shown.values()) else {}

        shown = there.until(sees, 120, "not every unit shows the main hall")
        there.exposure = "".join(node.run(_EXPOSURE, limit_s=60) for node in there.nodes)
    finally:
        there.close(meeting, there.nodes)
    return f"all three in the meeting after {joined:.0f} s, frames of the main hall shown: {shown}"


def seen(said: dict[str, Any]) -> int:
    return max((slot["frames_shown"] for slot in said["session"]["slots"] if slot["site"]), default=0)


def exposure(there: Office, evidence: Evidence) -> str:
    """As systemd counts it of the running services, asked while they were in the meeting."""
    evidence.text("exposure", there.exposure)
    found: dict[str, float] = {}
    for line in there.exposure.splitlines():
        service, _, exposed = line.rpartition(" ")
        kind = service.partition("@")[0]
        found[kind] = max(found.get(kind, 0.0), float(exposed))
    if not found.keys() >= {"unit", "media", "screen", "sound"}:
        raise NotShown(f"only these ran in the meeting: {found}")
    if found["unit"] > 1.5 or found["media"] > 2.5:
        raise NotShown(f"{found}")
    return ", ".join(f"{kind} {exposed}" for kind, exposed in found.items())


def tunnel(there: Office, evidence: Evidence) -> str:
    """The same playbook as before, where Debian's SSH listens no more: by the line the unit dials itself."""
    nodes = there.nodes[1:]
    sites = {site["id"]: site["unit"]["id"] for site in there.stage.api.get("/api/v1/sites") if site["unit"]}
    lines, hosts = [], {}
    began = time.monotonic()
    try:
        for node in nodes:
            listening = node.run(
                "systemctl stop ssh.socket ssh.service; sleep 1; ss -Hltun | awk '{print $1, $5}'"
            )
            evidence.text(f"{node.name}-listens", listening)
            reach = [
                BIN / "diemcau",
                "reach",
                sites[site_of(node)],
                "--config",
                "--state-dir",
                there.stage.root,
            ]
            lines.append(subprocess.Popen(reach, stdout=subprocess.PIPE, text=True))
            config = lines[-1].stdout.readline().strip()  # type: ignore[union-attr]
            hosts[sites[site_of(node)]] = {"ansible_ssh_common_args": f"-F {config}"}
            if open_ports := [line for line in listening.splitlines() if "127.0.0" not in line]:
                raise NotShown(f"{node.name} listens: {open_ports}")
        dialled = time.monotonic() - began
        inventory = evidence.path("inventory.json")
        inventory.write_text(json.dumps({"units": {"hosts": hosts}}))
        log = evidence.path("log")
        played = play(
            there.fleet,
            "provision.yml",
            {"none": []},
            there.variables(expected_hosts=2),
            log,
            "-i",
            str(inventory),
        )
        if played.code != 0 or played.count("changed") or WAITS in played.said:
            raise NotShown(f"{played.failure()} {played.recap}")
        for unit, how in hosts.items():
            ssh = ["ssh", *how["ansible_ssh_common_args"].split(), unit, "sudo systemctl start ssh.service"]
            subprocess.run(ssh, check=True, timeout=60)
    finally:
        for line in lines:
            line.terminate()
            line.wait(20)
    return (
        f"nothing listens on two units; both dialled in within {dialled:.0f} s, and provision.yml went "
        f"through their lines in {played.took_s:.0f} s with changed=0"
    )


def diagnose(there: Office, evidence: Evidence) -> str:
    folder = evidence.path("folder")
    shutil.rmtree(folder, ignore_errors=True)
    there.play("diagnose.yml", evidence, diagnosis_folder=str(folder))
    sizes = {}
    for node in there.nodes:
        files = {file.name: file.stat().st_size for file in (folder / node.name).iterdir()}
        sizes[node.name] = sum(files.values())
        log = (folder / node.name / "log.txt").read_text()
        if "diemcau" not in log or not json.loads((folder / node.name / "status.json").read_text()):
            raise NotShown(f"{node.name}: {files}")
        secrets = [
            file.name
            for file in (folder / node.name).iterdir()
            if "PRIVATE KEY" in file.read_text(errors="replace")
        ]
        if secrets:
            raise NotShown(f"{node.name}: a key in {secrets}")
    evidence.json("sizes", sizes)
    shutil.rmtree(folder)
    return f"{len(files)} files of each unit, {max(sizes.values()) // 1024} KB at most"


def retire(there: Office, evidence: Evidence) -> str:
    node = there.nodes[-1]
    while WAITS in there.play("retire.yml", evidence, [node], expected_hosts=1, retire=node.name).said:
        there.rest(60)

    def left() -> list[str]:
        gone = "/opt/diemcau /var/lib/diemcau-* /etc/diemcau /etc/systemd/system/diemcau-* /boot/diemcau.toml"
        return node.run(f"ls -d {gone} 2>/dev/null || true").split()

    lab = {f"/etc/systemd/system/{service}.service.d" for service in _NO_TELEVISION}
    there.until(lambda: not set(left()) - lab, 60, f"something is left: {left()}")
    running = node.run("systemctl list-units --no-legend --plain --state=active 'diemcau-*' || true").strip()
    if running:
        raise NotShown(f"still running: {running}")
    return "no identity, no release, no service of the unit is left"


def main() -> int:
    """Only these rows: `python -m tests.lab.fleet.units [--again]`."""
    build()
    folder = prepare()
    report = Report("fleet-units", again="--again" in sys.argv)
    with Fleet() as fleet:
        rows = run(report, fleet, folder)
    return 0 if report.verdict(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
