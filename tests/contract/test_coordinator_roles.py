"""What the coordinator's roles say of the controller is so: its programs, its settings, its sandbox."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from diemcau_controller.config import Settings
from diemcau_controller.programs import NAMES

ROLES = Path(__file__).parents[2] / "playbooks/roles"
SERVICES = ROLES / "coordinator_services"
MOST_EXPOSED = 20  # of 100, of the service all of them are made of


def test_every_program_is_a_service_with_a_sandbox() -> None:
    names = yaml.safe_load((SERVICES / "vars/main.yml").read_text())["coordinator_services_names"]
    assert tuple(names) == NAMES
    assert {path.stem for path in (SERVICES / "files").glob("*.conf")} == set(NAMES)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd on this machine")
@pytest.mark.parametrize("name", NAMES)
def test_a_service_leaves_little_open(name: str, tmp_path: Path) -> None:
    """The service with what this one may besides, as systemd reads them together."""
    text = (SERVICES / "files/diemcau@.service").read_text() + (SERVICES / f"files/{name}.conf").read_text()
    unit = tmp_path / f"diemcau-{name}.service"
    unit.write_text(text.replace("[Install]\nWantedBy=multi-user.target\n", "").replace("%i", name))
    judged = ["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager"]
    done = subprocess.run([*judged, str(unit)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-300:] + done.stderr[-300:]


def written(settings: dict[str, Any]) -> str:
    """The settings file as the role writes it."""
    world = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined)
    world.filters["to_json"] = json.dumps
    template = world.from_string((ROLES / "coordinator_settings/templates/coordinator.toml").read_text())
    return template.render(coordinator_settings_document=settings)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"public_address": "2001:db8::7", "health_interval_s": 2.5, "announce": False},
        {"coordinator": {"name": 'Phòng "Họp"\\1\n', "phone": ""}, "language": "en"},
        {
            "backup": {"folder": "", "keep": 3},
            "notify": {"urls": [], "areas": {"tỉnh đắk lắk": ["json://a.b"]}},
        },
        {"turn": {"secret_file": "/etc/diemcau/turn-secret"}, "timezone": "Asia/Ho_Chi_Minh"},
        {"openid": {"issuer": "https://a.b", "client_id": "c", "roles": {"viewer": ["xem"]}}},
    ],
)
def test_settings_arrive_as_they_were_given(settings: dict[str, Any]) -> None:
    document = tomllib.loads(written(settings))
    assert document == settings
    Settings.model_validate(document)


def test_the_documented_settings_are_taken() -> None:
    page = (ROLES.parents[1] / "docs/server.md").read_text()
    (block,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    settings = yaml.safe_load(block)["coordinator"]["vars"]["coordinator_settings"]
    settings["backup"]["recipients"] = []
    settings["backup"]["folder"] = ""  # a recipient of its own is made by every office
    assert Settings.model_validate(settings).public_address == "192.0.2.10"
