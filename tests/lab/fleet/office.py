"""The coordinator's side of the fleet: services in the lab's network, a signed release, sites for nodes."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from diemcau_controller.config import StateDir
from diemcau_controller.demo.halls import halls
from diemcau_controller.demo.network import Network
from diemcau_controller.demo.stage import Stage

from tests.lab.machine import until
from tests.lab.report import ROOT, Evidence, NotShown

from .nodes import FOLDER, GATEWAY, Fleet, Node, NodeFailed
from .playbook import Played, play

NODES = ("n1", "n2", "n3")
WAITS = "is left as it is"  # what playbooks say of a unit that gives no lease
VERSIONS = FIRST, NEXT, BROKEN = "1.0.0", "1.0.1", "1.0.2"
VIDEO = {"width": 320, "height": 180, "fps": 5, "bitrate_bps": 200_000}
BIN = Path(sys.executable).parent


class Office:
    """The coordinator's side in the lab's own network, and the machines on the bridge."""

    def __init__(self, fleet: Fleet, stage: Stage) -> None:
        self.fleet, self.stage = fleet, stage
        self.nodes = [fleet.nodes[name] for name in NODES]
        self.meeting = ""  # one that began earlier and still runs
        self.exposure = ""  # what systemd said of the services while they were in a meeting

    def variables(self, **more: object) -> dict[str, object]:
        """What provision.yml is given."""
        trusted = StateDir(self.stage.root).ca_certificate.read_bytes()
        roots = [root.fingerprint(hashes.SHA256()).hex() for root in x509.load_pem_x509_certificates(trusted)]
        return {
            "expected_hosts": len(self.nodes),
            "releases_folder": str(StateDir(self.stage.root).releases),
            "release_version": FIRST,
            "coordinator_address": f"https://{GATEWAY}:{self.stage._web}",
            "coordinator_roots": roots,
            "time_servers": [GATEWAY],
            **more,
        }

    def play(
        self, playbook: str, evidence: Evidence, nodes: list[Node] | None = None, **more: object
    ) -> Played:
        """Run a playbook on the machines. Raises :class:`NotShown` where it fails."""
        played = self.try_to(playbook, evidence, nodes, **more)
        if played.code != 0:
            raise NotShown(f"{playbook} failed: {played.failure()}")
        return played

    def try_to(
        self, playbook: str, evidence: Evidence, nodes: list[Node] | None = None, **more: object
    ) -> Played:
        """The same, however it goes."""
        log = evidence.path(f"{playbook}.log")
        return play(self.fleet, playbook, {"units": nodes or self.nodes}, self.variables(**more), log)

    def meet(self, nodes: list[Node], title: str) -> str:
        """A meeting of these halls with the main one, which begins at once; gives its occurrence."""
        main = self.stage.halls[0].id
        meeting = self.stage.api.post(
            "/api/v1/meetings",
            {
                "title": title,
                "starts_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 15)),
                "duration_s": 1800,
                "opens_before_s": 60,
                "main_site": main,
                "sites": [main, *(site_of(node) for node in nodes)],
            },
        )["occurrences"][0]["id"]
        for node in nodes:
            self.until(partial(session_is, node, "in_meeting"), 120, f"{node.name} stays out")
        return str(meeting)

    def close(self, meeting: str, nodes: list[Node]) -> None:
        """The chair ends it, and everybody leaves."""
        self.stage.api.post(f"/api/v1/meetings/{meeting}/close")
        for node in nodes:
            self.until(partial(session_is, node, "idle"), 120, f"{node.name} does not leave")

    def rest(self, seconds: float) -> None:
        """Let time pass."""
        self.stage.pause(seconds, time.monotonic() + seconds)

    def until(self, reached: Callable[[], Any], seconds: float, failure: str) -> Any:
        """Wait until `reached` gives something true, and give that."""
        return until(self.stage, reached, seconds, failure, NotShown)


def site_of(node: Node) -> str:
    return f"xa-{node.name}"


def session_is(node: Node, wanted: str) -> bool:
    return bool(status(node)["session"]["state"] == wanted)


def update_of(node: Node) -> dict[str, Any]:
    """How the node's updater stands."""
    said = node.run("runuser -u diemcau-update -- diemcau-agent update status --json", limit_s=20)
    return dict(json.loads(said))


def status(node: Node) -> dict[str, Any]:
    """What the unit, or the box, says of itself."""
    return dict(json.loads(node.run("diemcau-agent status --json", limit_s=20)))


# ── before the nodes: what needs a way out ───────────────────────────────────────────────────────


def prepare(name: str = "office", versions: Sequence[str] = VERSIONS) -> Path:
    """A coordinator's state folder of that name with signed releases. Wheels are kept for the next time."""
    folder, kept, keys = FOLDER / name, FOLDER / "wheels", FOLDER / f"{name}-keys"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    releases = StateDir(folder).releases
    if kept.exists():
        shutil.copytree(kept, releases / "targets/wheels", copy_function=os.link)
    shutil.rmtree(keys, ignore_errors=True)
    _diemcau(folder, "release", "keys", str(keys), "--unlocked")
    with tempfile.TemporaryDirectory(prefix="diemcau-source-") as scratch:
        for version in versions:
            _diemcau(folder, "release", "build", "--source", str(source(Path(scratch), version)))
            _diemcau(folder, "release", "sign", version, "--keys", str(keys))
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(releases / "targets/wheels", kept, copy_function=os.link)
    return folder


def source(folder: Path, version: str) -> Path:
    """The source of a version, below `folder`: this tree's with another number; of `BROKEN` the camera's
    pipeline is broken, too."""
    made = folder / version
    for part in ("wire", "agent", "playbooks"):
        shutil.copytree(ROOT / part, made / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements.lock", made)
    (made / "version.py").write_text(f'"""The version."""\n\n__version__ = "{version}"\n')
    if version == BROKEN:
        camera = made / "agent/diemcau_agent/drivers/synthetic.py"
        opens = "        self._site = site.id\n"
        assert opens in camera.read_text()
        camera.write_text(camera.read_text().replace(opens, f"        raise RuntimeError\n{opens}", 1))
    return made


def _diemcau(folder: Path, *words: str) -> None:
    done = subprocess.run(
        [BIN / "diemcau", *words, "--state-dir", folder], capture_output=True, text=True, timeout=900
    )
    if done.returncode != 0:
        raise NodeFailed(f"`diemcau {' '.join(words)}` failed: {done.stderr.strip()[-600:]}")


@contextmanager
def office(fleet: Fleet, folder: Path, sound: str = "none") -> Iterator[Office]:
    """Broker, Janus, controller and the main hall, with a site for each machine; `sound` is what they play
    into."""
    page = socket.create_server(("127.0.0.1", 0))
    (main,) = halls({}, {})[:1]
    for name in ("units", "screens"):
        shutil.rmtree(folder / name, ignore_errors=True)
    with page, Stage(folder, [main], Network(GATEWAY, page), (), video=VIDEO) as stage:
        stage.start_services(time.monotonic() + 120)
        stage.add_sites()
        for number, name in enumerate(NODES, 1):
            stage.api.post(
                "/api/v1/sites",
                {
                    "id": f"xa-{name}",
                    "name": f"Hội trường xã số {number}",
                    "camera": "synthetic",
                    "microphone": f"tone:{500 + 90 * number}",
                    "sound": sound,
                    "television": "none",
                    "buttons": "none",
                    "morning_at": None,
                    "video": VIDEO,
                    "screen": {"width": 640, "height": 360},
                },
            )
        stage.start_units(time.monotonic() + 120)
        yield Office(fleet, stage)
