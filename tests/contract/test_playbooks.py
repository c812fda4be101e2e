"""The playbooks: ansible-lint finds nothing, roles say what they take, only Ansible's own modules are used.

What they do to machines is shown on machines (`make lab PART=fleet`).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from diemcau_controller.config import StateDir

from tests.release_for_tests import signed_release

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
ROLES = sorted(path.name for path in (PLAYBOOKS / "roles").iterdir())


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def options(role: str, entry: str = "main") -> dict[str, Any]:
    """What a role takes, as Ansible checks it before the role's first task."""
    spec = load(PLAYBOOKS / "roles" / role / "meta/argument_specs.yml")["argument_specs"][entry]
    taken: dict[str, Any] = spec.get("options", {})
    return taken


@pytest.mark.parametrize("role", ROLES)
def test_a_role_says_what_it_takes(role: str) -> None:
    spec = load(PLAYBOOKS / "roles" / role / "meta/argument_specs.yml")["argument_specs"]
    assert spec["main"]["short_description"]
    defaults_file = PLAYBOOKS / "roles" / role / "defaults/main.yml"
    defaults = load(defaults_file) if defaults_file.exists() else {}
    for name, option in options(role).items():
        assert name.startswith(f"{role}_"), name
        assert option["description"], name
        if option.get("required"):
            assert name not in defaults, f"{name} is asked for and has a default"
        else:
            assert defaults.get(name) == option["default"], f"{name} has another default than its description"
    assert set(defaults) <= set(options(role)), "a default that nobody may change belongs into vars"


def made_up(option: dict[str, Any]) -> Any:
    """A value such an option takes."""
    if "choices" in option and option["type"] != "list":
        return option["choices"][0]
    return {"str": "a", "int": 1, "bool": True, "path": "/tmp", "list": [], "dict": {}}[option["type"]]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_takes_that_and_nothing_else(role: str) -> None:
    taken = options(role)
    good = {name: made_up(option) for name, option in taken.items()}
    validator = ArgumentSpecValidator(taken)
    assert validator.validate(good).error_messages == []
    for name, option in taken.items():
        if option.get("required"):
            without = {key: value for key, value in good.items() if key != name}
            assert any(name in said for said in validator.validate(without).error_messages), name
        if option["type"] in ("int", "bool", "dict"):
            assert validator.validate({**good, name: "no such thing"}).error_messages, name
        if "choices" in option:
            wrong: Any = ["no such thing"] if option["type"] == "list" else "no such thing"
            assert validator.validate({**good, name: wrong}).error_messages, name


def tasks_files() -> list[Path]:
    return [
        *PLAYBOOKS.glob("*.yml"),
        *PLAYBOOKS.glob("roles/*/tasks/*.yml"),
        *PLAYBOOKS.glob("roles/*/handlers/*.yml"),
    ]


def test_only_ansibles_own_modules_are_used() -> None:
    used = re.compile(r"^\s*(?:- )?([a-z_]+\.[a-z_]+\.[a-z_]+):", re.MULTILINE)
    for file in tasks_files():
        others = {name for name in used.findall(file.read_text()) if not name.startswith("ansible.builtin.")}
        assert not others, f"{file.relative_to(PLAYBOOKS)}: {others}"


def test_every_exception_to_a_rule_says_why() -> None:
    assert load(PLAYBOOKS / ".ansible-lint")["skip_list"] == []
    for file in tasks_files():
        for line in file.read_text().splitlines():
            if "noqa" in line:
                assert re.search(r"# noqa: \S+ \S+ \S+ \S+", line), f"{file.name}: {line.strip()}"


def test_every_playbook_refuses_a_limit_that_is_too_wide_first() -> None:
    for file in PLAYBOOKS.glob("*.yml"):
        first = load(file)[0]
        assert first["any_errors_fatal"] and first["roles"][0]["role"] == "limit_guard", file.name
        assert "always" in first.get("tags", first["roles"][0].get("tags", [])), file.name


@pytest.mark.parametrize(
    ("expected", "reached", "goes"),
    [(2, "hall-a:hall-b", True), (1, "all", False), (0, "hall-a", False), (1, "desk", False)],
)
def test_a_run_that_reaches_others_than_were_meant_does_nothing(
    tmp_path: Path, expected: int, reached: str, *, goes: bool
) -> None:
    (tmp_path / "hosts").write_text(
        "[units]\nhall-a\nhall-b\n[others]\ndesk\n[all:vars]\nansible_connection=local\n"
    )
    (tmp_path / "play.yml").write_text(
        "- hosts: all\n  gather_facts: false\n  any_errors_fatal: true\n  roles:\n    - role: limit_guard\n"
        "      limit_guard_group: units\n      limit_guard_expected: '{{ expected_hosts }}'\n"
        "- hosts: all\n  gather_facts: false\n  tasks: [{ansible.builtin.debug: {msg: worked}}]\n"
    )
    done = ansible(
        "playbook",
        "-i",
        "hosts",
        "play.yml",
        "--limit",
        reached,
        "-e",
        f"expected_hosts={expected}",
        cwd=tmp_path,
    )
    assert ("worked" in done.stdout) is goes, done.stdout
    assert (done.returncode == 0) is goes
    assert goes or "nothing was done" in done.stdout


def ansible(tool: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    settings = {
        "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg"),
        "ANSIBLE_HOME": str(cwd / ".ansible"),
        "ANSIBLE_NOCOLOR": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    return subprocess.run(
        [Path(sys.executable).parent / f"ansible-{tool}", *arguments],
        cwd=cwd,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("address", ["192.0.2.10", "203.0.113.5", "hop.example"])
def test_turn_relays_to_this_server_and_to_nobody_else(tmp_path: Path, address: str) -> None:
    own = ["10.0.0.4", "192.0.2.10"]  # 203.0.113.5 is that of a router before it
    facts = {"ansible_facts": {"all_ipv4_addresses": ["127.0.0.1", *own]}}
    given = {"coordinator_turn_address": address, "coordinator_turn_secret": {"content": "c2VjcmV0"}}
    role = PLAYBOOKS / "roles/coordinator_turn"
    (tmp_path / "vars.yml").write_text(yaml.safe_dump({**load(role / "defaults/main.yml"), **given, **facts}))
    writes = {"src": f"{role}/templates/turnserver.conf", "dest": f"{tmp_path}/conf"}
    play = {"hosts": "localhost", "gather_facts": False, "vars_files": ["vars.yml", f"{role}/vars/main.yml"]}
    play["tasks"] = [{"ansible.builtin.template": writes}]
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    done = ansible("playbook", "-c", "local", "play.yml", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = (tmp_path / "conf").read_text().splitlines()
    allowed = {line.partition("=")[2] for line in lines if line.startswith("allowed-peer-ip=")}
    assert allowed == {*own, *([] if address == "hop.example" else [address])}
    assert "denied-peer-ip=0.0.0.0-255.255.255.255" in lines and "listening-port=3478" in lines
    assert (f"listening-ip={address}" in lines) is (address in own)


def test_what_a_new_machine_would_be_given_is_looked_at_before_anything_is_done(tmp_path: Path) -> None:
    state, role = StateDir(tmp_path / "state"), PLAYBOOKS / "roles/unit_machine"
    state.make()
    release = signed_release(state, "1.0.0")
    given = {"unit_machine_folder": str(state.releases), "unit_machine_version": "1.0.0"}
    facts = {"ansible_facts": {"architecture": "x86_64", "python_version": "3.11.2"}}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": facts,
        "vars_files": [f"{role}/vars/main.yml"],
    }
    says = {"ansible.builtin.debug": {"msg": "{{ unit_machine_parts | length }} wheels"}}
    play["tasks"] = [{"ansible.builtin.include_tasks": f"{role}/tasks/release.yml"}, says]
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    (tmp_path / "given.yml").write_text(yaml.safe_dump(given))

    def said() -> str:
        done = ansible("playbook", "-c", "local", "--check", "-e", "@given.yml", "play.yml", cwd=tmp_path)
        return " ".join(done.stdout.split())

    assert f"there is no {state.releases}/ssh_authority" in said()
    (state.releases / "ssh_authority").write_text("ssh-ed25519 AAAA\n")
    assert '"msg": "3 wheels"' in said()
    (wheel,) = [part for part in release.parts if part.arch == "amd64"]
    shutil.rmtree(state.releases / "targets/wheels" / wheel.sha256)
    assert f"wheels/{wheel.sha256} is not there; build it again" in said()


def test_ansible_lint_finds_nothing() -> None:
    done = ansible("lint", "--nocolor", "--offline", cwd=PLAYBOOKS)
    assert done.returncode == 0, done.stdout + done.stderr
