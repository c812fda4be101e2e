"""What tests of a box that asks to be a unit stand on: the unit process as the identity process sees it, a
power cut at any point, and the whole process of a box."""

from __future__ import annotations

import io
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from diemcau_agent.identity import boot_file, https
from diemcau_agent.identity.enrol import Enrolment
from diemcau_agent.identity.talk import UnitGone
from diemcau_agent.unit import joins
from diemcau_agent.unit.fingerprints import Fingerprints
from diemcau_agent.unit.state_folder import NoIdentity, StateFolder, read_identity
from diemcau_wire.enrolment import Verdict
from PIL import Image

from tests.system.enrolment_peer import Peer
from tests.system.one_hall import run

MARKS = Fingerprints("disk-1", "box-1", "DC-2041-0177", "Model 3")
Json = dict[str, Any]


class PowerCut(BaseException):
    """The box is off from here on."""


class Hall:
    """The unit process, as the identity process sees it: remembers what it was told, and has patience."""

    def __init__(self, patience: int = 40) -> None:
        self.told: list[Json] = []
        self.scanned: str | None = None
        self._patience = patience
        self.waits: Callable[[], None] = lambda: None

    def tell(self, line: Json) -> None:
        self.told.append(line)

    def wait(self, seconds: float) -> None:
        self._patience -= 1
        self.waits()
        if self._patience < 0:
            raise UnitGone("no more patience")

    def last(self, kind: str) -> Json:
        return next((line for line in reversed(self.told) if line["type"] == kind), {})

    def failed(self) -> str:
        return str(self.last("failed").get("why", ""))


def prepare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **values: object) -> Path:
    """A boot file that says this."""
    path = tmp_path / "diemcau.toml"
    path.write_text(
        "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items())
    )
    monkeypatch.setenv(boot_file.PLACES, str(path))
    return path


def admit(folder: StateFolder, hall: Hall, address: str | list[str]) -> Verdict:
    found = [address] if isinstance(address, str) else address
    return Enrolment(folder, hall, MARKS, look=lambda: found, chance=lambda: 0.5).run()  # type: ignore[arg-type]


def bound(folder: StateFolder) -> bool:
    """True for a whole unit, False for none; anything in between is an error."""
    try:
        identity = read_identity(folder)
    except NoIdentity:
        return False
    key = x509.load_pem_x509_certificates(identity.certificate.read_bytes())[0].public_key()
    context = ssl.create_default_context(cafile=str(identity.ca))
    context.load_cert_chain(identity.certificate, identity.key)  # it fails when they are not a pair
    assert key is not None and identity.web_url.startswith("https://")
    return True


def unit_of(peer: Peer, folder: StateFolder) -> str:
    peer.approve_at = 0
    admit(folder, Hall(), peer.address)
    (folder.desired).mkdir()
    (folder.desired / "schedule.json").write_text("{}")
    folder.outbox.write_text("x")
    folder.run.mkdir(exist_ok=True)
    (folder.run / "room.jpg").write_text("x")
    joins.count(folder.joins)
    return read_identity(folder).unit


class Cuts:
    """Counts what is written and asked, and cuts the power at one of the points: before it, or, of a
    question, after it was asked and before the answer is known."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at: int | None = None
        self.count = 0
        self.names: list[str] = []
        for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink")):
            monkeypatch.setattr(owner, name, self._before(name, getattr(owner, name)))
        monkeypatch.setattr(https.Coordinator, "_once", self._around(https.Coordinator._once))

    def _point(self, name: str) -> None:
        self.count += 1
        self.names.append(name)
        if self.count == self.at:
            raise PowerCut(name)

    def _before(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def cut(*arguments: Any, **named: Any) -> Any:
            if sys._getframe(1).f_code.co_filename.find("diemcau_agent") >= 0:
                self._point(
                    f"{name} {arguments[0] if isinstance(arguments[0], Path) else ''}".rsplit("/")[-1]
                )
            return real(*arguments, **named)

        return cut

    def _around(self, real: Callable[..., bytes]) -> Callable[..., bytes]:
        def cut(coordinator: https.Coordinator, method: str, path: str, question: object) -> bytes:
            self._point(f"before {method} {path}")
            answer = real(coordinator, method, path, question)
            self._point(f"after {method} {path}")
            return answer

        return cut


class Box:
    """A box that was switched on; it may be cut off the mains."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.state, self._environ = StateFolder(folder / "box"), environ
        self.state.root.mkdir()
        self._log = (folder / "box.log").open("a")
        self.switch_on()

    def switch_on(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "diemcau_agent.cli", "run", "--state-dir", str(self.state.root)],
            env={**os.environ, "SDL_VIDEODRIVER": "dummy", "DIEMCAU_CODE_CAMERA": "none", **self._environ},
            stderr=self._log,
        )

    def status(self) -> Json:
        told = run("diemcau-agent", "status", "--json", "--state-dir", str(self.state.root))
        return json.loads(told.stdout) if told.returncode == 0 else {}

    def enrolment(self) -> Json:
        return self.status().get("enrolment") or {}

    def picture(self, path: Path) -> Image.Image:
        run("diemcau-agent", "snapshot", str(path), "--state-dir", str(self.state.root))
        return Image.open(io.BytesIO(path.read_bytes())).convert("RGB")

    def screen(self) -> int | None:
        """The pid of its screen process."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        names = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
        return next((int(pid) for pid, name in names.items() if b"diemcau_agent.screen" in name), None)


@contextmanager
def switched_on(folder: Path, **environ: str) -> Iterator[Box]:
    box = Box(folder, **environ)
    try:
        yield box
    finally:
        box.process.terminate()
        box.process.wait(30)
