"""Carries out runs by ansible-runner: a child process does the work, its events say how it goes.

A run has a folder of its own, which whoever starts it makes and removes: inventory, playbooks, keys, sockets.
Nothing is kept of it but what was told.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...actions.rollouts.hands import MOST_LINES, HostEvent, Run, last_lines
from ...rules.rollout import LONGEST_RUN
from .events import read_event
from .processes import kill, processes_of

log = logging.getLogger(__name__)

PLAYBOOK = "update.yml"
_LOOK_S = 1  # how often a run is asked whether it shall end
_KILLED_WITHIN_S = 30.0


class AnsibleHands:
    """`forks` is how many units one run works on at once."""

    def __init__(self, forks: int) -> None:
        self._forks = forks

    async def carry_out(self, run: Run, hear: Callable[[HostEvent], None]) -> str:
        """See :class:`...actions.rollouts.hands.Hands`."""
        loop, ending = asyncio.get_running_loop(), threading.Event()

        def told(event: HostEvent) -> None:
            loop.call_soon_threadsafe(hear, event)

        working = loop.run_in_executor(None, self._run, run, told, ending)
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            ending.set()
            await asyncio.wait([working], timeout=_KILLED_WITHIN_S)
            raise

    def _run(self, run: Run, told: Callable[[HostEvent], None], ending: threading.Event) -> str:
        import ansible_runner  # only who runs a rollout pays for it

        heard: set[str] = set()
        said: deque[str] = deque(maxlen=4 * MOST_LINES)

        def on_event(event: dict[str, Any]) -> bool:
            one = read_event(event)
            if one is not None:
                if one.there or one.outcome in ("failed", "unreachable"):
                    heard.add(one.unit)
                told(one)
            said.append(str(event.get("stdout") or ""))
            return False  # nothing of it is kept in files

        left: list[int] = []
        until = time.monotonic() + LONGEST_RUN.total_seconds()

        def shall_end() -> bool:
            if not ending.is_set() and time.monotonic() < until:
                return False
            if not left:
                left.extend(processes_of(run.folder))  # before it is killed: then they have lost their parent
            return True

        result = ansible_runner.run(
            private_data_dir=str(run.folder),
            playbook=str(run.playbooks / PLAYBOOK),
            project_dir=str(run.playbooks),
            inventory=_inventory(run),
            extravars=variables(run),
            envvars=_environment(run),
            forks=min(self._forks, len(run.targets)),
            settings={"pexpect_timeout": _LOOK_S},
            event_handler=on_event,
            cancel_callback=shall_end,
            quiet=True,
        )
        kill(left)
        if result.status != "successful" and not ending.is_set():
            self._tell_unheard(run, heard, "\n".join(said), told)
        log.info("a run is over", extra={"run": run.id, "kind": run.kind, "status": result.status})
        return "ran" if result.status == "successful" else "failed"

    def _tell_unheard(self, run: Run, heard: set[str], said: str, told: Callable[[HostEvent], None]) -> None:
        """A run that failed before it came to its units, by an error in a playbook for instance, failed on
        each of them."""
        for target in run.targets:
            if target.unit not in heard:
                told(HostEvent(target.unit, PLAYBOOK, "failed", datetime.now(UTC), tail=last_lines(said)))


def variables(run: Run) -> dict[str, Any]:
    """What the playbook is told of a run."""
    return {
        # to who runs the version already, `stage` brings what lies around it
        "diemcau_step": "stage" if run.kind == "settle" else run.kind,
        "diemcau_version": run.version,
        "expected_hosts": len(run.targets),
        **run.extra,
    }


def _inventory(run: Run) -> dict[str, Any]:
    hosts = {target.unit: dict(target.variables) for target in run.targets}
    return {"all": {"children": {"units": {"hosts": hosts}}}}


def _environment(run: Run) -> Mapping[str, str]:
    """Whatever Ansible writes goes into the run's folder; its programs come from where we are installed."""
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '/usr/bin:/bin')}",
        "ANSIBLE_CONFIG": str(run.playbooks / "ansible.cfg"),
        "ANSIBLE_HOME": str(run.folder / "home"),
        "ANSIBLE_LOCAL_TEMP": str(run.folder / "tmp"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(run.folder / "cp"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_RETRY_FILES_ENABLED": "0",
        "PYTHONUNBUFFERED": "1",
    }
