"""Playbooks of this tree, run on nodes the way an operator runs them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .nodes import FOLDER, ROOT, Fleet, Node, NodeFailed

PLAYBOOKS = ROOT / "playbooks"
_BIN = Path(sys.executable).parent
_RECAP = re.compile(r"^(\S+)\s+: (ok=.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Played:
    """How a run went: its exit code, what ansible-playbook printed, and for each node its counts (`ok`,
    `changed`, `unreachable`, `failed`, `skipped`, `rescued`, `ignored`)."""

    code: int
    said: str
    recap: dict[str, dict[str, int]]
    took_s: float

    def count(self, what: str) -> int:
        """Of all nodes together."""
        return sum(counts[what] for counts in self.recap.values())

    def failure(self) -> str:
        """The sentence of the first task that failed."""
        found = re.search(r'(?:msg|"msg"): (.+)', self.said)
        return found.group(1).strip("'\" ") if found else self.said[-400:]


def play(
    fleet: Fleet,
    playbook: str,
    groups: Mapping[str, Sequence[Node]] | Path,
    variables: Mapping[str, Any],
    log: Path,
    *options: str,
    limit_s: float = 1500,
) -> Played:
    """Run a playbook on groups of nodes, or with an inventory that names their addresses; what it prints goes
    to `log`, too. Raises :class:`NodeFailed` only when it does not end."""
    inventory = groups if isinstance(groups, Path) else _inventory(fleet, groups)
    given = fleet.folder / "variables.json"
    given.write_text(json.dumps(dict(variables)))
    command = [str(_BIN / "ansible-playbook"), "-i", str(inventory), "-e", f"@{given}", *options, playbook]
    # Ansible finds its own programs and keeps its connections where they go with the fleet.
    env = {
        **os.environ,
        "PATH": f"{_BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg"),
        "ANSIBLE_HOME": str(fleet.folder / "ansible"),
        # other fleets have nodes at the same addresses, in networks of their own
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(fleet.folder / "cp"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PRIVATE_KEY_FILE": str(FOLDER / "key"),
        "ANSIBLE_SSH_COMMON_ARGS": f"-o UserKnownHostsFile={fleet.folder}/known_hosts -o IdentitiesOnly=yes",
    }
    began = time.monotonic()
    with log.open("w") as file:
        process = subprocess.Popen(
            command, cwd=PLAYBOOKS, env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
        )
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise NodeFailed(
                f"{playbook} did not end within {limit_s:.0f} s: {log.read_text()[-400:]}"
            ) from None
    return _played(code, log, began)


def play_at(node: Node, commands: Sequence[str], log: Path, limit_s: float = 1500) -> Played:
    """Give these commands to a node's shell as root, one after another until one fails; the last one runs a
    playbook. Raises :class:`NodeFailed` only when they do not end."""
    began = time.monotonic()
    with log.open("w") as file:
        try:
            done = subprocess.run(
                [*node.ssh(), "\n".join(["set -e", *commands])],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                timeout=limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NodeFailed(f"`{commands[-1][:120]}` did not end within {limit_s:.0f} s") from None
    return _played(done.returncode, log, began)


def _played(code: int, log: Path, began: float) -> Played:
    said = log.read_text(errors="replace")
    return Played(code, said, _recap(said), time.monotonic() - began)


def _inventory(fleet: Fleet, groups: Mapping[str, Sequence[Node]]) -> Path:
    file = fleet.folder / "inventory.json"
    how = {name: {"ansible_host": node.address, "ansible_user": "root"} for name, node in fleet.nodes.items()}
    hosts = {
        group: {"hosts": {node.name: how[node.name] for node in nodes}} for group, nodes in groups.items()
    }
    file.write_text(json.dumps(hosts))
    return file


def _recap(said: str) -> dict[str, dict[str, int]]:
    return {
        name: {word: int(count) for word, _, count in (pair.partition("=") for pair in counts.split())}
        for name, counts in _RECAP.findall(said)
    }


def state(node: Node) -> dict[str, str]:
    """What a second run must not change: the hash of every file and link of /etc, /opt, /usr/local and the
    unit files, and when each running service was started."""
    folders = "/etc /opt /usr/local /usr/lib/systemd/system"
    files = node.run(
        f"find {folders} -xdev -type f -print0 | sort -z | xargs -0 sha256sum; "
        f"find {folders} -xdev -type l -printf '%l  %p\\n'; "
        f"find {folders} -xdev -printf '%m %u %g  mode:%p\\n'",
        limit_s=300,
    )
    found = {name: value for value, _, name in (line.partition("  ") for line in files.splitlines())}
    services = node.run(
        "systemctl list-units --type=service --state=running --plain --no-legend"
    ).splitlines()
    names = [line.split()[0] for line in services if not line.startswith("user@")]
    told = node.run(f"systemctl show --property=Id,ExecMainStartTimestampMonotonic {' '.join(names)}")
    for block in told.strip().split("\n\n"):
        facts = dict(line.split("=", 1) for line in block.splitlines())
        found[f"started:{facts['Id']}"] = facts["ExecMainStartTimestampMonotonic"]
    return found


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Names of what is other, new or gone."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
