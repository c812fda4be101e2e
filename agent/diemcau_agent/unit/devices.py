"""Knows what is plugged in: looks when the kernel says so, when asked, and now and then."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from diemcau_wire.messages import DesiredConfig, Device, EventKind, FoundDevice, ReportedDevices
from pydantic import ValidationError

from diemcau_agent.drivers import (
    cec_devices,
    edid,
    evdev_devices,
    onvif_discovery,
    pulse_devices,
    v4l2_devices,
)
from diemcau_agent.drivers.found import Found
from diemcau_agent.rules.plugged import change, configured

from .daemon_thread import in_daemon_thread
from .uevents import Uevents

log = logging.getLogger(__name__)

Find = Callable[[], Sequence[Found]]
TECHNOLOGIES: Mapping[str, Find] = {
    "v4l2": v4l2_devices.find,
    "pulse": pulse_devices.find,
    "cec": cec_devices.find,
    "screen": edid.find,
    "evdev": evdev_devices.find,
    "onvif": onvif_discovery.find,
}
EVERY_S = 30.0
SELDOM = frozenset({"cec"})  # asked only when there is a reason to: it talks on the television's bus
ON_ASKING = frozenset({"onvif"})  # asked only when a person asks: it speaks to all of the hall's network
QUIET_S = 1.5  # a hub that comes back names its devices one after the other: that is one change
LATEST_S = 6.0
FIND_LIMIT_S = 10.0
_MISSED = 2  # a technology that fails so often in a row has no devices any more
_MOST = 60
_REPORT_BYTES = 50_000


class Devices:
    """What is plugged in. `record` keeps an event; `changed` says that there is something else to report;
    `plugged` gets the kind of a configured device that came (back). `looked` is true after the first look;
    `failed` counts looks that went wrong, by technology."""

    def __init__(
        self,
        *,
        config: Callable[[], DesiredConfig | None],
        record: Callable[[EventKind, str | None, dict[str, object]], None],
        changed: Callable[[], None],
        plugged: Callable[[str], None],
        technologies: Mapping[str, Find] = TECHNOLOGIES,
    ) -> None:
        self._config, self._record, self._changed, self._plugged = config, record, changed, plugged
        self._technologies = technologies
        self._by_technology: dict[str, list[Found]] = {}
        self._missed: Counter[str] = Counter()
        self._looking: dict[str, asyncio.Task[list[Found]]] = {}
        self._seen = asyncio.Event()
        self.looked = False
        self._one_look = asyncio.Lock()
        self.failed: Counter[str] = Counter()

    @property
    def found(self) -> list[Found]:
        """What there is, as of the last look."""
        return [one for name in self._technologies for one in self._by_technology.get(name, [])][:_MOST]

    async def run(self) -> None:
        """Look, and look again whenever there is a reason to."""
        uevents = Uevents(self._seen)
        uevents.open()
        try:
            seen = True
            while True:
                await self.look(thorough=seen)
                seen = await self._reason()
        finally:
            uevents.close()

    async def look(self, *, thorough: bool = True, asked: bool = False) -> list[Found]:
        """Look now; gives what there is. A technology that fails or hangs holds up nobody else. `asked`: a
        person wants to know, so the network is asked, too."""
        async with self._one_look:
            before = self.found
            left_out = (frozenset() if thorough else SELDOM) | (frozenset() if asked else ON_ASKING)
            names = [name for name in self._technologies if name not in left_out]
            await asyncio.gather(*(self._ask(name, self._technologies[name]) for name in names))
            self._tell(before)
            return self.found

    def reported(self, unit: str, now: datetime) -> ReportedDevices:
        """What to report. Details go first when it is too much for one message."""
        devices = [made for one in self.found if (made := _reported(one)) is not None]
        report = ReportedDevices(unit=unit, devices=devices, at=now)
        if len(report.model_dump_json()) > _REPORT_BYTES:
            bare = [made.model_copy(update={"details": {}}) for made in devices]
            report = report.model_copy(update={"devices": bare})
        return report

    async def _reason(self) -> bool:
        """Wait until it is time to look again: things are quiet after a change (true), or it is long ago."""
        try:
            async with asyncio.timeout(EVERY_S):
                await self._seen.wait()
        except TimeoutError:
            return False
        deadline = asyncio.get_running_loop().time() + LATEST_S
        while self._seen.is_set() and asyncio.get_running_loop().time() < deadline:
            self._seen.clear()
            await asyncio.sleep(QUIET_S)
        self._seen.clear()
        return True

    async def _ask(self, name: str, find: Find) -> None:
        looking = self._looking.get(name)
        if looking is None:
            looking = asyncio.create_task(_found_by(find), name=f"look for {name}")
            self._looking[name] = looking
        done, _ = await asyncio.wait({looking}, timeout=FIND_LIMIT_S)
        if not done:  # it is asked no second time while it hangs
            return self._miss(name, f"no answer within {FIND_LIMIT_S:g} s")
        del self._looking[name]
        if (error := looking.exception()) is not None:
            return self._miss(name, f"{type(error).__name__}: {error}"[:300])
        self._missed[name] = 0
        self._by_technology[name] = looking.result()

    def _miss(self, name: str, why: str) -> None:
        self.failed[name] += 1
        self._missed[name] += 1
        if self._missed[name] == _MISSED:
            self._by_technology.pop(name, None)
        if self._missed[name] <= _MISSED:
            log.warning("looking for devices failed", extra={"technology": name, "error": why})

    def _tell(self, before: list[Found]) -> None:
        found, first = self.found, not self.looked
        self.looked = True
        if found == before and not first:
            return
        changes = change(before, found)
        if not first:
            for kind, devices in (
                (EventKind.DEVICE_REMOVED, changes.removed),
                (EventKind.DEVICE_ADDED, changes.added),
            ):
                for one in devices:
                    self._record(kind, None, _named(one))
        self._changed()
        if not first:
            for device in configured(self._config(), changes.added):
                self._plugged(device.value)


async def _found_by(find: Find) -> list[Found]:
    return list(await in_daemon_thread(find))


def _named(one: Found) -> dict[str, Any]:
    return {"device": Device(one.device).value, "source": one.source[:500], "name": one.name[:200]}


def _reported(one: Found) -> FoundDevice | None:
    try:
        return FoundDevice(device=one.device, source=one.source, name=one.name, details=dict(one.details))
    except ValidationError as error:
        log.warning(
            "device cannot be reported", extra={"source": one.source[:200], "error": str(error)[:300]}
        )
        return None
