"""One check from its notice to its findings: measure, judge, try remedies, measure again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from typing import Any

from diemcau_wire.messages import DesiredConfig, EventKind, Occurrence, Video

from diemcau_agent.checks import Finding, judge, parts_of, seen_gone
from diemcau_agent.ipc import Line
from diemcau_agent.remedies import REMEDIES, NotPossible
from diemcau_agent.rules.actions import AskedBy
from diemcau_agent.rules.checking import NOTICE
from diemcau_agent.rules.mending import Mending, Patience

from .measure.clock import clock
from .measure.line import line
from .measure.machine import disk, heat, power
from .measure.mixer import mixer
from .measure.screen import screen
from .measure.television import television
from .media_process import MediaProcess
from .room import Room

log = logging.getLogger(__name__)

_SUBJECTS = {"camera": "camera", "microphone": "microphone", "tone": "sound", "room": "room"}
MEDIA_PARTS = ("camera", "microphone", "tone", "room")
UNIT_LIMIT_S = 25.0
REMEDY_LIMIT_S = 20.0
AGAIN_S = 14.0  # less time than this is not worth measuring media again
ROUNDS = 4

Values = dict[str, Any]
_MEASURES: dict[str, Callable[[Room], Awaitable[Values | None]]] = {
    "line": line,
    "screen": screen,
    "television": television,
    "mixer": mixer,
    "disk": disk,
    "heat": heat,
    "power": power,
    "clock": clock,
}


class RoomCheck:
    """Checks one room. `heard` gets what the media process says besides, `record` keeps an event, `says` is
    told at what the check is (the subjects the screen has words for), `media_over` that a process that had
    devices open is gone."""

    def __init__(
        self,
        room: Room,
        media: MediaProcess,
        *,
        heard: Callable[[Line], None],
        record: Callable[[EventKind, dict[str, object]], None],
        says: Callable[[str], None],
        media_over: Callable[[], None],
    ) -> None:
        self._room, self._media = room, media
        self._heard, self._record, self._says, self._media_over = heard, record, says, media_over
        self._patience = Patience()
        self._measured: dict[str, Values] = {}
        self._mending = Mending(self._patience, {})
        self._config: DesiredConfig | None = None

    async def run(self, meeting: Occurrence | None, limit_s: float, asked_by: AskedBy) -> list[Finding]:
        """Do it all within `limit_s`. Camera and microphone open five seconds after its beginning: the hall
        is told at once. Cancelled, it leaves :meth:`found_so_far`."""
        self._config = config = self._room.config()
        self._measured = {}
        asked = asked_by in (AskedBy.PAGE, AskedBy.HALL)
        at_most = {name: remedy.at_most for name, remedy in REMEDIES.items()}
        self._mending = Mending(self._patience, at_most, asked)
        if config is None:
            return [Finding("check_incomplete", "this unit has no configuration yet")]
        until = asyncio.get_running_loop().time() + limit_s
        try:
            async with asyncio.timeout_at(until):
                self._says("unit")
                await asyncio.gather(self._measure_unit(_MEASURES), asyncio.sleep(NOTICE.total_seconds()))
                await self._measure_media(MEDIA_PARTS, meeting, until)
        except TimeoutError:
            log.warning("the check has no more time", extra={"limit_s": limit_s})
            self._measured["media"] = {"cut": True, "text": f"not over within {limit_s:.0f} s"}
        await self._mend(meeting, until)
        sound = {part: self._measured.get(part) for part in ("microphone", "tone")}
        log.info(
            "the check is over",
            extra={"timers_lost": self._measured.get("load", {}).get("lost"), "measured": sound},
        )
        return self.found_so_far()

    def video(self, config: DesiredConfig) -> Video:
        """The pictures to make: as configured, or what a remedy put in its place."""
        return self._room.video(config)

    def found_so_far(self, *, cut: str = "") -> list[Finding]:
        """What was found until now. `cut` says why there will be no more."""
        if self._config is None:
            return [Finding("check_incomplete", cut)]
        measured = {**self._measured, "media": {"cut": True, "text": cut}} if cut else self._measured
        return self._mending.outcome(judge(measured, self._config))

    # ── measuring ────────────────────────────────────────────────────────────────────────────────

    async def _measure_unit(self, parts: Collection[str], *, ordered: bool = False) -> set[str]:
        """Measure these parts of the unit's own; gives those that were."""
        wanted = [part for part in _MEASURES if part in parts]
        found = await asyncio.gather(*(self._measure_one(part, ordered=ordered) for part in wanted))
        return {part for part, done in zip(wanted, found, strict=True) if done}

    async def _measure_one(self, part: str, *, ordered: bool) -> bool:
        try:
            async with asyncio.timeout(UNIT_LIMIT_S):
                if part == "television":
                    values = await television(self._room, ordered=ordered)
                else:
                    values = await _MEASURES[part](self._room)
        except TimeoutError:
            log.warning("not measured: no answer", extra={"part": part})
            return False
        except OSError as error:
            log.warning("not measured", extra={"part": part, "error": str(error)})
            return False
        if values is None:
            self._measured.pop(part, None)
        else:
            self._measured[part] = values
        return True

    async def _measure_media(
        self, parts: Collection[str], meeting: Occurrence | None, until: float
    ) -> set[str]:
        """Measure these parts in a fresh media process; gives those that were, all if it came to its end."""
        config = self._config
        assert config is not None
        order: Line = {
            "type": "check",
            "ca": str(self._room.folder.ca.absolute()),
            "join": meeting.join.model_dump() if meeting and meeting.join else None,
            "check_room": config.check_room.model_dump() if config.check_room else None,
            "camera": config.camera.model_dump(),
            "microphone": config.microphone.model_dump(),
            "sound": config.sound.model_dump(),
            "video": self._room.video(config).model_dump(),
            "tone": config.checks.tone,
            "parts": list(parts),
        }
        done: set[str] = set()

        def measured(part: str, values: Values) -> None:
            self._measured[part] = values
            done.add(part)

        limit_s = until - asyncio.get_running_loop().time()
        try:
            problem = await self._media.check(order, limit_s, measured, self._hear)
        finally:
            self._media_over()
        if problem is None:
            self._measured.pop("media", None)
            return set(parts) | {"media"}
        self._measured["media"] = {"hung": True, "text": problem[:200]}
        return done

    def _hear(self, line: Line) -> None:
        if line["type"] != "checking":
            self._heard(line)
            return
        self._measured["load"] = {"lost": line.get("lost")}
        parts = line.get("parts")
        self._says(_SUBJECTS.get(str(parts[0]), "") if isinstance(parts, list) and parts else "")

    # ── mending ──────────────────────────────────────────────────────────────────────────────────

    async def _mend(self, meeting: Occurrence | None, until: float) -> None:
        """Try what there is against what was found, a few rounds, while there is time to measure again."""
        assert self._config is not None
        for _ in range(ROUNDS):
            if until - asyncio.get_running_loop().time() < AGAIN_S:
                return
            said = await self._try_all()
            if not said:
                return
            again: set[str] = set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    again = await self._again([what for what, _, _ in said], meeting, until)
            found = {finding.what for finding in judge(self._measured, self._config)}
            for what, remedy, text in said:
                looked = not again.isdisjoint(parts_of(what)) and seen_gone(what, self._measured)
                helped = what not in found and looked
                self._mending.tried(remedy, what, _now(), helped=helped)
                told = {"remedy": remedy, "what": what, "done": helped, "text": text[:200]}
                self._record(EventKind.REMEDY, told)

    async def _try_all(self) -> list[tuple[str, str, str]]:
        """Try the next remedy of every fault that is found now, in place of one that cannot be tried here the
        one after it: (fault, remedy, what it did)."""
        assert self._config is not None
        said: dict[str, str | None] = {}
        while True:
            steps = self._mending.plan(judge(self._measured, self._config), _now())
            remedies = [remedy for remedy in steps if remedy not in said]
            if not remedies:
                break
            for remedy in remedies:
                said[remedy] = await self._try(remedy)
        return [
            (what, remedy, text)
            for remedy, whats in steps.items()
            if (text := said[remedy]) is not None
            for what in whats
        ]

    async def _try(self, name: str) -> str | None:
        """Try a remedy: what it did, or how it failed; None where it cannot be tried."""
        log.info("remedy", extra={"remedy": name})
        try:
            async with asyncio.timeout(REMEDY_LIMIT_S):
                return await REMEDIES[name].mend(self._room)
        except NotPossible as reason:
            log.info("remedy not possible", extra={"remedy": name, "why": str(reason)})
            self._mending.impossible(name)
            return None
        except TimeoutError:
            return "it did not come to an end"
        except OSError as error:
            return str(error)

    async def _again(self, faults: Collection[str], meeting: Occurrence | None, until: float) -> set[str]:
        """Measure again what tells whether these faults are gone."""
        parts = {part for what in faults for part in parts_of(what)}
        if "media" in parts:
            parts |= {part for part in MEDIA_PARTS if part not in self._measured}
        of_media = [part for part in MEDIA_PARTS if part in parts]
        for part in of_media:  # old and new values together would tell of a room that never was
            self._measured.pop(part, None)
        again = await self._measure_unit(parts, ordered=True)
        if of_media or "media" in parts:
            again |= await self._measure_media(of_media, meeting, until)
        return again


def _now() -> datetime:
    return datetime.now(UTC)
