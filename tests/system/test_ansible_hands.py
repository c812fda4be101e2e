"""Runs by the real ansible-runner and ansible-playbook, on this machine instead of units."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from diemcau_controller.actions.rollouts.hands import HostEvent, Run, Target
from diemcau_controller.adapters.ansible.hands import PLAYBOOK, AnsibleHands, variables
from diemcau_controller.adapters.ansible.playbooks import NoPlaybooks, unpack_playbooks
from diemcau_controller.adapters.releases.repository import Repository
from diemcau_controller.config import StateDir
from diemcau_wire.release import playbooks_target

from tests.release_for_tests import signed_release

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


def run_of(
    play: str, kind: str, folder: Path, *targets: Target, extra: Mapping[str, str] | None = None
) -> Run:
    playbooks = folder / "project"
    playbooks.mkdir(parents=True)
    (playbooks / PLAYBOOK).write_text(play)
    (playbooks / "ansible.cfg").write_text("[defaults]\n")
    return Run("x1", kind, "1.4.0", targets, folder, playbooks, extra or {})


def carry_out(run: Run) -> tuple[str, list[HostEvent]]:
    heard: list[HostEvent] = []
    outcome = asyncio.run(AnsibleHands(forks=4).carry_out(run, heard.append))
    return outcome, heard


def test_each_task_of_each_unit_is_told_and_who_fails_with_the_last_lines(tmp_path: Path) -> None:
    targets = (*(Target(f"u{number}", LOCAL) for number in range(3)), Target("u3", GONE))
    outcome, heard = carry_out(run_of(PLAY, "stage", tmp_path, *targets))
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


def test_what_lies_around_a_release_is_brought_by_the_step_that_flips_nobody(tmp_path: Path) -> None:
    steps = {"stage": "stage", "apply": "apply", "back": "back", "settle": "stage"}
    for kind, step in steps.items():
        assert variables(run_of(PLAY, kind, tmp_path / kind))["diemcau_step"] == step


def test_an_error_in_the_playbook_fails_on_each_unit_with_what_it_was(tmp_path: Path) -> None:
    targets = (Target("u0", LOCAL), Target("u1", LOCAL))
    wrong = "- hosts: units\n  tasks:\n    - no.such.module: {}\n"
    outcome, heard = carry_out(run_of(wrong, "apply", tmp_path, *targets))
    assert outcome == "failed"
    assert Counter(event.unit for event in heard) == {"u0": 1, "u1": 1}
    assert {event.outcome for event in heard} == {"failed"}
    assert any("no.such.module" in line for line in heard[0].tail)


def test_a_run_that_is_cancelled_ends_with_all_its_processes(tmp_path: Path) -> None:
    mark = tmp_path / "begun"
    run = run_of(SLOW, "apply", tmp_path / "run", Target("u0", LOCAL), extra={"mark": str(mark)})

    async def begin_and_cancel() -> None:
        task = asyncio.create_task(AnsibleHands(forks=4).carry_out(run, lambda event: None))
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


def test_playbooks_come_with_the_release_exactly_as_they_were_signed(tmp_path: Path) -> None:
    state, source = StateDir(tmp_path / "state"), tmp_path / "source/playbooks"
    repository = Repository(state)
    source.mkdir(parents=True)
    (source / PLAYBOOK).write_text(PLAY)
    whole = Path(shutil.make_archive(str(tmp_path / "playbooks"), "gztar", tmp_path / "source")).read_bytes()
    (source / PLAYBOOK).write_text(PLAY.replace("test {{", "rm -rf / # {{"))
    other = Path(shutil.make_archive(str(tmp_path / "other"), "gztar", tmp_path / "source")).read_bytes()

    signed_release(state, "1.4.0", playbooks=whole)
    found = unpack_playbooks(repository, "1.4.0", tmp_path / "out")
    assert (found / PLAYBOOK).read_text() == PLAY
    with pytest.raises(NoPlaybooks, match=r"no unit was touched.*diemcau release sign"):
        unpack_playbooks(repository, "1.5.0", tmp_path / "none")
    archive = repository.targets / playbooks_target("1.4.0")
    for bad in (other, whole[: len(whole) // 2], whole + b"\0", b""):
        archive.write_bytes(bad)
        with pytest.raises(NoPlaybooks, match=r"no unit was touched.*not what was signed.*from a backup"):
            unpack_playbooks(repository, "1.4.0", tmp_path / "bad")
        assert not (tmp_path / "bad").exists()
    archive.unlink()
    with pytest.raises(NoPlaybooks, match="cannot be used"):
        unpack_playbooks(repository, "1.4.0", tmp_path / "bad")
    for number, odd in enumerate((b"\x1f\x8bnonsense", whole[: len(whole) // 2])):  # signed as it is
        version = f"1.4.{number + 1}"
        signed_release(state, version, playbooks=odd)
        with pytest.raises(NoPlaybooks, match="build it anew"):
            unpack_playbooks(repository, version, tmp_path / version)


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
