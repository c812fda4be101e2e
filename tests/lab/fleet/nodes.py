"""Debian machines with a systemd of their own, on one bridge: systemd-nspawn, each started from a bare root.

    with Fleet() as fleet:
        node = fleet.start("n1")
        node.run("hostname")

A node has its own file system (an overlay on the built root), network (a veth pair into the bridge), control
groups and host key; what it changes is gone when the fleet ends. Its clock and its kernel are this machine's.
Needs root. Works with control groups of version 1 and 2.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from diemcau_controller import namespace

from tests.lab.machine import Machine, MachineFailed

from .mirror import Mirror, sources

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / ".lab/fleet"
BRIDGE = "fleet0"
GATEWAY = "203.0.113.1"
"""The lab's own address on the nodes' network (RFC 5737): controllers, units and the mirror may run there."""

BOOT_LIMIT_S = 60
_GROUPS = Path("/sys/fs/cgroup")
_HIERARCHIES = ("systemd", "unified", "memory", "pids", "cpu", "cpuacct", "freezer")
# Runs in mount and control groups of its own: $1 groups, $2 lower, $3 folder, the rest nspawn's.
_START = """
groups=$1 lower=$2 folder=$3; shift 3
for group in $groups; do echo $$ >"$group/cgroup.procs"; done
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$folder/upper,workdir=$folder/work" "$folder/merged"
while :; do
    code=0
    setpriv --pdeathsig KILL systemd-nspawn "$@" || code=$?
    [ $code = 133 ] || exit $code # the node asked to be started again
done
"""


class NodeFailed(MachineFailed):
    """A node did not do what the lab needs of it; the text says what."""


class Node(Machine):
    """One machine; made by :meth:`Fleet.start`."""

    failure = NodeFailed

    def __init__(self, name: str, address: str, folder: Path) -> None:
        self.name, self.address, self.folder = name, address, folder
        self._id = f"lab{os.getpid()}-{name}"
        self._process: subprocess.Popen[bytes] | None = None
        self.console = folder / "console.log"
        self.shut = False  # its SSH listens no more: the lab goes in as somebody would who stands before it

    # ── beginning and end ────────────────────────────────────────────────────────────────────────

    def _start(self, hosts: str) -> None:
        for name in ("upper", "work", "merged"):
            (self.folder / name).mkdir(parents=True)
        self._furnish(hosts)
        self._make_network()
        groups = " ".join(str(group) for group in self._make_groups())
        nspawn = [
            *("--quiet", "--boot", "--directory", str(self.folder / "merged"), f"--machine={self.name}"),
            *("--register=no", "--keep-unit", f"--network-namespace-path=/run/netns/{self._id}"),
            *("--capability=CAP_NET_ADMIN", "--resolv-conf=off", "--timezone=off", "--link-journal=no"),
            *("--console=pipe",),
        ]
        start = ["unshare", "--mount", "--propagation", "private", "setpriv", "--pdeathsig", "KILL"]
        with self.console.open("ab") as console:
            self._process = subprocess.Popen(
                [*start, "sh", "-ec", _START, "sh", groups, str(FOLDER / "root"), str(self.folder), *nspawn],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Wait until ssh answers and the boot is over. Raises :class:`NodeFailed`."""
        deadline = time.monotonic() + BOOT_LIMIT_S
        while True:
            if self._process is None or self._process.poll() is not None:
                raise NodeFailed(f"{self.name} ended: {self._last_words()}")
            state = self.run("systemctl is-system-running --wait", check=False, limit_s=BOOT_LIMIT_S).strip()
            if state == "running":
                return
            if state == "degraded":
                failed = self.run("systemctl --failed --no-legend --plain", check=False).split()
                raise NodeFailed(f"in {self.name} failed: {' '.join(failed)}")
            if time.monotonic() > deadline:
                raise NodeFailed(f"{self.name} did not boot within {BOOT_LIMIT_S} s: {self._last_words()}")
            time.sleep(0.2)

    def reboot(self) -> None:
        """Start it again the orderly way, and wait until it is back."""
        before = self.boot_id()
        self.run("systemctl reboot", check=False)
        deadline = time.monotonic() + BOOT_LIMIT_S
        while self.boot_id() in ("", before):
            if time.monotonic() > deadline:
                raise NodeFailed(f"{self.name} did not come back within {BOOT_LIMIT_S} s")
            time.sleep(0.3)
        self.wait()

    def boot_id(self) -> str:
        """When its PID 1 was started (the kernel's own boot id is this machine's); "" when unreachable."""
        return self.run("cut -d' ' -f22 /proc/1/stat", check=False, limit_s=5)

    def kill(self) -> None:
        """Pull its plug: every process is gone at once, nothing is written any more."""
        for _ in range(100):
            if not (pids := self._pids()):
                break
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        if self._process is not None:
            self._process.wait()

    def stop(self, limit_s: float = 20) -> None:
        """Shut it down, by force after `limit_s`, and take away its network and groups; its files stay."""
        if self._process is not None and self._process.poll() is None:
            if (leader := self._leader()) is not None:
                with suppress(ProcessLookupError):
                    os.kill(leader, signal.SIGRTMIN + 4)  # systemd's word for power-off
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(limit_s if leader is not None else 0)
        self.kill()
        for path in self._groups():
            for folder in sorted(path.rglob("*"), reverse=True):
                if folder.is_dir():
                    with suppress(OSError):
                        folder.rmdir()
            with suppress(OSError):
                path.rmdir()
        _quietly("ip", "netns", "delete", self._id)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────

    def run(self, command: str, *, check: bool = True, limit_s: float = 120, given: bytes = b"") -> str:
        """Run a shell command as root; gives what it printed. Raises :class:`NodeFailed`."""
        try:
            done = subprocess.run(
                [*self._way(), command], input=given, capture_output=True, timeout=limit_s, check=False
            )
        except subprocess.TimeoutExpired:
            if check:
                raise NodeFailed(
                    f"{self.name}: `{command[:120]}` did not end within {limit_s:.0f} s"
                ) from None
            return ""
        if check and done.returncode != 0:
            said = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise NodeFailed(f"{self.name}: `{command[:120]}` ended with {done.returncode}: {said[-600:]}")
        return done.stdout.decode(errors="replace")

    def _way(self) -> list[str]:
        if not self.shut:
            return self.ssh()
        into = ("--mount", "--uts", "--ipc", "--net", "--pid")
        return ["nsenter", f"--target={self._leader()}", *into, "--", "/bin/sh", "-c"]

    def ssh(self, *options: str) -> list[str]:
        """The command that opens a shell in it as root; its host key is checked."""
        words = [f"-o{key}={value}" for key, value in self.ssh_options().items()]
        return ["ssh", "-q", *words, *options, f"root@{self.address}"]

    def ssh_options(self) -> Mapping[str, str]:
        """As ssh's configuration names them."""
        return {
            "IdentityFile": str(FOLDER / "key"),
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": str(self.folder.parent / "known_hosts"),
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "ConnectTimeout": "5",
            "BatchMode": "yes",
        }

    # ── what it is made of ───────────────────────────────────────────────────────────────────────

    def _furnish(self, hosts: str) -> None:
        """What makes it this one: name, names of the others, its mirror, its host key."""
        etc = self.folder / "upper/etc"
        for folder in ("ssh", "apt/apt.conf.d"):
            (etc / folder).mkdir(parents=True)
        (etc / "hostname").write_text(f"{self.name}\n")
        (etc / "hosts").write_text(hosts)
        (etc / "apt/sources.list").write_text(sources(GATEWAY))
        # A mirror that stands still serves lists whose time is over; the signature still holds.
        (etc / "apt/apt.conf.d/90lab").write_text('Acquire::Check-Valid-Until "false";\n')
        key = etc / "ssh/ssh_host_ed25519_key"
        _do("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", str(key))
        public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
        known = self.folder.parent / "known_hosts"
        others = [line for line in _lines(known) if line.partition(" ")[0] != self.address]
        known.write_text("\n".join([*others, f"{self.address} {public}"]) + "\n")

    def _make_network(self) -> None:
        end = f"v{os.getpid() % 100_000}{self.name}"[:15]
        _do("ip", "netns", "add", self._id)
        for words in (
            ("link", "add", end, "type", "veth", "peer", "name", "host0", "netns", self._id),
            ("link", "set", end, "master", BRIDGE, "up"),
            ("-n", self._id, "address", "add", f"{self.address}/24", "dev", "host0"),
            ("-n", self._id, "link", "set", "host0", "up"),
            ("-n", self._id, "link", "set", "lo", "up"),
            ("-n", self._id, "route", "add", "default", "via", GATEWAY),
        ):
            _do("ip", *words)

    def _make_groups(self) -> list[Path]:
        groups = self._groups()
        for group in groups:
            group.mkdir()
            for file, share in (
                ("cpu.shares", "256"),
                ("cpu.weight", "25"),
            ):  # who measures beside it goes first
                if (group / file).exists():
                    (group / file).write_text(share)
        return groups

    def _groups(self) -> list[Path]:
        if (_GROUPS / "cgroup.controllers").exists():
            return [_GROUPS / self._id]
        return [_GROUPS / name / self._id for name in _HIERARCHIES if (_GROUPS / name).is_dir()]

    def _pids(self) -> list[int]:
        """Every process of it, nspawn included."""
        files = self._groups()[0].rglob("cgroup.procs")
        return [int(pid) for file in files for pid in _lines(file)]

    def _leader(self) -> int | None:
        """Its PID 1 as this machine numbers it."""
        for pid in self._pids():
            for line in _lines(Path(f"/proc/{pid}/status")):
                words = line.split()
                if words[:1] == ["NSpid:"] and len(words) == 3 and words[2] == "1":
                    return pid
        return None

    def _last_words(self) -> str:
        return " ".join(_lines(self.console)[-4:])[-600:]


class Fleet:
    """The bridge, Debian's packages at its lab's end, and the nodes; ends what it started.

    Enters a network namespace of its own when the process is not in one yet: make it before any thread.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self._folder: Path | None = None

    def __enter__(self) -> Self:
        self._mirror = Mirror(FOLDER / "packages")  # still where there is a way out
        try:
            if not namespace.inside():
                namespace.enter()
            for words in (
                ("link", "add", BRIDGE, "type", "bridge"),
                ("address", "add", f"{GATEWAY}/24", "dev", BRIDGE),
                ("link", "set", BRIDGE, "up"),
            ):
                _do("ip", *words)
            self._mirror.listen(GATEWAY)
            self._folder = Path(tempfile.mkdtemp(prefix="diemcau-fleet-"))
        except BaseException:
            self._mirror.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        for node in self.nodes.values():
            node.stop()
        _quietly("ip", "link", "delete", BRIDGE)
        self._mirror.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def folder(self) -> Path:
        """For what belongs to this fleet and goes with it; `known_hosts` is in it."""
        if self._folder is None:
            raise NodeFailed("the fleet has not begun")
        return self._folder

    def start(self, *names: str, address: str | None = None) -> Node:
        """Boot bare nodes at once and wait for them; gives the first. Names are `n1` to `n99`.

        `address` is the first one's, for a machine that takes the place of one that was stopped.
        """
        made = []
        for name in names:
            if (former := self.nodes.get(name)) is not None:
                former.stop()
                shutil.rmtree(former.folder, ignore_errors=True)
            at = address if address and not made else f"203.0.113.{10 + int(name.removeprefix('n'))}"
            node = Node(name, at, self.folder / name)
            self.nodes[name] = node
            made.append(node)
        known = "".join(f"{node.address} {node.name}\n" for node in self.nodes.values())
        for node in made:
            node._start(f"127.0.0.1 localhost {node.name}\n{GATEWAY} lab\n{known}")
        for node in made:
            node.wait()
        return made[0]


def build() -> None:
    """Make the nodes' root and key if they are not there. Raises :class:`NodeFailed`."""
    done = subprocess.run([Path(__file__).with_name("root.sh"), FOLDER], check=False)
    if done.returncode != 0:
        raise NodeFailed("the nodes' root could not be made")


def _do(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NodeFailed(f"`{' '.join(command)[:200]}` failed: {done.stderr.strip()[-400:]}")


def _quietly(*command: str) -> None:
    subprocess.run(command, capture_output=True, check=False)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []
