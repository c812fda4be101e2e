"""Rows of part `image`: a rollout brings a whole system to a flashed box, which keeps it when its room works
with it, and reports that it went back when not. The bundle comes from a server in the hall's own network."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from diemcau_controller.config import StateDir
from diemcau_controller.namespace import ADDRESS

from tests.lab.machine import MachineFailed
from tests.lab.report import Evidence, NotShown
from tests.system.release_server import Folder, ReleaseServer

from .boot import SITE, Hall, Show
from .release import BROKEN, FOLDER, NEXT
from .slots import called, slot
from .way_in import way_in

ROWS = [
    "an order from the coordinator brings a system",
    "a system from the coordinator that breaks the room is reported as gone back",
]
_LIMIT_S = 5400  # the bundle, the other slot, a quarter of an hour after a meeting, two starts
_LOOK = "runuser -u diemcau-update -- /opt/diemcau/current/bin/diemcau-agent update status --json"


def shows(bundles: dict[str, Path]) -> dict[str, Show]:
    """Both rows, with how they are shown. `bundles`: `good` (of NEXT) and `broken` (of BROKEN)."""
    return {
        ROWS[0]: partial(kept, bundle=bundles["good"]),
        ROWS[1]: partial(gone_back, bundle=bundles["broken"]),
    }


def kept(hall: Hall, evidence: Evidence, bundle: Path) -> str:
    with way_in(*called(hall)) as box:
        before = slot(box)
    began = time.monotonic()
    with neighbour(hall) as near:
        rollout = ordered(hall, NEXT, bundle)
        unit = ended(hall, evidence, rollout, ("gating", "done"))
        evidence.json("neighbour", near.asked)
    took = time.monotonic() - began
    with way_in(*called(hall)) as box:
        now, status = slot(box), json.loads(box.run(_LOOK))
    evidence.json("unit", {"unit": unit, "status": status})
    hall.box.shown(evidence.path("png"))
    bundles = [path for path, _ in near.asked if path.endswith(".raucb")]
    if now == before or status["system"] != NEXT or status["step"] != "kept" or not bundles:
        raise NotShown(f"{before} before, {now} now; {status}")
    return f"{NEXT} is kept {took:.0f} s after the rollout began; {before} before, {now} now"


def gone_back(hall: Hall, evidence: Evidence, bundle: Path) -> str:
    with way_in(*called(hall)) as box:
        before = slot(box)
    began = time.monotonic()
    with neighbour(hall):
        rollout = ordered(hall, BROKEN, bundle)
        unit = ended(hall, evidence, rollout, ("back",))
    took = time.monotonic() - began
    with way_in(*called(hall)) as box:
        now, status = slot(box), json.loads(box.run(_LOOK))
    evidence.json("unit", {"unit": unit, "status": status})
    if now != before or status["step"] != "back" or unit["why"] != "fault":
        raise NotShown(f"{before} before, {now} now; {unit}; {status}")
    return f"gone back for `{status['text']}` {took:.0f} s after the rollout began; {now} runs"


def ordered(hall: Hall, version: str, bundle: Path) -> str:
    """Put the bundle beside the release, sign and offer both, and begin a rollout; gives its id."""
    office(hall, "release", "add-system", version, str(bundle))
    office(hall, "release", "sign", version, "--keys", str(FOLDER / "keys"))
    office(hall, "release", "offer", version)
    of = ("--site", SITE, "--meeting-wait", "0", "--instead", "--json")
    made = office(hall, "rollout", "start", version, *of)
    return str(json.loads(made)["id"])


def ended(hall: Hall, evidence: Evidence, rollout: str, states: tuple[str, ...]) -> dict[str, Any]:
    """The box in the rollout, once it stands so. Raises :class:`NotShown`."""

    def stands() -> dict[str, Any]:
        found = hall.stage.api.get(f"/api/v1/rollouts/{rollout}")
        units = hall.stage.api.get(f"/api/v1/rollouts/{rollout}/units")
        evidence.json("rollout", {"rollout": found, "units": units})
        unit = dict(units[0])
        if unit["state"] in ("failed", "back", "done") and unit["state"] not in states:
            raise NotShown(f"{unit['state']}: {unit['why']} {unit['tail']}")
        return unit if unit["state"] in states else {}

    found: dict[str, Any] = hall.until(stands, _LIMIT_S, f"it does not come to {' or '.join(states)}")
    return found


@contextmanager
def neighbour(hall: Hall) -> Iterator[ReleaseServer]:
    """A server in the hall's own network that has the bundles: the coordinator's gives out 1 Mbit/s."""
    server = ReleaseServer(Folder(StateDir(hall.stage.root).releases, "/releases/"), ADDRESS)
    try:
        office(hall, "site", "set", SITE, "--neighbour", f"http://{ADDRESS}:{server.port}")
        hall.until(hall.settled, 300, "it does not take the neighbour")
        yield server
    finally:
        server.close()


def office(hall: Hall, *words: str) -> str:
    """A command on the coordinator's server: what it prints. Raises :class:`MachineFailed`."""
    program = [str(Path(sys.executable).parent / "diemcau"), *words, "--state-dir", str(hall.stage.root)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        raise MachineFailed(f"`diemcau {' '.join(words)}` failed: {done.stderr.strip()[-600:]}")
    return str(done.stdout)
