"""Where things lie on a unit that is updated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    """All paths below `root`, which is `/` on a unit. A release is a whole Python environment; `current` is
    the one that runs, `proven` the last one that showed that the room works with it: the updater itself
    always runs from there, so that no release can break the way back."""

    root: Path = Path("/")

    @property
    def opt(self) -> Path:
        return self.root / "opt/diemcau"

    @property
    def releases(self) -> Path:
        return self.opt / "releases"

    @property
    def current(self) -> Path:
        return self.opt / "current"

    @property
    def proven(self) -> Path:
        return self.opt / "proven"

    def release(self, version: str) -> Path:
        """The environment of one release."""
        return self.releases / version

    def manifest(self, version: str) -> Path:
        """Written last: a release without it is not there."""
        return self.release(version) / "release.json"

    @property
    def folder(self) -> Path:
        """The updater's own, read by the unit process."""
        return self.root / "var/lib/diemcau-update"

    @property
    def state(self) -> Path:
        return self.folder / "state.json"

    @property
    def order(self) -> Path:
        return self.folder / "order.json"

    @property
    def lease(self) -> Path:
        return self.folder / "lease.json"

    @property
    def wheels(self) -> Path:
        return self.folder / "wheels"

    @property
    def trust(self) -> Path:
        """The TUF root that was laid here when the unit was provisioned."""
        return self.folder / "tuf/root.json"

    @property
    def metadata(self) -> Path:
        """What was fetched and verified since."""
        return self.folder / "tuf/metadata"

    @property
    def verified(self) -> Path:
        """What the release that is being installed is made of."""
        return self.folder / "release.json"

    @property
    def systems(self) -> Path:
        """Where the bundle of a whole system comes to, on a box that was flashed with an image."""
        return self.folder / "systems"

    @property
    def verified_system(self) -> Path:
        """What is said of the system that is being installed."""
        return self.folder / "system.json"

    @property
    def shared(self) -> Path:
        """What the unit process lets us know."""
        return self.root / "var/lib/diemcau-shared"

    @property
    def agenda(self) -> Path:
        return self.shared / "agenda.json"

    @property
    def check(self) -> Path:
        return self.shared / "check.json"

    @property
    def coordinator(self) -> Path:
        return self.shared / "coordinator.json"

    @property
    def ca(self) -> Path:
        return self.shared / "ca.crt"

    @property
    def requests(self) -> Path:
        """Where we ask: `restart` and `system` of those who may, `check` of the unit process."""
        return self.root / "run/diemcau/update-requests"

    @property
    def system_said(self) -> Path:
        """What came of the last `system` that was asked for."""
        return self.root / "run/diemcau-system/said"
