"""Part `fleet`: a bare server becomes the coordinator, serves units, is lost and comes back."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shlex
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from diemcau_controller.demo.processes import Process, end_all

from tests.lab.report import Evidence, NotShown, Report

from .nodes import FOLDER, ROOT, Fleet, Node, NodeFailed
from .playbook import Played, differences, play, state

_BIN = Path(sys.executable).parent
SITES = {"trung-tam": "Trung tâm điều hành", "xa-ea-kpam": "Hội trường xã Ea Kpam"}
CHECK, _, RESTORE = range(3)  # the commands of docs/server.md, by number
SERVICES = ("mosquitto", "janus", "porter", "controller", "nginx", "tunnel")
MOST_EXPOSED = 2.5  # of systemd's 0 (nothing can happen) to 10
PATIENCE_S = 180.0
Json = dict[str, Any]
ROWS = [
    "refused before anything, in one sentence",
    "check mode tells whether a bare server will do",
    "a bare server becomes the coordinator",
    "every program in a sandbox of its own",
    "a second run changes nothing",
    "two units meet through it",
    "what is new waits for the meeting to end",
    "a lost server comes back from its backup alone",
]


class Coordinator:
    """The server, and two units of it that run as processes at the lab's end of the line."""

    def __init__(self, fleet: Fleet, wheels: Path) -> None:
        self.fleet, self._wheels = fleet, wheels
        self.node: Node | None = None
        self.units: dict[str, Process] = {}
        self.key = fleet.folder / "diemcau.key"
        made = subprocess.run([_BIN / "diemcau", "backup", "key", self.key], capture_output=True, text=True)
        self.recipient = made.stdout.strip()

    @property
    def server(self) -> Node:
        """The node that is it, booted bare at the first use."""
        if self.node is None:
            self.node = self.fleet.start("n1")
        return self.node

    def play(self, log: Path, number: int = 1, *options: str, **variables: Any) -> Played:
        """The documented command with that number on the server, with further options and variables."""
        page = (ROOT / "docs/server.md").read_text()
        for old, new in (
            ("192.0.2.10", self.server.address),
            ("192.0.2.0/24", "203.0.113.0/24"),
            ("age1…", self.recipient),
            ("/root/wheels", str(self._wheels)),
            ("/root/", f"{self.fleet.folder}/"),
        ):
            page = page.replace(old, new)
        for kind, name in (("yaml", "server.yml"), ("ini", "new-server.ini")):
            (self.fleet.folder / name).write_text(_block(page, kind))
        command = re.findall("^ansible-playbook .*$", page, re.MULTILINE)[number]
        _, _, inventory, playbook, *words = shlex.split(command)
        return play(self.fleet, playbook, Path(inventory), variables, log, *words, *options)

    def health(self) -> Json:
        """What the server answers over HTTPS to who trusts its authority only."""
        ca = self.fleet.folder / "ca.crt"
        ca.write_bytes(self.server.read("/var/lib/diemcau/generated/ca.crt"))
        url = f"https://{self.server.address}:8443/healthz"
        command = f"curl -sS --max-time 5 --noproxy * --cacert {ca} {url}".split()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NotShown(f"it does not answer: {done.stderr.strip()}")
        return dict(json.loads(done.stdout))

    def diemcau(self, words: str) -> Any:
        """A command on the server; gives its JSON."""
        return json.loads(self.server.run(f"diemcau {words} --json"))

    def unit_folder(self, site: str) -> Path:
        return self.fleet.folder / "units" / site

    def agent(self, site: str) -> Json:
        """What a unit says of itself; empty while it does not answer."""
        command = [_BIN / "diemcau-agent", "status", "--state-dir", self.unit_folder(site), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        return dict(json.loads(done.stdout)) if done.returncode == 0 else {}

    def identities(self) -> dict[str, str]:
        """The hash of each file by which a unit is what it is."""
        return {
            str(path.relative_to(self.fleet.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for site in SITES
            for path in sorted((self.unit_folder(site) / "identity").rglob("*"))
            if path.is_file() and path.name != "join_count"  # counts connections
        }

    def bound(self) -> dict[str, tuple[str, int]]:
        """Which unit serves which site, with which epoch."""
        sites = self.diemcau("status")["sites"]
        return {site["id"]: (site["unit"]["id"], site["unit"]["epoch"]) for site in sites}

    def connected(self) -> bool:
        """Every unit is at the broker and runs what is meant for it."""
        units = [site["unit"] for site in self.diemcau("status")["sites"]]
        return len(units) == len(SITES) and all(
            unit is not None
            and unit["status"] == "online"
            and unit[document]["reported"] == unit[document]["desired"] is not None
            for unit in units
            for document in ("config", "schedule")
        )

    def until(self, reached: Callable[[], Any], failure: str, limit_s: float = PATIENCE_S) -> float:
        """Wait until something is so; gives the seconds. Raises :class:`NotShown` with `failure`."""
        began = time.monotonic()
        while not reached():
            if time.monotonic() - began > limit_s:
                raise NotShown(f"{failure} within {limit_s:.0f} s")
            time.sleep(1)
        return time.monotonic() - began

    def end(self) -> None:
        end_all(self.units.values())


def prepare() -> Path:
    """The folder of wheels, made of this tree. Raises :class:`NodeFailed`."""
    folder = FOLDER / "wheelhouse"
    made = subprocess.run(
        [sys.executable, ROOT / "tools/wheelhouse.py", "diemcau-controller", folder], check=False
    )
    if made.returncode != 0:
        raise NodeFailed("the coordinator's wheels could not be had")
    return folder


def _block(page: str, kind: str) -> str:
    """The one block of this kind in a page of the docs."""
    (found,) = re.findall(f"^```{kind}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return str(found)


def run(report: Report, fleet: Fleet, wheels: Path) -> list[str]:
    """Show every row; gives their names. `wheels` is what :func:`prepare` gave."""
    if report.done(*ROWS):
        return ROWS
    one = Coordinator(fleet, wheels)
    try:
        report.show(ROWS[0], lambda evidence: refused(one, evidence))
        report.show(ROWS[1], lambda evidence: foretold(one, evidence))
        if report.show(ROWS[2], lambda evidence: becomes(one, evidence)):
            report.show(ROWS[3], lambda evidence: sandboxed(one, evidence))
            report.show(ROWS[4], lambda evidence: unchanged(one, evidence))
            if report.show(ROWS[5], lambda evidence: meets(one, evidence)):
                report.show(ROWS[6], lambda evidence: waits(one, evidence))
                report.show(ROWS[7], lambda evidence: comes_back(one, evidence))
    finally:
        one.end()
    return ROWS


def refused(one: Coordinator, evidence: Evidence) -> str:
    """Each mistake in the variables is one sentence, and the server is not touched."""
    before, sentences = state(one.server), []
    wrong: dict[str, Json] = {
        "no settings": {"coordinator_settings": {}},
        "an address nobody can reach": {"coordinator_settings": {"public_address": "127.0.0.1"}},
        "nothing said of backups": {"coordinator_settings": {"public_address": one.server.address}},
        "no wheels": {"coordinator_wheelhouse": "/nowhere"},
        "a machine too small": {"coordinator_machine_memory_mb": 10**9},
        "a backup without its key": {"restore_backup": str(one.key)},
        "more machines than meant": {"expected_hosts": 2},
    }
    for what, variables in wrong.items():
        played = one.play(evidence.path("log"), **variables)
        if played.code == 0 or played.count("changed"):
            raise NotShown(f"{what}: exit {played.code}, changed {played.count('changed')}")
        sentences.append(f"{what}: {played.failure()}")
    evidence.text("sentences", "\n".join(sentences))
    if changed := differences(before, state(one.server)):
        raise NotShown(f"changed all the same: {changed[:5]}")
    return f"{len(wrong)} mistakes refused, each with a sentence, nothing changed"


def foretold(one: Coordinator, evidence: Evidence) -> str:
    before = state(one.server)
    played = one.play(evidence.path("log"), CHECK)
    if played.code != 0:
        raise NotShown(f"check mode fails: {played.failure()}")
    if changed := differences(before, state(one.server)):
        raise NotShown(f"check mode changed {changed[:5]}")
    if "can become the coordinator" not in played.said:
        raise NotShown("it does not say whether the server can become the coordinator")
    return f"says after {played.took_s:.0f} s that it can become the coordinator; nothing changed"


def becomes(one: Coordinator, evidence: Evidence) -> str:
    played = one.play(evidence.path("log"))
    if played.code != 0:
        raise NotShown(played.failure())
    health = one.health()
    evidence.json("healthz", health)
    if (health["status"], health["mqtt"], health["janus"]) != ("ok", True, True):
        raise NotShown(f"it answers {health}")
    masked = one.server.run("systemctl is-enabled mosquitto janus nginx coturn || true").split()
    if set(masked) != {"masked"}:
        raise NotShown(f"the packages' own services are {masked}")
    time_s = one.server.run("chronyc -n tracking | head -3").strip()
    evidence.text("time", time_s)
    evidence.text("revision", one.server.run("cat /etc/diemcau/revision"))
    evidence.text("listening", one.server.run("ss -Hlntup | awk '{print $1, $5, $7}'"))
    return (
        f"{played.took_s:.0f} s from bare to healthy over HTTPS ({played.count('changed')} changes); "
        "broker and Janus reached; the packages' own services masked"
    )


def sandboxed(one: Coordinator, evidence: Evidence) -> str:
    """What systemd thinks of the running services, and that none is root's."""
    names = [*(f"diemcau@{name}.service" for name in SERVICES), "diemcau-turn.service"]
    scores = {}
    for name in names:
        told = one.server.run(f"systemd-analyze security --no-pager {name}")
        found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", told)
        scores[name] = float(found.group(1)) if found else 10.0
    users = one.server.run(
        "ps -eo user:20,args --no-headers | grep -E 'diemcau|mosquitto|janus|nginx|turnserver' | grep -v grep"
    )
    evidence.text("processes", users)
    evidence.json("exposure", scores)
    if "root" in {
        line.split()[0] for line in users.splitlines() if "sshd:" not in line and "sh -c" not in line
    }:
        raise NotShown("something of it runs as root")
    if worst := {name: score for name, score in scores.items() if score > MOST_EXPOSED}:
        raise NotShown(f"exposed: {worst}")
    said = ", ".join(f"{re.sub('diemcau[@-]|.service', '', name)} {score}" for name, score in scores.items())
    return f"nothing runs as root; exposure by systemd-analyze: {said}"


def unchanged(one: Coordinator, evidence: Evidence) -> str:
    before = state(one.server)
    played = one.play(evidence.path("log"))
    after = state(one.server)
    if played.code != 0:
        raise NotShown(played.failure())
    foretold = one.play(evidence.path("check.log"), CHECK)
    other = differences(before, after)
    evidence.text("differences", "\n".join(other))
    evidence.json("state", after)
    counts = (played.count("changed"), foretold.count("changed"))
    if counts != (0, 0) or other:
        raise NotShown(f"changed={counts[0]}, in check mode {counts[1]}; different: {other[:6]}")
    files = sum(1 for name in after if name.startswith("/"))
    services = sum(1 for name in after if name.startswith("started:"))
    return (
        f"changed=0 in {played.took_s:.0f} s, in check mode, too; {files} files of /etc, /opt, /usr/local "
        f"and unit files have the same hash, {services} running services the same start time"
    )


def meets(one: Coordinator, evidence: Evidence) -> str:
    """Two units with nothing but what the server gave them join a meeting by themselves."""
    one.server.run('diemcau area add "Tỉnh Đắk Lắk" --tier tỉnh')
    for number, (site, name) in enumerate(SITES.items()):
        what = f'--name "{name}" --area tinh-dak-lak --camera synthetic --mic tone:{440 + 200 * number}'
        one.server.run(
            f"diemcau site add {site} {what} && diemcau unit add {site} --identity-dir /root/{site}"
        )
        given = subprocess.run(
            [*one.server.ssh(), f"tar -C /root/{site} -cf - . && rm -r /root/{site}"],
            capture_output=True,
            check=True,
        )
        folder = one.unit_folder(site)
        (folder / "identity").mkdir(parents=True, mode=0o700)
        with tarfile.open(fileobj=io.BytesIO(given.stdout)) as tar:
            tar.extractall(folder / "identity", filter="data")
        one.units[site] = Process(
            site,
            [str(_BIN / "diemcau-agent"), "run", "--state-dir", str(folder)],
            one.fleet.folder / f"{site}.log",
            restart=False,
            env={"SDL_VIDEODRIVER": "dummy"},
        )
    took_s = one.until(one.connected, "the units do not connect")
    main, other = SITES
    who = f"--main {main} --site {main} --site {other}"
    one.server.run(f'diemcau meeting add "Giao ban" --start now --duration 10m {who}')

    def in_meeting() -> bool:
        told = {site: one.agent(site) for site in SITES}
        evidence.json("units", told)
        seen = (told[other].get("session") or {}).get("slots") or [{"frames_shown": 0}]
        there = all((unit.get("session") or {}).get("state") == "in_meeting" for unit in told.values())
        return there and seen[0]["frames_shown"] > 0

    joined_s = one.until(in_meeting, "the units do not join")
    return (
        f"two units connected after {took_s:.0f} s, both in a meeting, one seeing the other, "
        f"{joined_s:.0f} s after it was announced"
    )


def waits(one: Coordinator, evidence: Evidence) -> str:
    """Another setting while the two meet: installed and not switched to; afterwards it is."""
    before = state(one.server)
    settings = yaml.safe_load((one.fleet.folder / "server.yml").read_text())["coordinator"]["vars"]
    other = {**settings["coordinator_settings"], "health_interval_s": 3}
    refused = one.play(evidence.path("during.log"), coordinator_settings=other)
    sentence = refused.failure()
    if refused.code == 0 or "A meeting runs" not in sentence:
        raise NotShown(f"it does not wait: exit {refused.code}, {sentence}")
    if anew := [name for name in differences(before, state(one.server)) if name.startswith("started:")]:
        raise NotShown(f"started anew beside a meeting: {anew}")
    if not all((one.agent(site).get("session") or {}).get("state") == "in_meeting" for site in SITES):
        raise NotShown("the meeting did not go on")
    for meeting in one.diemcau("status")["meetings"]:
        one.server.run(f"diemcau meeting close {meeting['id']}")
    played = one.play(evidence.path("after.log"), coordinator_settings=other)
    if played.code != 0:
        raise NotShown(played.failure())
    anew = [name for name in differences(before, state(one.server)) if name.startswith("started:diemcau@")]
    if len(anew) != len(SERVICES):
        raise NotShown(f"started anew after the meeting: only {anew}")
    one.until(one.connected, "the units do not come back")
    return (
        f"“{sentence[:90]}…”; after the meeting all {len(anew)} services started anew, a backup made before"
    )


def comes_back(one: Coordinator, evidence: Evidence) -> str:
    """Backup, plug pulled, another bare machine at the same address, with the backup and the key only."""
    lost = one.server
    before, own = one.bound(), one.identities()
    made = one.diemcau("backup now")
    backup = one.fleet.folder / "backup.age"
    backup.write_bytes(lost.read(made["path"]))
    began = time.monotonic()
    lost.kill()
    lost.stop()
    one.node = one.fleet.start("n2", address=lost.address)
    bare_s = time.monotonic() - began
    played = one.play(evidence.path("log"), RESTORE)
    if played.code != 0:
        raise NotShown(played.failure())
    healthy_s = time.monotonic() - began
    one.until(one.connected, "the units do not come back")
    back_s = time.monotonic() - began
    evidence.json("healthz", one.health())
    if one.bound() != before or one.identities() != own:
        raise NotShown(f"not as it was: {before} became {one.bound()}")
    if any(process.exits or not process.running for process in one.units.values()):
        raise NotShown("a unit was started anew")
    if left := one.server.run(
        "ls -d /run/diemcau-restore /root/*.age /root/*.key 2>/dev/null || true"
    ).strip():
        raise NotShown(f"backup or key were left behind: {left}")
    evidence.text("audit", one.server.run("diemcau audit verify"))
    again = one.play(evidence.path("again.log"), RESTORE)
    if (again.code, again.count("changed")) != (0, 0):
        raise NotShown(
            f"a second run, without any setting, changes {again.count('changed')}: {again.failure()}"
        )
    return (
        f"plug pulled; a bare server stood there after {bare_s:.0f} s, was the coordinator after "
        f"{healthy_s:.0f} s, and both units were back after {back_s:.0f} s, with the same identity, binding "
        "and process; a second run changed=0"
    )
