"""A running meeting of the three halls of `diemcau demo`, chaired through the command line alone."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from diemcau_controller.demo.halls import SITES, halls
from diemcau_controller.demo.network import Network
from diemcau_controller.demo.stage import VIDEO, Stage
from diemcau_controller.demo.voices import Tone
from diemcau_controller.namespace import ADDRESS

DIEMCAU = Path(sys.executable).with_name("diemcau")
FPS = int(VIDEO["fps"])
SETTLE_S = 2.0  # the demonstration's own patience after the floor has moved

_PATIENCE_S = 90.0


class StagedMeeting:
    """What a test asks of the meeting. `tones` is each site's microphone, in hertz."""

    def __init__(self, stage: Stage, meeting: str) -> None:
        self.stage, self.meeting = stage, meeting
        self.tones = {hall.id: hall.voice.hertz for hall in stage.halls if isinstance(hall.voice, Tone)}

    def join_info(self) -> dict[str, Any]:
        """What `diemcau meeting join-info ID --json` prints."""
        return dict(json.loads(self._diemcau("join-info", self.meeting, "--json")))

    def give_floor(self, site: str) -> None:
        """`diemcau meeting floor ID grant SITE`."""
        self._diemcau("floor", self.meeting, "grant", site)

    def status(self, site: str) -> dict[str, Any]:
        """What the unit of a site says of itself."""
        status = self.stage.unit_status(site)
        assert status is not None, f"the unit of {site} does not answer"
        return status

    def unit_log(self, site: str) -> str:
        return self.stage.units[site].log.read_text(errors="replace")

    def _diemcau(self, *arguments: str) -> str:
        command = [DIEMCAU, "meeting", *arguments, "--state-dir", self.stage.root]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def staged_meeting(root: Path, cameras: Mapping[str, str] | None = None) -> Iterator[StagedMeeting]:
    """A meeting every site has joined. `cameras` replaces sources by site, as the flag of the demo does."""
    page = socket.create_server(("127.0.0.1", 0))
    with page, Stage(root, halls(cameras or {}, {}), Network(ADDRESS, page), ()) as stage:
        deadline = time.monotonic() + _PATIENCE_S
        stage.start_services(deadline)
        stage.add_sites()
        stage.start_units(deadline)
        meeting = stage.add_meeting("Họp giao ban thử", 2, 600, opens_before_s=60)

        def all_in() -> bool:
            events = stage.api.get("/api/v1/events", meeting=meeting, kind="joined", limit=100)
            return {event["site"] for event in events} >= set(SITES)

        stage.wait("not every site joined", all_in, time.monotonic() + _PATIENCE_S)
        yield StagedMeeting(stage, meeting)
