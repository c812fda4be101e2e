"""Ansible's inventory from the controller: every unit that serves a site, in groups.

It runs `diemcau inventory --json` on the coordinator's server, so Ansible runs there, too, as a user who may.
"""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin

DOCUMENTATION = r"""
name: diemcau
short_description: The units of a Điểm Cầu fleet
description:
  - Hosts are units, by their ids. Groups are C(units) (all of them), C(site_…), C(area_…) (the areas
    above, too), C(ring_…) and C(hardware_…), with every character but letters, digits and C(_) as C(_).
  - Who is reached directly has its address, and its host key is looked for under its id.
options:
  plugin:
    description: The name of this plugin.
    required: true
    choices: [diemcau]
  command:
    description: How the controller's command line is called.
    type: list
    elements: str
    default: [diemcau]
  state_dir:
    description: Folder of the controller's state.
    type: str
    default: /var/lib/diemcau
"""

_PATIENCE_S = 60


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]  # Ansible has no types
    """Reads a file whose name ends in `diemcau.yml`."""

    NAME = "diemcau"

    def verify_file(self, path: str) -> bool:
        """Whether that file is for this plugin."""
        return bool(super().verify_file(path)) and path.endswith(("diemcau.yml", "diemcau.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Put every unit in. Raises AnsibleParserError with what to do."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        self.inventory.add_group("units")
        for unit in self._units():
            self._add(unit)

    def _units(self) -> list[dict[str, Any]]:
        command = [
            *self.get_option("command"),
            "inventory",
            "--json",
            "--state-dir",
            self.get_option("state_dir"),
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False, encoding="utf-8"
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AnsibleParserError(f"{command[0]} cannot be run: {error}") from error
        if done.returncode:
            raise AnsibleParserError(done.stderr.strip() or f"{command[0]} inventory failed")
        try:
            units = json.loads(done.stdout)
        except ValueError as error:
            raise AnsibleParserError(f"{command[0]} inventory gave no JSON: {error}") from error
        if not isinstance(units, list) or not all(
            isinstance(unit, dict) and "unit" in unit for unit in units
        ):
            raise AnsibleParserError(f"{command[0]} inventory gave no list of units")
        return units

    def _add(self, unit: dict[str, Any]) -> None:
        host = self.inventory.add_host(str(unit["unit"]), group="units")
        groups = [
            f"site_{unit.get('site')}",
            f"ring_{unit.get('ring')}",
            *(f"area_{area}" for area in unit.get("areas") or ()),
            *([f"hardware_{unit['hardware']}"] if unit.get("hardware") else ()),
        ]
        for name in groups:
            group = self.inventory.add_group(re.sub(r"[^A-Za-z0-9_]", "_", name))
            self.inventory.add_child(group, host)
        for name in ("site", "ring", "version"):
            self.inventory.set_variable(host, f"diemcau_{name}", unit.get(name) or "")
        if unit.get("ssh_host"):
            self.inventory.set_variable(host, "ansible_host", unit["ssh_host"])
            self.inventory.set_variable(host, "ansible_port", unit["ssh_port"])
            self.inventory.set_variable(host, "ansible_user", "diemcau-maintenance")
            self.inventory.set_variable(host, "ansible_ssh_common_args", f"-o HostKeyAlias={host}")
        self.inventory.set_variable(host, "diemcau_area", (unit.get("areas") or [""])[-1])
