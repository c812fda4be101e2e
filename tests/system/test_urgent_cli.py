"""`diemcau urgent` against a controller that serves: start, see who comes, answer for a hall."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.testing import Result
from diemcau_controller.cli import app, urgent
from diemcau_controller.cli.client import Failed
from typer.testing import CliRunner

from tests.system.office import Office, furnished, meeting, on_the_command_line, online


@pytest.fixture
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("cli") / "state"
    with furnished(folder) as made, on_the_command_line(made, urgent):
        yield made


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["urgent", *words])


def test_an_urgent_meeting_from_the_command_line(office: Office) -> None:
    meeting(office, starts_at="2026-03-02T08:00", sites=["ea-kiet"])
    told = run("start", "Lũ trên sông Krông Ana")
    assert told.exit_code == 0, told.output
    assert "2 sites are called" in told.stdout and "2 of them out of “Giao ban”" in told.stdout
    started = told.stdout.split(":")[0]
    now = json.loads(run("show", started, "--json").stdout)
    assert [one["answer"] for one in now["sites"]] == ["unreachable", "unreachable"]
    shown = run("show", started).stdout
    assert "ea-kiet" in shown and "0905" in shown and "2 unreachable" in shown
    office.post.answering = office.controller
    online(office)
    assert "is called once more" in run("ring", started, "ea-kiet").stdout
    assert "does not come" in run("decline", started, "ea-kiet").stdout
    refused = run("ring", started, "huyen")
    assert isinstance(refused.exception, Failed) and "has no unit" in str(refused.exception)


def test_some_halls_only(office: Office) -> None:
    started = json.loads(run("start", "Lũ", "--main", "ea-kiet", "--site", "ea-kiet", "--json").stdout)
    assert started["sites"] == ["ea-kiet"]


def test_nobody_to_call(office: Office) -> None:
    for site in ("ea-kiet", "huyen"):
        office.http.delete(f"/api/v1/sites/{site}")
    assert "there are no sites to call" in str(run("start", "Lũ").exception)
