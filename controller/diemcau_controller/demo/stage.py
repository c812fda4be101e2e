"""The stage of the demonstration: the coordinator's services and three units, each with its own processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from ..adapters.authority import Authority
from ..config import StateDir
from ..programs import LISTEN_FD
from .api import Api, ApiFailed
from .halls import AREA, MAIN, Hall
from .network import Network, free_ports
from .processes import Process, end_all

VIDEO = {"width": 640, "height": 360, "fps": 15, "bitrate_bps": 600_000}
SCREEN = {"width": 1280, "height": 720}
_TICK_S = 0.2


class Failed(RuntimeError):
    """The demonstration cannot go on; the text says why."""


class Stage:
    """Everything that runs. Use it as a context: what was started has ended after it."""

    def __init__(
        self,
        root: Path,
        halls: list[Hall],
        network: Network,
        no_restart: Iterable[str],
        *,
        video: dict[str, int] = VIDEO,
    ) -> None:
        self.root, self.halls, self.network, self._video = root, halls, network, video
        self._no_restart = set(no_restart)
        self._state = StateDir(root)
        self._config = root / "demo.toml"
        self._web, self._mqtt, self._janus, self._tunnel = free_ports(network.address, 4)
        self.api = Api(f"https://{network.address}:{self._web}", self._state)
        self.units: dict[str, Process] = {}
        self._services: Process | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.api.close()
        end_all(self.units.values())
        if self._services is not None:
            end_all([self._services])

    @property
    def page_url(self) -> str:
        """The page, with the token that lets in."""
        return f"{self.network.page_url}/?token={self.api.token}"

    def start_services(self, deadline: float, *options: str) -> None:
        """Start broker, Janus and controller, and wait until the controller has reached both."""
        self._state.make()
        text = _config(self.network.address, self._web, self._mqtt, self._janus, self._tunnel)
        self._config.write_text(text, encoding="utf-8")
        (self.root / "units").mkdir()
        (self.root / "screens").mkdir()
        self._services = self.serve(*options)
        self.wait("broker, Janus and controller did not come up", self.api.ready, deadline)

    def serve(self, *options: str) -> Process:
        """Run `diemcau serve` with these options; whoever asks for it ends it."""
        page = self.network.page.fileno()
        return Process(
            "services",
            [
                *_program("diemcau"),
                "serve",
                "--state-dir",
                str(self.root),
                "--config",
                str(self._config),
                *options,
            ],
            self._state.logs / "launcher.log",
            restart=False,
            env={LISTEN_FD: str(page)},
            fds=[page],
        )

    def add_sites(self) -> None:
        """Tell the controller of areas and sites, and make each site's unit."""
        self.api.post("/api/v1/areas", AREA)
        for hall in self.halls:
            area = {"id": f"dia-ban-{hall.id}", "name": hall.area, "tier": hall.tier, "parent": AREA["id"]}
            self.api.post("/api/v1/areas", area)
            self.api.post(
                "/api/v1/sites",
                {
                    "id": hall.id,
                    "name": hall.name,
                    "area": area["id"],
                    "is_centre": hall.id == MAIN,
                    "contacts": [hall.contact],
                    "camera": hall.camera,
                    "microphone": hall.microphone,
                    "sound": f"file:{self.playout(hall.id)}",
                    "video": self._video,
                    "screen": SCREEN,
                },
            )
            identity = self.unit_folder(hall.id) / "identity"
            unit = Authority(self._state.authority).new_unit_identity(
                identity, self.network.address, self._mqtt
            )
            certificate = (identity / "unit.crt").read_text()
            self.api.post("/api/v1/units", {"id": unit, "site": hall.id, "certificate": certificate})

    def start_units(self, deadline: float) -> None:
        """Start every unit and wait until each runs the configuration and schedule meant for it."""
        for hall in self.halls:
            restart = hall.id not in self._no_restart
            argv = [*_program("diemcau-agent"), "run", "--state-dir", str(self.unit_folder(hall.id))]
            self.units[hall.id] = Process(
                hall.id,
                argv if restart else [*argv, "--no-restart"],
                self._state.logs / f"unit-{hall.id}.log",
                restart=restart,
                env={"SDL_VIDEODRIVER": os.environ.get("DIEMCAU_DEMO_SCREEN", "dummy")},
            )
        self.wait("not every unit took its configuration", self.units_ready, deadline)

    def units_ready(self) -> bool:
        """True when every unit runs the configuration and schedule meant for it."""
        sites = [site for site in self.api.get("/api/v1/sites") if site["id"] in self.units]
        return all(
            site["unit"]["status"] == "online"
            and site["unit"][document]["reported"] == site["unit"][document]["desired"] is not None
            for site in sites
            for document in ("config", "schedule")
        )

    def add_meeting(self, title: str, starts_in_s: float, lasts_s: int, *, opens_before_s: int) -> str:
        """Announce a meeting of all three; gives the occurrence's id."""
        starts_at = datetime.now(UTC) + timedelta(
            seconds=starts_in_s + 1
        )  # whole seconds, and not in the past
        meeting = self.api.post(
            "/api/v1/meetings",
            {
                "title": title,
                "starts_at": starts_at.isoformat(),
                "duration_s": lasts_s,
                "opens_before_s": opens_before_s,
                "overrun_s": 0,  # so that all of it, the leaving too, happens by itself
                "main_site": MAIN,
                "sites": [hall.id for hall in self.halls],
            },
        )
        occurrence: str = meeting["occurrences"][0]["id"]
        return occurrence

    def tend(self) -> None:
        """Keep units running. Raises :class:`Failed` when the services have ended."""
        for unit in self.units.values():
            unit.tend()
        if self._services is not None and not self._services.running:
            raise Failed(f"the coordinator's services ended: {self._services.last_words()}")

    def pause(self, seconds: float, deadline: float) -> None:
        """Let time pass, but not beyond the deadline."""
        until = min(time.monotonic() + seconds, deadline)
        while (left := until - time.monotonic()) > 0:
            self.tend()
            time.sleep(min(left, _TICK_S))

    def wait(self, failure: str, reached: Callable[[], bool], deadline: float) -> None:
        """Wait until `reached`. Raises :class:`Failed` with `failure` at the deadline."""
        while True:
            self.tend()
            try:
                if reached():
                    return
            except ApiFailed as error:
                failure = f"{failure.partition(' (')[0]} ({error})"
            if time.monotonic() >= deadline:
                raise Failed(failure)
            time.sleep(_TICK_S)

    # ── one unit ─────────────────────────────────────────────────────────────────────────────────

    def unit_folder(self, site: str) -> Path:
        """State folder of a site's unit."""
        return self.root / "units" / site

    def playout(self, site: str) -> Path:
        """What a site's loudspeakers played: 48 kHz mono s16le."""
        return self.root / "units" / f"{site}.s16"

    def unit_status(self, site: str) -> dict[str, Any] | None:
        """What the unit says of itself; None when it does not answer."""
        done = self._agent("status", site, "--json")
        try:
            out, _ = done.communicate(timeout=8)
            status = json.loads(out)
        except (subprocess.TimeoutExpired, ValueError):
            done.kill()
            done.wait()
            return None
        return status if isinstance(status, dict) else None

    def snapshots(self, files: dict[str, Path]) -> None:
        """Have each site's unit write what its screen shows; who cannot leaves no file."""
        running = [self._agent("snapshot", site, str(file)) for site, file in files.items()]
        for process in running:
            try:
                process.communicate(timeout=8)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _agent(self, command: str, site: str, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*_program("diemcau-agent"), command, *arguments, "--state-dir", str(self.unit_folder(site))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )


def _program(name: str) -> list[str]:
    """The installed program beside this Python, so that it is this version's."""
    return [str(Path(sys.executable).parent / name)]


def _config(address: str, web: int, mqtt: int, janus: int, tunnel: int) -> str:
    return f"""# Written by `diemcau demo`.
public_address = "{address}"
health_interval_s = 2
[web]
host = "{address}"
port = {web}
[mqtt]
host = "{address}"
port = {mqtt}
[janus]
port = {janus}
[tunnel]
port = {tunnel}
[coordinator]
name = "Văn phòng UBND tỉnh"
phone = "0262 3 800 000"
"""
