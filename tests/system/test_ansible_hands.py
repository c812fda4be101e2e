"""Runs by the real ansible-runner and ansible-playbook, on this machine instead of units."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
from diemcau_controller.actions.rollouts.hands import HostEvent, Run, Target
from diemcau_controller.adapters.ansible.hands import PLAYBOOK, AnsibleHands
from diemcau_controller.adapters.ansible.playbooks import NoPlaybooks, unpack_playbooks

LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
PLAY = """
- hosts: units
  gather_facts: false
  tasks:
    - name: Stage the release
      ansible.builtin.command: test {{ inventory_hostname }} != u2
      changed_when: inventory_hostname == 'u1'
    - name: Say how it stands
      ansible.builtin.set_fact:
        diemcau_update: {step: staged, version: "{{ diemcau_version }}", why: "", again_at: null}
      when: diemcau_step == 'stage' and expected_hosts | int == 4
"""
SLOW = """
- hosts: units
  gather_facts: false
  tasks:
    - name: Mark the beginning
      ansible.builtin.file: {path: "{{ mark }}", state: touch, mode: "0600"}
    - name: Take long
      ansible.builtin.command: sleep 60
      changed_when: false
"""
GONE = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9, "ansible_ssh_retries": 0}


def hands(play: str) -> AnsibleHands:
    def unpack(version: str, folder: Path) -> Path:
        folder.mkdir(parents=True)
        (folder / PLAYBOOK).write_text(play)
        (folder / "ansible.cfg").write_text("[defaults]\n")
        return folder

    return AnsibleHands(unpack, forks=4)


def carry_out(play: str, run: Run) -> tuple[str, list[HostEvent]]:
    heard: list[HostEvent] = []
    outcome = asyncio.run(hands(play).carry_out(run, heard.append))
    return outcome, heard


def test_each_task_of_each_unit_is_told_and_who_fails_with_the_last_lines(tmp_path: Path) -> None:
    targets = (*(Target(f"u{number}", LOCAL) for number in range(3)), Target("u3", GONE))
    outcome, heard = carry_out(PLAY, Run("x1", "stage", "1.4.0", targets, tmp_path))
    assert outcome == "failed"
    first = {event.unit: event for event in heard if event.task == "Stage the release"}
    assert {unit: event.outcome for unit, event in first.items()} == {
        "u0": "ok",
        "u1": "changed",
        "u2": "failed",
        "u3": "unreachable",
    }
    assert first["u0"].there and not first["u3"].there
    assert not any(event.there for event in heard if event.task == "Say how it stands")
    assert first["u2"].tail and "non-zero return code" in first["u2"].tail[-1]
    assert any("refused" in line or "Failed to connect" in line for line in first["u3"].tail)
    said = {event.unit: event.word for event in heard if event.word is not None}
    assert {unit: word.step for unit, word in said.items()} == {"u0": "staged", "u1": "staged"}
    assert said["u0"].version == "1.4.0" and first["u0"].millis > 0
    assert not list(tmp_path.glob("artifacts/*/job_events/*.json"))  # nothing piles up


def test_an_error_in_the_playbook_fails_on_each_unit_with_what_it_was(tmp_path: Path) -> None:
    targets = (Target("u0", LOCAL), Target("u1", LOCAL))
    outcome, heard = carry_out(
        "- hosts: units\n  tasks:\n    - no.such.module: {}\n", Run("x1", "apply", "1.4.0", targets, tmp_path)
    )
    assert outcome == "failed"
    assert Counter(event.unit for event in heard) == {"u0": 1, "u1": 1}
    assert {event.outcome for event in heard} == {"failed"}
    assert any("no.such.module" in line for line in heard[0].tail)


def test_a_run_that_is_cancelled_ends_with_all_its_processes(tmp_path: Path) -> None:
    mark = tmp_path / "begun"
    run = Run("x1", "apply", "1.4.0", (Target("u0", LOCAL),), tmp_path / "run", {"mark": str(mark)})

    async def begin_and_cancel() -> None:
        task = asyncio.create_task(hands(SLOW).carry_out(run, lambda event: None))
        for _ in range(300):
            if mark.exists():
                break
            await asyncio.sleep(0.1)
        assert mark.exists()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(begin_and_cancel())
    assert not working_in(tmp_path)


def test_playbooks_come_with_the_release(tmp_path: Path) -> None:
    source, targets = tmp_path / "source/playbooks", tmp_path / "targets/releases/1.4.0"
    source.mkdir(parents=True)
    targets.mkdir(parents=True)
    (source / PLAYBOOK).write_text(PLAY)
    shutil.make_archive(str(targets / "playbooks"), "gztar", tmp_path / "source")
    found = unpack_playbooks(tmp_path / "targets", "1.4.0", tmp_path / "out")
    assert (found / PLAYBOOK).read_text() == PLAY
    with pytest.raises(NoPlaybooks, match="build it anew"):
        unpack_playbooks(tmp_path / "targets", "1.5.0", tmp_path / "none")
    whole = (targets / "playbooks.tar.gz").read_bytes()
    for number, bad in enumerate(
        (b"\x1f\x8bnonsense", whole[: len(whole) // 2], whole[:60] + b"\xff" * 20 + whole[80:])
    ):
        (targets / "playbooks.tar.gz").write_bytes(bad)
        with pytest.raises(NoPlaybooks, match="build it anew"):
            unpack_playbooks(tmp_path / "targets", "1.4.0", tmp_path / f"bad{number}")


def working_in(folder: Path) -> list[str]:
    """Command lines of processes that name a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line and int(process.parent.name) != os.getpid():
            found.append(line)
    return found
