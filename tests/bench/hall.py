"""Our halls on the same virtual display: services, a sender that answers PLI, and units to measure."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from diemcau_controller.demo.halls import MAIN, SITES, halls
from diemcau_controller.demo.network import Network
from diemcau_controller.demo.processes import Process, end_all
from diemcau_controller.demo.stage import Stage
from diemcau_controller.namespace import ADDRESS

from .film import FPS, Film, Size

ENCODING, PASSTHROUGH = (site for site in SITES if site != MAIN)
_PATIENCE_S = 60.0
_SERVER = Path(__file__).parents[1] / "lab" / "rtsp_server.py"
_BARE = """
import asyncio, json, logging, selectors, sqlite3, ssl, threading, time
import paho.mqtt.client, psutil
from pydantic import BaseModel  # the package alone loads nothing of itself
time.sleep(3600)
"""


class Halls:
    """A long meeting whose main site sends; units of the two other sites come and go."""

    def __init__(self, stage: Stage, meeting: str, display: str) -> None:
        self._stage, self._meeting, self._display = stage, meeting, display

    def join_info(self) -> dict[str, Any]:
        """The way in, for the browser."""
        info: dict[str, Any] = self._stage.api.get(f"/api/v1/meetings/{self._meeting}/join-info")
        return info

    @contextmanager
    def unit(self, site: str) -> Iterator[dict[str, int]]:
        """A unit in the meeting, its picture of the main site on the screen: process ids by role."""
        agent = str(Path(sys.executable).parent / "diemcau-agent")
        env = {"SDL_VIDEODRIVER": "x11", "DISPLAY": self._display}
        argv = [agent, "run", "--state-dir", str(self._stage.unit_folder(site))]
        process = Process(site, argv, self._stage.root / "logs" / f"bench-{site}.log", env=env)
        try:
            self._stage.wait(
                f"the unit of {site} does not show the meeting",
                lambda: self.shown(site) > 0,
                time.monotonic() + _PATIENCE_S,
            )
            status = self._stage.unit_status(site)
            assert status is not None
            yield {one["role"]: one["pid"] for one in status["processes"]}
        finally:
            end_all([process])

    def shown_now(self, site: str) -> tuple[int, float]:
        """Frames drawn, and the moment (monotonic) at which the unit said so: it counts in steps."""
        before = self.shown(site)
        while (now := self.shown(site)) == before:
            time.sleep(0.02)
        return now, time.monotonic()

    def shown(self, site: str) -> int:
        """Frames of the main site its screen has drawn."""
        status = self._stage.unit_status(site)
        if status is None or status["session"]["state"] != "in_meeting":
            return 0
        return sum(slot["frames_shown"] for slot in status["session"]["slots"] if slot["site"] == MAIN)


@contextmanager
def halls_at_work(
    root: Path, film: Film, camera: str, display: str, *, shows_only: str = ""
) -> Iterator[Halls]:
    """The stage, and a meeting that outlasts the benchmark. The hall `shows_only` has no camera."""
    root.mkdir()
    page = socket.create_server(("127.0.0.1", 0))
    cameras = {MAIN: f"file:{film.raw}", ENCODING: f"file:{film.raw}", PASSTHROUGH: camera}
    cameras |= {shows_only: "none"} if shows_only else {}
    with page, Stage(root, halls(cameras, {}), Network(ADDRESS, page), (), video=film.size.video) as stage:
        stage.start_services(time.monotonic() + _PATIENCE_S)
        stage.add_sites()
        stage.start_units(time.monotonic() + _PATIENCE_S)
        meeting = stage.add_meeting("Đo", 1, 4 * 3600, opens_before_s=60)
        stage.wait("not every unit took the schedule", stage.units_ready, time.monotonic() + _PATIENCE_S)
        end_all([stage.units.pop(ENCODING), stage.units.pop(PASSTHROUGH)])
        stage.wait(
            "the main site did not join",
            lambda: bool(stage.api.get("/api/v1/events", meeting=meeting, kind="joined")),
            time.monotonic() + _PATIENCE_S,
        )
        yield Halls(stage, meeting, display)


@contextmanager
def ip_camera(film: Film) -> Iterator[str]:
    """GStreamer's RTSP server, repeating the film; gives its address."""
    server = subprocess.Popen(
        ["/usr/bin/python3", _SERVER, "--address", ADDRESS, "--file", film.coded, "--fps", str(FPS)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        yield server.stdout.readline().split()[1]
    finally:
        server.kill()
        server.communicate()


@contextmanager
def virtual_display(size: Size) -> Iterator[str]:
    """Xvfb of the film's size; gives its name."""
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{size}x24", "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as said:
            yield f":{said.readline().strip()}"
    finally:
        server.terminate()
        server.wait()


@contextmanager
def bare_process() -> Iterator[int]:
    """Python with the libraries of the unit process imported, and nothing else; its process id."""
    process = subprocess.Popen([sys.executable, "-c", _BARE])
    try:
        time.sleep(2)
        yield process.pid
    finally:
        process.kill()
        process.wait()
