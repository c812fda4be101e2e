"""A unit on disk that is updated: its releases, its unit process as the updater sees it, and a clock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from diemcau_agent.rules.lease import Agenda, Planned
from diemcau_agent.rules.updating import Check, Order, State
from diemcau_agent.updating import orders, records, releases
from diemcau_agent.updating.download import Store
from diemcau_agent.updating.go import Hands, Updater
from diemcau_agent.updating.line import Line
from diemcau_agent.updating.places import Places
from diemcau_agent.updating.trouble import Trouble
from diemcau_wire.release import Arch, Release, Wheel, write_release

NOW = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)
OLD, NEW = "1.0.0", "1.1.0"


def wheel(name: str, content: bytes, version: str = "1.0", arch: Arch = Arch.ANY) -> Wheel:
    """What `release.json` says of a wheel with that content."""
    return Wheel(
        name=name,
        version=version,
        file=f"{name.replace('-', '_')}-{version}-py3-none-any.whl",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        arch=arch,
    )


def release_of(version: str, wheels: Sequence[Wheel], python: str = "3.11") -> Release:
    return Release(version=version, built_at=NOW, python=python, parts=tuple(wheels))


def fake_install(places: Places, release: Release, wheels: Sequence[Wheel], store: Store) -> None:
    """As the real one, without pip: first everything, at last `release.json`."""
    target = places.release(release.version)
    if target.exists():
        releases.remove_release(places, release.version)
    (target / "bin").mkdir(parents=True)
    for one in wheels:
        (target / one.file).write_bytes(store.path(one).read_bytes())
    (target / "bin/diemcau-agent").write_text(release.version)
    places.manifest(release.version).write_bytes(write_release(release))


class UpdatedUnit:
    """`find` and `line` are where its releases come from. `says` is what its unit process answers for each
    version when it is asked for a check: what it found, `"busy"`, or None: nothing."""

    def __init__(self, root: Path, *, find: Callable[..., Release], line: Callable[[Places], Line]) -> None:
        self.places = Places(root)
        self.says: dict[str, tuple[str, ...] | str | None] = {}
        self.seconds = 0.0
        self.boot = "boot-1"
        self.runs = OLD
        self.restarts = 0
        self.agenda()
        self.hands = Hands(
            line=line,
            find=find,
            install=fake_install,
            now=lambda: NOW + timedelta(seconds=self.seconds),
            seconds=lambda: self.seconds,
            pause=self.pause,
            chance=lambda: 0.5,
            boot=lambda: self.boot,
            booted_s=lambda: 3600.0,
            machine=lambda: "x86_64",
        )

    @classmethod
    def laid(cls, root: Path, release: Release, **sources: Any) -> UpdatedUnit:
        """As it comes from being provisioned, with `release` running."""
        places = Places(root)
        for folder in (places.folder, places.requests, places.shared, places.release(release.version)):
            folder.mkdir(parents=True)
        places.manifest(release.version).write_bytes(write_release(release))
        for link in (places.current, places.proven):
            releases.show(places, link, release.version)
        return cls(root, **sources)

    def agenda(self, *meetings: Planned, **more: Any) -> None:
        """What the unit process tells of its meetings."""
        told = {"written_at": NOW, "until": NOW + timedelta(days=30), "meetings": meetings, **more}
        records.write(self.places.agenda, Agenda.model_validate(told))

    def order(self, version: str = NEW, *, apply: bool = True, **more: Any) -> Order:
        offered = Order(id=f"o-{version}", version=version, apply=apply, **more)
        return orders.give(self.places, offered, self.hands.now())

    def go(self) -> bool:
        return Updater(self.places, self.hands).go()

    def with_hands(self, **other: Any) -> None:
        self.hands = replace(self.hands, **other)

    @property
    def state(self) -> State:
        state = records.read(State, self.places.state)
        assert state is not None
        return state

    @property
    def running(self) -> str | None:
        return releases.running(self.places)

    def is_whole(self) -> None:
        """Whatever happened: one whole release runs, and a whole one has the way back."""
        assert releases.running(self.places) in (OLD, NEW), list(self.places.opt.iterdir())
        assert releases.proven(self.places) in (OLD, NEW)

    def pause(self, seconds: float) -> None:
        """Time passes; meanwhile the machine does what it is asked."""
        self.seconds += max(seconds, 0.001)
        restart, question = self.places.requests / "restart", self.places.requests / "check"
        if restart.exists():
            restart.unlink()
            self.restarts += 1
            self.runs = self.running or ""
        if not question.exists():
            return
        said = self.says.get(self.runs, ())
        if said is None:
            return
        check = Check(at=self.hands.now(), version=self.runs, answers=question.read_text())
        found = {"busy": "in_meeting"} if said == "busy" else {"found": tuple(said)}
        records.write(self.places.check, check.model_copy(update=found))

    def status(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.places.state.read_bytes())
        return said


def refusing(trouble: Trouble) -> Callable[..., Release]:
    def find(*_: object) -> Release:
        raise trouble

    return find
