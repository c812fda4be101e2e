"""Part `slow-line` of the lab: a release comes over 64 kbit/s that lose packets, and is cut off five times.

The unit's own updater fetches it, with signatures, from a server at the other end of `bad_line.py`. Nothing
is installed: this is about the bytes. Each row takes up to half an hour.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

from diemcau_agent.rules.updating import Step
from diemcau_agent.updating import metadata
from diemcau_agent.updating.go import Hands, Updater
from diemcau_agent.updating.line import SILENT_S, Line
from diemcau_controller.adapters.releases.ceremony import set_up, sign
from diemcau_controller.adapters.releases.repository import Repository
from diemcau_controller.config import StateDir
from diemcau_wire.release import Wheel, release_target, wheel_path, write_release

from tests.lab.bad_line import HERE, BadLine
from tests.lab.report import ROOT, Evidence, NotShown, Report
from tests.release_for_tests import fake_wheel, put_release
from tests.system.release_server import Folder, ReleaseServer
from tests.system.updated_unit import OLD, UpdatedUnit, fake_install, release_of, wheel

BYTES, RATE_BPS, CUTS = 2_000_000, 64_000, 5
CUT_S = SILENT_S + 10  # so long that the unit gives the connection up
LIMIT_S = 2400.0
AGAIN_S = 5.0  # systemd waits a minute before it starts the updater again
LOSSES = (5, 20)
ROWS = [f"2 MB at 64 kbit/s, {loss} % lost, five cuts" for loss in LOSSES]
LOOKED_AT = ("agent/diemcau_agent/updating", "tests/lab/slow_line.py", "tests/lab/bad_line.py")
_VERSION = "1.2.0"


def main() -> int:
    if sys.argv[1:2] == ["--unit"]:
        return _unit(Path(sys.argv[2]), int(sys.argv[3]))
    report = Report("slow-line", again="--again" in sys.argv, looked_at=LOOKED_AT)
    for loss, row in zip(LOSSES, ROWS, strict=True):
        report.show(row, lambda evidence, loss=loss: _fetched(loss / 100, evidence))
    return 0 if report.verdict(ROWS) else 1


def _fetched(loss: float, evidence: Evidence) -> str:
    folder = Path(tempfile.mkdtemp(prefix="diemcau-slow-line-"))
    try:
        return _fetched_in(folder, loss, evidence)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fetched_in(folder: Path, loss: float, evidence: Evidence) -> str:
    part = _release(folder)
    server = ReleaseServer(
        Folder(folder / "office/releases", "/releases/"), "0.0.0.0"
    )  # the device with the address is made below
    began = time.monotonic()
    with BadLine(RATE_BPS, loss) as line, evidence.path("log.txt").open("wb") as log:
        command = [str(ROOT / ".venv/bin/python"), "-m", "tests.lab.slow_line", "--unit"]
        unit = line.run([*command, str(folder / "hall"), str(server.port)], output=log.fileno())
        cuts = threading.Thread(target=_cut, args=(line, folder, part, unit), name="cuts")
        cuts.start()
        try:
            unit.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            unit.kill()
            raise NotShown(f"not there after {LIMIT_S:.0f} s") from None
        finally:
            unit.wait()
            cuts.join()
            server.close()
    took_s = time.monotonic() - began
    if unit.returncode != 0:
        raise NotShown(f"the updater ended with {unit.returncode}")
    said = json.loads((folder / "hall/came.json").read_bytes())
    wheels = [path for path, _ in server.asked if path.endswith(".whl")]
    said |= {"took_s": round(took_s), "requests": len(wheels), "tcp_bytes": line.down.tcp_bytes}
    said |= {"packets": line.down.passed, "packets_lost": line.down.lost}
    evidence.json("came", said)
    if said["body_bytes"] > 1.1 * part.size:
        raise NotShown(f"{said['body_bytes']} bytes came for {part.size}")
    if len(wheels) <= CUTS:
        raise NotShown(f"only {len(wheels)} requests: the line was not cut {CUTS} times")
    return (
        f"{said['body_bytes'] / part.size:.3f} × the artefact came as body, in {len(wheels)} requests and "
        f"{took_s:.0f} s; {line.down.tcp_bytes / part.size:.2f} × over the line with signatures and what TCP "
        f"sent again; {line.down.lost} of {line.down.lost + line.down.passed} packets lost"
    )


def _release(folder: Path) -> Wheel:
    """A signed release with one wheel of 2 MB, and a unit that has all the others."""
    state = StateDir(folder / "office")
    state.make()
    repository = Repository(state)
    set_up(repository, [folder / "keys"], 1, datetime.now(UTC))
    small = put_release(repository, _VERSION).parts[1]
    made = fake_wheel(folder, "diemcau-agent", _VERSION, content=random.Random(6).randbytes(BYTES))
    data = made.read_bytes()
    part = wheel("diemcau-agent", data, _VERSION).model_copy(
        update={"file": made.name, "sha256": hashlib.sha256(data).hexdigest()}
    )
    kept = repository.targets / wheel_path(part)
    kept.parent.mkdir(parents=True)
    kept.write_bytes(data)
    release = release_of(_VERSION, [part, small])
    (repository.targets / release_target(_VERSION)).write_bytes(write_release(release))
    sign(repository, folder / "keys", _VERSION, [], datetime.now(UTC))
    unit = UpdatedUnit.laid(
        folder / "hall",
        release_of(OLD, [wheel("diemcau-agent", b"old")]),
        find=metadata.find,
        line=lambda _: Line(lambda: HTTPConnection(HERE)),
    )
    unit.places.trust.parent.mkdir(parents=True)
    unit.places.trust.write_bytes(repository.first_root())
    unit.order(_VERSION, apply=False)
    return part


def _unit(root: Path, port: int) -> int:
    """At the far end: the updater, started again whenever it has to wait."""
    unit = UpdatedUnit(
        root, find=metadata.find, line=lambda _: Line(lambda: HTTPConnection(HERE, port, timeout=SILENT_S))
    )
    hands = replace(Hands(), find=unit.hands.find, line=unit.hands.line, install=fake_install)
    hands = replace(hands, machine=lambda: "x86_64")
    until = time.monotonic() + LIMIT_S
    while not Updater(unit.places, hands).go() and time.monotonic() < until:
        time.sleep(AGAIN_S)
    (root / "came.json").write_text(json.dumps({"body_bytes": unit.state.fetched_bytes}))
    return 0 if unit.state.step is Step.STAGED else 1


def _cut(line: BadLine, folder: Path, part: Wheel, unit: subprocess.Popen[bytes]) -> None:
    """Cut the line each time another sixth of the artefact has come."""
    came = folder / "hall/var/lib/diemcau-update/wheels" / part.sha256 / "part"
    for number in range(1, CUTS + 1):
        while unit.poll() is None and _size(came) < number * part.size / (CUTS + 1):
            time.sleep(0.2)
        if unit.poll() is not None:
            return
        line.cut()
        time.sleep(CUT_S)
        line.mend()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


if __name__ == "__main__":
    sys.exit(main())
