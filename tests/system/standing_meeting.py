"""The demonstration's stage with a meeting that goes on while its processes are killed under it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from diemcau_controller.demo.api import ApiFailed
from diemcau_controller.demo.halls import MAIN, SITES, halls
from diemcau_controller.demo.network import set_up
from diemcau_controller.demo.processes import Process, end_all
from diemcau_controller.demo.stage import Stage
from diemcau_controller.demo.voices import Tone

from .hall_senses import Expected, Senses, ask_unit, pending

DEADLINE_S = 90.0  # for anything to happen: generous, what is measured is printed
ROGUE = "xa-ke-la"  # invited, but it has no unit
ROGUE_HZ = 1289


@dataclass(frozen=True, slots=True)
class Recovery:
    """How long it took (seconds) until every hall had its pictures again, and its sound."""

    pictures_s: float
    sound_s: float

    def __str__(self) -> str:
        return f"pictures after {self.pictures_s:.1f} s, sound after {self.sound_s:.1f} s"


class StandingMeeting:
    """Broker, Janus, controller and three units, and the meeting they are in. A context, as the stage is."""

    def __init__(self, root: Path) -> None:
        self.stage = Stage(root, halls({}, {}), set_up(), ())
        voices = {hall.id: hall.voice for hall in self.stage.halls}
        self.voices = {site: voice for site, voice in voices.items() if isinstance(voice, Tone)}
        self.voices[ROGUE] = Tone(ROGUE_HZ)
        self.occurrence = ""
        self.opens_at = datetime.now(UTC)
        self.kills: list[tuple[str, str]] = []  # (site or "", role), in order
        self._controller: Process | None = None

    def __enter__(self) -> StandingMeeting:
        self.stage.__enter__()
        try:
            # The launcher starts again what dies, but the controller: a test of its death says when.
            self.stage.start_services(time.monotonic() + DEADLINE_S, "--no-restart", "controller")
            self.stage.add_sites()
            self.stage.api.post("/api/v1/sites", {"id": ROGUE, "name": "Xã kẻ lạ"})
            self.stage.start_units(time.monotonic() + DEADLINE_S)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._controller is not None:
            end_all([self._controller])
        self.stage.__exit__()

    # ── the meeting ──────────────────────────────────────────────────────────────────────────────

    def announce(self, title: str, opens_in_s: float, lasts_s: int = 7200) -> None:
        """Announce a meeting of everybody and wait until every unit has stored it."""
        opens_before_s = 5
        starts_at = datetime.now(UTC) + timedelta(seconds=opens_in_s + opens_before_s)
        meeting = self.stage.api.post(
            "/api/v1/meetings",
            {
                "title": title,
                "starts_at": starts_at.isoformat(),
                "duration_s": lasts_s,
                "opens_before_s": opens_before_s,
                "main_site": MAIN,
                "sites": [*SITES, ROGUE],
            },
        )
        self.occurrence = meeting["occurrences"][0]["id"]
        self.opens_at = datetime.fromisoformat(meeting["occurrences"][0]["opens_at"])
        self.until("not every unit took the schedule", self.stage.units_ready)

    def grant(self, site: str) -> None:
        """Give a site the floor, alone."""
        self.stage.api.post(f"/api/v1/meetings/{self.occurrence}/floor", {"verb": "grant", "site": site})

    def join_info(self) -> dict[str, Any]:
        """The way in."""
        info: dict[str, Any] = self.stage.api.get(f"/api/v1/meetings/{self.occurrence}/join-info")
        return info

    def close(self) -> None:
        """The chair ends the meeting; wait until every unit's events say so and are at the controller."""
        self.stage.api.post(f"/api/v1/meetings/{self.occurrence}/close")
        self.all_tell("left")

    def all_tell(self, kind: str) -> None:
        """Wait until the controller has an event of this kind and this meeting from every site."""

        def told() -> bool:
            events = self.stage.api.get("/api/v1/events", meeting=self.occurrence, kind=kind, limit=1000)
            return {*SITES} <= {event["site"] for event in events}

        self.until(f"not every site told {kind}", told)

    def until(self, failure: str, reached: Callable[[], bool]) -> None:
        """Wait, patiently; keeps the stage tended."""
        self.stage.wait(failure, reached, time.monotonic() + DEADLINE_S)

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        self.stage.pause(seconds, time.monotonic() + seconds)

    # ── what everybody gets ──────────────────────────────────────────────────────────────────────

    def content(self, speaker: str, since: float | None = None) -> Recovery:
        """Wait until every hall sees and hears what it should, with nothing from before `since` counting.

        Everybody else sees and hears the speaker, and sees the main site; the speaker itself hears nobody.
        """
        senses = {
            site: Senses(
                self.stage.unit_folder(site),
                self.stage.playout(site),
                Expected(frozenset({speaker, MAIN} - {site}), speaker if site != speaker else None),
                self.voices,
                since or time.time(),
            )
            for site in SITES
        }
        deadline = time.monotonic() + DEADLINE_S
        while True:
            self.stage.tend()
            for one in senses.values():
                one.take()
            got = [one.content for one in senses.values()]
            times = [content for content in got if content is not None]
            if len(times) == len(got):
                return Recovery(max(pictures for pictures, _ in times), max(sound for _, sound in times))
            if time.monotonic() > deadline:
                missing = {site: one.why for site, one in senses.items() if one.content is None}
                raise AssertionError(f"with the floor at {speaker}: {missing}\n{self.state()}")
            time.sleep(0.1)

    # ── what is killed ───────────────────────────────────────────────────────────────────────────

    def kill_service(self, name: str, number: int = signal.SIGKILL) -> float:
        """Send a signal to mosquitto, janus or the controller; gives when (Unix seconds)."""
        pid = self.service_pid(name)
        assert pid is not None, f"{name} does not run"
        return self._kill("", name, pid, number)

    def kill_child(self, site: str, role: str) -> float:
        """Kill the media or screen process of a unit; gives when (Unix seconds)."""
        pid = self.child_pid(site, role)
        assert pid is not None, f"{site} has no {role} process"
        return self._kill(site, role, pid, signal.SIGKILL)

    def service_pid(self, name: str) -> int | None:
        """Its process, as the launcher has it."""
        own = self._controller is not None and name == "controller"
        file = self.stage.root / "run" / ("launcher-controller.json" if own else "launcher.json")
        try:
            pid: int | None = json.loads(file.read_text())["children"][name]["pid"]
        except (FileNotFoundError, KeyError):
            return None
        return pid

    def child_pid(self, site: str, role: str) -> int | None:
        """A process of a unit, as the unit tells it."""
        processes = ask_unit(self.stage.unit_folder(site), {"type": "status"}).get("processes", [])
        return next((p["pid"] for p in processes if p["role"] == role), None)

    def linked(self) -> bool:
        """True when every unit is connected to the broker, and the controller too."""
        folders = map(self.stage.unit_folder, SITES)
        return (
            all(ask_unit(one, {"type": "status"}).get("link") for one in folders) and self.stage.api.ready()
        )

    def controller_answers(self) -> bool:
        """True when there is a controller."""
        try:
            self.stage.api.get("/healthz")
        except ApiFailed:
            return False
        return True

    def restart_controller(self) -> None:
        """Start the controller alone, as a service manager would, and wait until it is at work."""
        if self._controller is not None:
            end_all([self._controller])
        self._controller = self.stage.serve("--only", "controller", "--no-restart", "controller")
        self.until("the controller did not come back", self.stage.api.ready)

    def _kill(self, site: str, role: str, pid: int, number: int) -> float:
        when = time.time()
        os.kill(pid, number)
        if number == signal.SIGKILL:
            self.kills.append((site, role))
        return when

    # ── what is told ─────────────────────────────────────────────────────────────────────────────

    def unit_events(self, site: str) -> list[dict[str, Any]]:
        """Every event in a unit's outbox and history, by its own command."""
        folder = str(self.stage.unit_folder(site))
        return _json_lines("diemcau-agent", "events", "--json", "--state-dir", folder)

    def controller_events(self, unit: str) -> list[dict[str, Any]]:
        """Every event of a unit that the controller has, by its own command."""
        root = str(self.stage.root)
        return _json_lines(
            "diemcau", "events", "--json", "--state-dir", root, "--unit", unit, "--limit", "1000"
        )

    def pending(self) -> int:
        """How many events wait for a receipt, in all units."""
        return sum(pending(self.stage.unit_folder(site)) for site in SITES)

    def state(self) -> str:
        """For a failure's text: how every unit does, and the end of its log."""
        parts = []
        for site in SITES:
            log = self.stage.units[site].log.read_text(errors="replace").splitlines()[-15:]
            parts += [f"── {site}", json.dumps(self.stage.unit_status(site)), *log]
        return "\n".join(parts)


def _json_lines(program: str, *arguments: str) -> list[dict[str, Any]]:
    """Run a program of this installation; gives the objects it prints."""
    argv = [str(Path(sys.executable).parent / program), *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]
