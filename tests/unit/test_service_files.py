"""The service files: systemd reads them, and how much of the machine they leave open."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SERVICES = Path(__file__).parents[2] / "agent/systemd"
# exposure as `systemd-analyze security` counts it: 0 is shut, 10 is open
AT_MOST = {"unit": 1.5, "media@": 2.5, "screen": 1.5, "sound": 2.0, "update": 1.5, "tunnel": 1.5}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("service", AT_MOST)
def test_a_service_leaves_little_open(service: str) -> None:
    said = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=true",
            "--no-pager",
            SERVICES / f"diemcau-{service}.service",
        ],
        capture_output=True,
        text=True,
        timeout=20,
    )
    if "unrecognized option" in said.stderr:
        pytest.skip("this systemd does not judge files")
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said.stdout)
    assert found, said.stdout[-300:] + said.stderr
    assert float(found[1]) <= AT_MOST[service]


def test_services_run_from_the_present_release() -> None:
    for file in SERVICES.glob("*.service"):
        assert "/opt/diemcau/bin" not in file.read_text(), file.name
