"""Họp khẩn with real units: three halls in a meeting; one declines, one is cut off when it is called."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from diemcau_controller.demo.halls import MAIN, SITES, halls
from diemcau_controller.demo.network import Network
from diemcau_controller.demo.stage import Stage
from diemcau_controller.demo.voices import RATE_HZ, read_raw, tone_level
from diemcau_controller.namespace import ADDRESS

from .cut_line import CutLine

pytestmark = [pytest.mark.namespace, pytest.mark.timeout(420)]

AGENT = Path(sys.executable).with_name("diemcau-agent")
SECOND, THIRD = (site for site in SITES if site != MAIN)
PATIENCE_S = 90.0
CUT_S = 8.0
CHIME_HZ = 659  # E5, the first of the two tones
RING_S = 60.0


class Urgent:
    """The stage, and an urgent meeting on it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.id = ""

    def start(self) -> None:
        started = self.stage.api.post("/api/v1/urgent", {"title": "Lũ trên sông Sêrêpốk", "main_site": MAIN})
        self.id = started["id"]
        assert {one["title"] for one in started["clashes"]} == {"Giao ban"}

    def halls(self) -> dict[str, dict[str, Any]]:
        now = self.stage.api.get(f"/api/v1/urgent/{self.id}")
        return {one["site"]: one for one in now["sites"]}

    def until(self, site: str, answer: str) -> None:
        def reached() -> bool:
            return bool(self.halls()[site]["answer"] == answer)

        failure = f"{site} is not {answer}: {self.halls()} {self.stage.unit_status(site)}"
        self.stage.wait(failure, reached, time.monotonic() + PATIENCE_S)

    def events(self, site: str) -> list[tuple[str, str, dict[str, Any], datetime]]:
        """What the unit says happened in meetings: kind, meeting, data, when."""
        argv = [AGENT, "events", "--json", "--state-dir", self.stage.unit_folder(site)]
        lines = subprocess.run(
            argv, capture_output=True, text=True, check=True, timeout=30
        ).stdout.splitlines()
        found = [json.loads(line) for line in lines]
        kinds = ("joined", "dropped", "rejoined", "left", "declined")
        return [
            (one["kind"], one["meeting"], one["data"], datetime.fromisoformat(one["at"]))
            for one in found
            if one["kind"] in kinds
        ]


@pytest.fixture
def line_and_stage(tmp_path: Path) -> Iterator[tuple[CutLine, Stage]]:
    """Three halls in an ordinary meeting; the third reaches the broker over a line that can be cut."""
    page = socket.create_server(("127.0.0.1", 0))
    with page, Stage(tmp_path / "stage", halls({}, {}), Network(ADDRESS, page), ()) as stage:
        deadline = time.monotonic() + PATIENCE_S
        stage.start_services(deadline)
        stage.add_sites()
        way = stage.unit_folder(THIRD) / "identity" / "coordinator.json"
        known = json.loads(way.read_text())
        line = CutLine(known["mqtt_host"], known["mqtt_port"])
        nowhere = "https://127.0.0.1:1"  # or it would hear there where the broker really is
        way.write_text(json.dumps({**known, "mqtt_port": line.port, "web_url": nowhere}))
        stage.start_units(deadline)
        ordinary = stage.add_meeting("Giao ban", 2, 900, opens_before_s=60)
        wait_joined(stage, ordinary, set(SITES))
        yield line, stage
        line.close()


def wait_joined(stage: Stage, meeting: str, sites: set[str], times: int = 1) -> None:
    def reached() -> bool:
        events = stage.api.get("/api/v1/events", meeting=meeting, kind="joined", limit=100)
        return all(sum(event["site"] == site for event in events) >= times for site in sites)

    stage.wait(f"not every one of {sites} joined {meeting}", reached, time.monotonic() + PATIENCE_S)


def agent(stage: Stage, site: str, *command: str) -> subprocess.CompletedProcess[str]:
    argv = [AGENT, *command, "--state-dir", stage.unit_folder(site)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30)


def test_every_hall_is_called_and_comes(line_and_stage: tuple[CutLine, Stage]) -> None:
    line, stage = line_and_stage
    urgent = Urgent(stage)
    assert agent(stage, SECOND, "decline").returncode == 1, "nothing rings yet"
    line.cut()
    called = time.monotonic()
    urgent.start()

    # The second hall is rung in its meeting, declines, and stays there.
    def rings() -> bool:
        return agent(stage, SECOND, "decline").returncode == 0

    stage.wait("it does not ring", rings, time.monotonic() + 10)
    urgent.until(SECOND, "declined")
    assert [kind for kind, *_ in urgent.events(SECOND)] == ["joined", "declined"]
    told_s = time.monotonic() - called
    stage.pause(2, time.monotonic() + 2)
    assert stage.unit_status(SECOND)["session"]["state"] == "in_meeting"  # type: ignore[index]

    # Somebody telephoned: it is called once more.
    stage.api.post(f"/api/v1/urgent/{urgent.id}/answers", {"site": SECOND, "verb": "ring"})
    rung_again = time.monotonic()

    # The third hall was cut off; it hears of it when its line is back.
    assert urgent.halls()[THIRD]["answer"] in ("called", "unreachable")
    stage.pause(max(0.0, CUT_S - (time.monotonic() - called)), time.monotonic() + CUT_S)
    line.mend()
    mended = time.monotonic()
    assert chime_sounds(stage, MAIN), "no chime in the hall that is called"

    urgent.until(MAIN, "present")
    main_s = time.monotonic() - called
    urgent.until(SECOND, "present")
    second_s = time.monotonic() - rung_again
    urgent.until(THIRD, "present")
    third_s = time.monotonic() - mended
    all_s = time.monotonic() - called
    print(
        f"declined after {told_s:.1f} s; {MAIN} in after {main_s:.1f} s, {SECOND} {second_s:.1f} s after "
        f"the second call, {THIRD} {third_s:.1f} s after its line was back; all three after {all_s:.1f} s"
    )
    assert all_s < 180
    for taken_s in (main_s, second_s, third_s):
        assert taken_s > RING_S - 1, "the camera opens only after the hall was told for a minute"
    now = stage.api.get(f"/api/v1/urgent/{urgent.id}")
    assert now["complete"] is True and now["elapsed_s"] < 180

    # Its end gives every hall back to the meeting it was in.
    stage.api.post(f"/api/v1/meetings/{urgent.id}/close")
    ordinary = urgent.events(MAIN)[0][1]
    wait_joined(stage, ordinary, set(SITES), times=2)
    for site in SITES:
        visits = [(kind, meeting) for kind, meeting, *_ in urgent.events(site) if kind != "declined"]
        assert visits == [
            ("joined", ordinary), ("left", ordinary), ("joined", urgent.id), ("left", urgent.id),
            ("joined", ordinary),
        ]  # fmt: skip
        assert urgent.events(site)[1 if site != SECOND else 2][2] == {"why": "urgent"}


def chime_sounds(stage: Stage, site: str) -> bool:
    """The first tone of the chime stands out within one turn of five seconds."""
    playout = stage.playout(site)
    start = playout.stat().st_size
    stage.pause(6, time.monotonic() + 10)
    sound = read_raw(playout, start, playout.stat().st_size)
    window = RATE_HZ // 2
    levels = [
        tone_level(sound[at : at + window], CHIME_HZ) for at in range(0, len(sound) - window, window // 2)
    ]
    print(f"chime at {max(levels):.0f} dB, between {min(levels):.0f} dB")
    return max(levels) > min(levels) + 20
