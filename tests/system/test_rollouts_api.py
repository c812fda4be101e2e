"""Rollouts through the API and on their pages; the fleet as Ansible's inventory plugin reads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from .office import Office
from .one_of_everything import furnish
from .rollout_underway import VERSION, rollout_underway

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    made = Office(tmp_path_factory.mktemp("office"))
    for number in range(1, 4):
        furnish(made, number)
    yield made
    made.close()


def test_a_rollout_from_start_to_end(office: Office) -> None:
    http = office.http
    assert http.post("/api/v1/rollouts", json={"version": "9.9.9"}).json()["code"] == "rollouts.not_offered"
    rollout_underway(office)
    again = http.post("/api/v1/rollouts", json={"version": VERSION})
    assert again.status_code == 409 and again.json()["code"] == "rollouts.another_runs"
    made = http.post("/api/v1/rollouts", json={"version": VERSION, "instead": True})
    assert made.status_code == 201
    rollout = made.json()["id"]
    first, *former = office.get("rollouts")
    assert first["id"] == rollout and {one["state"] for one in former} == {"stopped"}
    seen = office.get(f"rollouts/{rollout}")
    units = office.get(f"rollouts/{rollout}/units")
    assert sum(seen["counts"].values()) == len(units) == 3
    assert office.get(f"rollouts/{rollout}/units?heap=done") == []
    for verb, state in (("pause", "paused"), ("resume", "running"), ("abort", "stopped")):
        assert http.post(f"/api/v1/rollouts/{rollout}/steer", json={"verb": verb}).status_code == 204
        assert office.get(f"rollouts/{rollout}")["state"] == state
    refused = http.post(f"/api/v1/rollouts/{rollout}/steer", json={"verb": "resume"})
    assert refused.status_code == 409 and refused.json()["code"] == "rollouts.cannot_resume"
    actions = [row["action"] for row in office.get("audit")["changes"][:4]]
    assert actions == ["rollout.abort", "rollout.resume", "rollout.pause", "rollout.start"]


def test_freezes_and_rings(office: Office) -> None:
    spec = {"first": "2026-04-01", "last": "2026-04-03", "reason": "Đại hội"}
    made = office.http.post("/api/v1/freezes", json=spec)
    assert made.status_code == 201 and made.json() in office.get("freezes")
    assert office.http.delete(f"/api/v1/freezes/{made.json()['number']}").status_code == 204
    assert made.json() not in office.get("freezes")
    assert office.http.put("/api/v1/sites/xa-1/ring", json={"ring": "canary"}).status_code == 204
    rings = {one["site"]: one["ring"] for one in office.get("inventory")}
    assert rings == {"xa-1": "canary", "xa-2": "all", "xa-3": "all"}
    assert office.http.put("/api/v1/sites/xa-1/ring", json={"ring": None}).status_code == 204


def test_who_is_bound_to_an_area_steers_nothing_of_the_whole_fleet(office: Office) -> None:
    rollout = rollout_underway(office)
    office.add("users", name="huyen", role="administrator", area="cum-1")
    http = TestClient(office.nobody.app, base_url="https://testserver")
    http.headers["Authorization"] = f"Bearer {office.add('users/huyen/token')['token']}"
    assert http.post(f"/api/v1/rollouts/{rollout}/steer", json={"verb": "abort"}).status_code == 403
    seen = http.get(f"/api/v1/rollouts/{rollout}/units").json()
    assert [one["site"] for one in seen] == ["xa-1"]


@pytest.mark.parametrize("language", ["vi", "en"])
def test_pages_say_how_it_stands(office: Office, language: str) -> None:
    rollout = rollout_underway(office)
    unit = office.get(f"rollouts/{rollout}/units")[0]["unit"]
    for path in ("", f"/{rollout}", f"/{rollout}/part", f"/{rollout}/units/{unit}"):
        page = office.http.get(f"/rollouts{path}", params={"lang": language})
        assert page.status_code == 200, path
    assert VERSION in office.http.get(f"/rollouts/{rollout}").text


def test_the_inventory_plugin_groups_the_fleet(office: Office, tmp_path: Path) -> None:
    units = tmp_path / "units.json"
    direct = {"ssh_address": "10.20.0.7:2222"}
    assert office.http.patch("/api/v1/sites/xa-2", json=direct).status_code == 200
    units.write_text(json.dumps(office.get("inventory")))
    file = tmp_path / "diemcau.yml"
    command = json.dumps([sys.executable, "-c", f"print(open({str(units)!r}).read())"])
    file.write_text(f"plugin: diemcau\ncommand: {command}\n")
    environment = {
        **os.environ,
        "ANSIBLE_INVENTORY_PLUGINS": str(ROOT / "playbooks/inventory_plugins"),
        "ANSIBLE_INVENTORY_ENABLED": "diemcau",
        "ANSIBLE_HOME": str(tmp_path / "home"),
        "ANSIBLE_LOCALHOST_WARNING": "0",
    }
    listed = [str(Path(sys.executable).parent / "ansible-inventory"), "-i", str(file), "--list"]
    done = subprocess.run(listed, env=environment, capture_output=True, text=True, check=True, timeout=60)
    said = json.loads(done.stdout)
    assert len(said["units"]["hosts"]) == 3
    assert said["site_xa_2"]["hosts"] == said["area_cum_2"]["hosts"]
    assert sorted(said["ring_all"]["hosts"]) == sorted(said["units"]["hosts"])
    (unit,) = said["site_xa_2"]["hosts"]
    known = said["_meta"]["hostvars"]
    never_a_template = "__ansible_unsafe"
    assert known[unit]["ansible_host"] == {never_a_template: "10.20.0.7"}
    assert known[unit]["ansible_port"] == 2222
    assert f"-o HostKeyAlias={unit}" in str(known[unit]["ansible_ssh_common_args"])
    assert sum("ansible_host" in values for values in known.values()) == 1
    units.write_text("no JSON")
    done = subprocess.run(listed, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert "gave no JSON" in done.stderr
