"""`diemcau meeting` against a controller that serves: announce, change, single dates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from diemcau_controller.cli import app, meetings
from typer.testing import CliRunner

from tests.system.office import Office, furnished, on_the_command_line


@pytest.fixture
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("cli") / "state"
    with furnished(folder) as made, on_the_command_line(made, meetings):
        yield made


def run(*words: str) -> str:
    done = CliRunner().invoke(app, ["meeting", *words])
    assert done.exit_code == 0, done.output
    return done.stdout  # not what is logged beside it


def as_json(*words: str) -> Any:
    return json.loads(run(*words, "--json"))


def test_a_meeting_from_the_command_line(office: Office) -> None:
    made = as_json(
        *("add", "Giao ban", "--start", "2026-03-02 08:30", "--duration", "90m", "--main", "huyen"),
        *("--area", "xa-ea-kiet", "--rrule", "FREQ=WEEKLY;BYDAY=MO", "--chair", "Ông Y Khoa"),
        *("--mode", "elsewhere"),
    )
    assert (made["sites"], made["mode"], made["chair"]) == (["huyen", "ea-kiet"], "elsewhere", "Ông Y Khoa")
    meeting = made["id"]
    ninth = f"{meeting}-20260309T083000"
    assert f"{ninth} is not held" in run("skip", ninth, "--reason", "Nghỉ lễ")
    assert "2026-03-09" not in run("change", meeting, "--title", "Giao ban tuần")
    assert "2026-03-09 08:30" in run("restore", ninth)
    assert "2026-03-10 14:00" in run("move", ninth, "--start", "2026-03-10 14:00")
    assert "2026-03-09 08:30" in run("restore", ninth)
    single = as_json("change", meeting, "--since", ninth, "--only", "--site", "huyen", "--mode", "here")
    assert single["sites"] == ["huyen"] and single["mode"] == "here" and single["id"] != meeting
    known = office.get(f"meetings/{meeting}/announcement")
    assert (known["title"], known["mode"]) == ("Giao ban tuần", "elsewhere")


def test_nothing_to_change(office: Office) -> None:
    done = CliRunner().invoke(app, ["meeting", "change", "m1"])
    assert done.exit_code == 2 and "name what shall change" in done.output
