"""The pictures of the meeting: where they come from, whose they are, whether they are of now."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ..frames import FrameReader, Picture
from .show import Slot

FRESH_NS = 2_000_000_000
"""A picture older than this is not shown as live."""
SPACING_NS = 25_000_000
"""No picture is drawn sooner after the one before it: at most 30 a second, whatever the source."""
_SIDES = range(16, 4097)


@dataclass(slots=True)
class _Slot:
    seq: int = 0
    site: str | None = None
    shown: int = 0
    seen_ns: int = 0
    taken_ns: int = 0


@dataclass(slots=True)
class Pictures:
    """The slots of the meeting, fed by the newest media process that handed its buffers over."""

    clock_ns: Callable[[], int] = time.monotonic_ns
    refused: int = 0
    _slots: list[_Slot] = field(default_factory=list)
    _sources: dict[object, list[FrameReader]] = field(default_factory=dict)
    _meeting: str | None = None

    @property
    def connected(self) -> bool:
        """True while a media process holds its connection."""
        return bool(self._sources)

    def comes_from(self, source: object) -> bool:
        """True when `source` handed buffers over."""
        return source in self._sources

    def adopt(self, source: object, readers: list[FrameReader]) -> None:
        """Pictures come from `readers` until :meth:`drop`; an earlier source steps back behind it."""
        self.drop(source)
        self._sources[source] = readers
        self._restart()

    def drop(self, source: object) -> None:
        """The media process behind `source` is gone: its pictures are of now no more."""
        if source not in self._sources:
            return
        current = self._readers()
        dropped = self._sources.pop(source)
        for reader in dropped:
            reader.close()
        if dropped is current:
            self._restart()

    def assign(self, meeting: str | None, slots: tuple[Slot | None, ...]) -> None:
        """Say whose picture is in each slot. A slot counts anew when its site or the meeting changes."""
        fresh = meeting != self._meeting
        self._meeting = meeting
        while len(self._slots) < len(slots):
            self._slots.append(_Slot())
        for index, held in enumerate(self._slots):
            slot = slots[index] if index < len(slots) else None
            site = slot.site if slot else None
            if fresh or site != held.site:
                held.site, held.shown = site, 0

    def poll(self) -> list[tuple[int, Picture]]:
        """New pictures of slots that have a site; not yet counted as shown."""
        if not self._sources:
            return []
        now = self.clock_ns()
        new = []
        for index, (held, reader) in enumerate(zip(self._slots, self._readers(), strict=False)):
            if held.site is None or now - held.seen_ns < SPACING_NS:
                continue
            picture = reader.read(held.seq)
            if picture is None:
                continue
            held.seq = picture.seq
            if picture.width not in _SIDES or picture.height not in _SIDES:
                self.refused += 1
                continue
            held.seen_ns, held.taken_ns = now, min(picture.taken_ns, now)
            new.append((index, picture))
        return new

    def count(self, slot: int) -> None:
        """A picture of `slot` was drawn."""
        self._slots[slot].shown += 1

    def live(self) -> tuple[bool, ...]:
        """For each slot: whether its picture was taken and seen within the last two seconds."""
        oldest = self.clock_ns() - FRESH_NS
        return tuple(min(slot.seen_ns, slot.taken_ns) > oldest for slot in self._slots)

    def shown(self) -> list[tuple[str, int]]:
        """Site and number of pictures drawn since it took its slot, for each slot that has one."""
        return [(slot.site, slot.shown) for slot in self._slots if slot.site is not None]

    def _readers(self) -> list[FrameReader]:
        return list(self._sources.values())[-1]

    def _restart(self) -> None:
        for slot in self._slots:
            slot.seq = slot.seen_ns = slot.taken_ns = 0
