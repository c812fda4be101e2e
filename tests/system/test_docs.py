"""The docs as a story: every command line of README and docs is run, in the order it is written.

Long-running ones are started and left running; folders are the test's own; `ID` is the meeting that runs.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from diemcau_controller import namespace
from diemcau_controller.demo.network import free_ports

from .hall_senses import ask_unit

ROOT = Path(__file__).parents[2]
RUNS_ON = ("diemcau serve", "diemcau-agent run")
PREFLIGHT = "diemcau-agent preflight"


def command_lines(page: str) -> list[str]:
    """Every line of the page's `sh` blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


class Story:
    """A machine of its own for the docs' commands: paths in them are moved under `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []
        self._meeting = "ID"
        web, mqtt, janus, tunnel = free_ports(namespace.ADDRESS, 4)
        (folder / "etc/diemcau").mkdir(parents=True)
        (folder / "root").mkdir()
        (folder / "root/pass-phrase").write_text("bốn từ không ai đoán ra\n")
        (folder / "etc/diemcau/coordinator.toml").write_text(
            f'public_address = "{namespace.ADDRESS}"\nweb.port = {web}\nmqtt.port = {mqtt}\n'
            f'mqtt.host = "{namespace.ADDRESS}"\njanus.port = {janus}\ntunnel.port = {tunnel}\n'
        )

    def run(self, line: str) -> None:
        """Run a line; what shall run on is started and waited for."""
        moved = re.sub(r"(?<![\w.])/(var/lib|etc|root)/", rf"{self._folder}/\1/", line)
        moved = re.sub(r"\bID\b", self._meeting, moved)
        if line.startswith(RUNS_ON):
            with (self._folder / f"{len(self._running)}.log").open("wb") as log:
                self._running.append(subprocess.Popen(self._words(moved), cwd=ROOT, stdout=log, stderr=log))
            self._until_up(line)
            return
        if line.startswith(PREFLIGHT):
            self._until(lambda: self._session()["state"] in ("idle", "countdown"))
        done = self._do(moved)
        if not line.startswith(PREFLIGHT):
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        else:
            assert done.returncode in (0, 1), f"{line}\n{done.stdout}{done.stderr}"
            assert done.stdout, line
        if "--start now" in line:
            self._until_in_meeting()

    def close(self) -> None:
        for process in reversed(self._running):
            process.terminate()
        for process in reversed(self._running):
            process.wait(20)

    def _words(self, line: str) -> list[str]:
        first, *rest = shlex.split(line)
        return [str(ROOT / ".venv/bin" / first), *rest]

    def _do(self, line: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": f"{ROOT / '.venv/bin'}:/usr/bin:/bin", "LANG": "C.UTF-8"}
        return subprocess.run(
            ["sh", "-c", line], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
        )

    def _until_up(self, line: str) -> None:
        if line.startswith("diemcau-agent"):
            self._until(lambda: self._unit().get("link"))
        else:
            status = f"diemcau status --json --state-dir {self._folder / 'var/lib/diemcau'}"
            self._until(lambda: self._do(status).returncode == 0)

    def _until_in_meeting(self) -> None:
        self._until(lambda: self._session()["state"] == "in_meeting")
        self._meeting = self._session()["meeting"]

    def _unit(self) -> dict[str, Any]:
        return ask_unit(self._folder / "var/lib/diemcau-agent", {"type": "status"})

    def _session(self) -> dict[str, str]:
        return dict(self._unit()["session"])

    @staticmethod
    def _until(reached) -> None:  # type: ignore[no-untyped-def]
        deadline = time.monotonic() + 60
        while not reached():
            assert time.monotonic() < deadline, "not reached within 60 s"
            time.sleep(0.3)


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    (tmp_path / "var/lib").mkdir(parents=True)
    told = Story(tmp_path)
    yield told
    told.close()


def test_the_operators_commands_work_in_the_order_they_are_written(story: Story) -> None:
    lines = command_lines("docs/operating.md")
    assert len(lines) > 25
    for line in lines:
        story.run(line)


def test_the_newcomers_commands_are_what_continuous_integration_runs() -> None:
    run_by_ci = {line.strip() for line in (ROOT / ".ci/run").read_text().splitlines()}
    run_by_test_demo = {"make demo"}  # its command without options, ended by Ctrl-C
    written = set(command_lines("README.md") + command_lines("CONTRIBUTING.md"))
    assert written and written <= run_by_ci | run_by_test_demo


def test_no_other_page_has_commands() -> None:
    pages = {str(page.relative_to(ROOT)) for page in ROOT.glob("docs/**/*.md")} | {"ARCHITECTURE.md"}
    for page in pages - {"docs/operating.md"}:
        assert command_lines(page) == [], page
