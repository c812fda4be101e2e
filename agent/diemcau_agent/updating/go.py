"""Carries out what the rules say (`rules/updating.py`): one order from where it stands to where it waits or
ends. What is written comes before what is done, so that it goes on after a power cut at any point."""

from __future__ import annotations

import errno
import logging
import platform
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from diemcau_wire import Refused
from diemcau_wire.release import Arch, Release, System, Wheel, read_release, write_release

from diemcau_agent.rules.lease import Agenda, Wait
from diemcau_agent.rules.systems import SYSTEM_WORK_S
from diemcau_agent.rules.updating import (
    AGAIN,
    BOOTS,
    ENDS,
    GATE_S,
    GOING_BACK,
    IN_MEETING_BPS,
    WORK_S,
    Cue,
    Order,
    State,
    Step,
    Why,
    Work,
    begun,
    from_before,
    is_late,
    is_older,
    judge,
    moved,
    next_work,
    started,
    waits,
)
from diemcau_agent.this_boot import boot_id, booted_s
from diemcau_agent.unit.state_folder import write_atomically

from . import leases, orders, records, releases
from .asking import Asking
from .download import Download, Manner, Piece, Store, check_room
from .install import install, interpreter
from .line import Line, coordinator, neighbour
from .nearby import Nearby
from .places import Places
from .systems import Systems
from .trouble import Trouble

log = logging.getLogger(__name__)

CHECK_S = 120.0
RECENT = timedelta(minutes=10)  # a check so young tells how the room was before the flip
LOOK_S = 2.0
_LOST = "{} is damaged, or the machine started from its other system"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_MACHINES = {"x86_64": Arch.AMD64, "aarch64": Arch.ARM64}

T = TypeVar("T")
Pause = Callable[[float], None]
Chance = Callable[[], float]


def _find(places: Places, line: Line, version: str, pause: Pause, chance: Chance) -> Release:
    from .metadata import find  # loads cryptography: who only waits for a lease needs none

    return find(places, line, version, pause, chance)


def _find_system(
    places: Places, line: Line, version: str, arch: Arch, pause: Pause, chance: Chance
) -> System | None:
    from .metadata import find_system

    return find_system(places, line, version, arch, pause, chance)


@dataclass(frozen=True, slots=True)
class Hands:
    """What an update is done with. `seconds` is a clock that nobody sets, `boot` names this start of the
    machine, `booted_s` is how long ago that was."""

    line: Callable[[Places], Line] = coordinator
    neighbour: Callable[[Places], Line | None] = neighbour
    find: Callable[[Places, Line, str, Pause, Chance], Release] = _find
    find_system: Callable[[Places, Line, str, Arch, Pause, Chance], System | None] = _find_system
    install: Callable[[Places, Release, Sequence[Wheel], Store], None] = install
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    seconds: Callable[[], float] = time.monotonic
    pause: Pause = time.sleep
    chance: Chance = random.random
    boot: Callable[[], str] = boot_id
    booted_s: Callable[[], float] = booted_s
    machine: Callable[[], str] = platform.machine


class Updater:
    """One unit's updates. Only one at a time: whoever makes it holds the lock."""

    def __init__(self, places: Places, hands: Hands | None = None) -> None:
        self._places, self._hands = places, hands or Hands()
        self._store = Store(places.wheels)
        self._asking = Asking(places, pause=self._hands.pause, seconds=self._hands.seconds)
        self._systems = Systems(places, self._asking)
        self._state = records.read(State, places.state) or State(at=self._hands.now())
        self._looked_at, self._meeting_runs = float("-inf"), False

    def go(self) -> bool:
        """Work until nothing is left to do (True), or it has to wait (False). Raises OSError."""
        try:
            return self._work()
        except OSError as error:
            if error.errno not in _FULL or self._state.step not in (Step.FLIPPED, Step.GATING):
                raise
            log.warning("the disk is full", extra={"step": self._state.step, "error": str(error)})
        # it runs: there is no calling it off, and the way back must be open
        releases.make_way(self._places, {*self._in_use(), self._state.former, self._state.version})
        return self._work()

    def _work(self) -> bool:
        if self._state.step is Step.GATING:
            self._keep(started(self._state, self._hands.boot()))
        while True:
            order = records.read(Order, self._places.order)
            work = next_work(self._state, order, self._hands.now())
            if work is not Work.NOTHING:
                if not self._do(work, order):
                    return False
                continue
            self._tidy(order)
            # whoever gave one meanwhile found us still at work, and starts nobody
            given = records.read(Order, self._places.order)
            if next_work(self._state, given, self._hands.now()) is Work.NOTHING:
                return True

    def _do(self, work: Work, order: Order | None) -> bool:
        """Do one thing; False when it has to wait."""
        log.info("update", extra={"work": work.name.lower(), "version": self._state.version})
        try:
            if work is Work.GATE:
                return self._gate()
            if work is Work.FLIP:
                return self._resume_flip()
            assert order is not None
            match work:
                case Work.APPLY | Work.LEASE if not self._is_beside():
                    state = moved(self._state, Cue.OTHER_SYSTEM, self._hands.now())
                    self._keep(state.model_copy(update={"system": ""}))
                case Work.BEGIN:
                    running = releases.running(self._places) or ""
                    self._keep(begun(self._state, order, running, self._hands.now()))
                case Work.CANCEL:
                    late = order.id == self._state.order and not order.cancelled
                    self._move(Cue.CANCELLED, text=f"it was wanted until {order.until}" if late else "")
                case Work.FETCH:
                    self._fetch(order)
                case Work.INSTALL:
                    self._install()
                case Work.APPLY:
                    self._move(Cue.APPLY)
                case Work.LEASE:
                    return self._lease(order)
            return True
        except Trouble as trouble:
            return self._fail(trouble.why, str(trouble))
        except OSError as error:
            if error.errno not in _FULL or not self._state.cancellable:
                raise
            releases.prune(self._places, releases.complete(self._places))  # so that this can be written down
            self._systems.clear()
            return self._fail(Why.DISK_FULL, str(error))

    def _fail(self, why: Why, text: str) -> bool:
        """It goes no further, or not now."""
        log.warning("update", extra={"why": why, "text": text})
        if why in AGAIN:
            self._keep(waits(self._state, why, self._hands.now(), text=text))
            return False
        self._move(Cue.REFUSED, why, text)
        return True

    # ── beside the release that runs ─────────────────────────────────────────────────────────────

    def _fetch(self, order: Order) -> None:
        places, version = self._places, order.version
        running = releases.running(places)
        if running is None or releases.proven(places) is None:
            raise Trouble(Why.LAYOUT, f"{places.current} shows to no release; provision this unit again")
        there = releases.manifest(places, version) is not None
        if order.back and not there:
            self._by_system(self._systems.to_go_back_to(version))
            self._move(Cue.THERE)
            return
        if not order.back and is_older(version, running):
            raise Trouble(Why.OLDER, f"{version} is older than {running}, which runs")
        if not order.back and (system := self._system_for(version)) is not None:
            self._fetch_system(order, system)
            return
        if version == running:
            self._move(Cue.RUNS)
            return
        if there:
            self._move(Cue.THERE)
            return
        release, wheels = self._found(order)
        if self._bring(order, self._store, wheels, wheels):
            write_atomically(places.verified, write_release(release))
            self._move(Cue.FETCHED)

    def _fetch_system(self, order: Order, system: System) -> None:
        """The whole system that this version brings, instead of a release beside the one that runs."""
        self._by_system(system.version)
        if self._systems.other_holds(system.version):
            self._move(Cue.THERE)
            return
        self._systems.store.clear([system])
        if self._bring(order, self._systems.store, [system], ()):
            self._systems.write_verified(system)
            self._move(Cue.FETCHED)

    def _by_system(self, version: str) -> None:
        self._keep(self._state.model_copy(update={"system": version}))

    def _bring(self, order: Order, store: Store, pieces: Sequence[Piece], unpacked: Sequence[Wheel]) -> bool:
        """Have these in their store, with room to install what is `unpacked` of them; False: it was called
        off meanwhile."""
        places, hands = self._places, self._hands
        left = store.bytes_left(pieces)
        self._make_room(left, unpacked)
        self._keep(self._state.model_copy(update={"needed_bytes": self._state.fetched_bytes + left}))
        manner = Manner(hands.pause, hands.chance, lambda: self._rate_bps(order), self._came)
        near_line = hands.neighbour(places)
        near = Nearby(near_line, store, manner, seconds=hands.seconds) if near_line else None
        download = Download(hands.line(places), store, manner)
        for piece in store.missing(pieces):
            if near is None or not self._fetched_from(near, piece):
                download.fetch(piece)
            self._keep(self._state)
            if self._called_off(order):
                return False
        return True

    def _fetched_from(self, near: Nearby, piece: Piece) -> bool:
        """Whether the server in the site's network had it; after a failure it is left in peace."""
        if self._state.neighbour_failed:
            return False
        try:
            near.fetch(piece)
        except Trouble as trouble:
            log.warning("the neighbour is not asked any more", extra={"why": str(trouble)})
            self._keep(self._state.model_copy(update={"neighbour_failed": str(trouble)[:200]}))
            return False
        return True

    def _make_room(self, left: int, wheels: Sequence[Wheel]) -> None:
        """Where there is too little, the release that is kept from before goes."""
        folders = [self._places.folder, self._places.opt]
        try:
            check_room(folders, left, wheels)
        except Trouble:
            releases.prune(self._places, self._in_use(), wheels)
            check_room(folders, left, wheels)

    def _install(self) -> None:
        if self._state.system:
            self._systems.install(self._state)
            self._move(Cue.INSTALLED)
            self._systems.clear()
            return
        try:
            release = read_release(self._places.verified.read_bytes())
        except (FileNotFoundError, Refused) as error:
            raise Trouble(Why.DAMAGED, f"what was verified is gone: {error}") from None
        wheels = self._wheels(release)
        if self._store.missing(wheels):
            raise Trouble(Why.DAMAGED, "wheels that were fetched are gone")
        self._hands.install(self._places, release, wheels, self._store)
        self._move(Cue.INSTALLED)

    def _found(self, order: Order) -> tuple[Release, Sequence[Wheel]]:
        """The release that is ordered, verified, and its wheels for this machine."""
        hands, line = self._hands, self._hands.line(self._places)
        release = self._signed(
            lambda: hands.find(self._places, line, order.version, hands.pause, hands.chance)
        )
        interpreter(release)
        return release, self._wheels(release)

    def _system_for(self, version: str) -> System | None:
        """The whole system a version brings; None on a machine that has no slots, when that system runs or
        there is none."""
        hands, arch = self._hands, _MACHINES.get(self._hands.machine())
        if arch is None or not self._systems.wants(version):
            return None
        line = hands.line(self._places)
        return self._signed(
            lambda: hands.find_system(self._places, line, version, arch, hands.pause, hands.chance)
        )

    def _signed(self, look: Callable[[], T]) -> T:
        """What is looked up in the repository."""
        try:
            return look()
        except Trouble as trouble:
            agenda = self._agenda()
            if trouble.why is Why.EXPIRED and agenda is not None and not agenda.clock_ok:
                raise Trouble(Why.CLOCK, f"this clock is wrong: {trouble}") from None
            raise

    def _wheels(self, release: Release) -> Sequence[Wheel]:
        machine = self._hands.machine()
        arch = _MACHINES.get(machine)
        wheels = release.parts_for(arch) if arch is not None else ()
        if not any(wheel.name == "diemcau-agent" for wheel in wheels):
            raise Trouble(Why.NO_WHEELS, f"the release has none for this machine ({machine})")
        return wheels

    def _came(self, count: int) -> None:
        """So many bytes came; written down with the wheel they belong to."""
        self._state = self._state.model_copy(
            update={"fetched_bytes": self._state.fetched_bytes + count, "why": "", "text": ""}
        )

    def _rate_bps(self, order: Order) -> float | None:
        """A meeting that runs has the line; what is left of it is enough for us."""
        now = self._hands.seconds()
        if now - self._looked_at >= LOOK_S:
            agenda, self._looked_at = self._agenda(), now
            self._meeting_runs = agenda is not None and agenda.in_meeting is not None
        rates = [order.rate_bps, IN_MEETING_BPS if self._meeting_runs else None]
        return min((rate for rate in rates if rate is not None), default=None)

    # ── the flip ─────────────────────────────────────────────────────────────────────────────────

    def _lease(self, order: Order) -> bool:
        """Ask whether work may begin, look how the room is, ask again, and flip."""
        running = releases.running(self._places)
        if running is None:
            raise Trouble(
                Why.LAYOUT, f"{self._places.current} shows to no release; provision this unit again"
            )
        answer = self._take_lease(order, CHECK_S)
        if answer is None:
            before = self._before(running)
            answer = self._take_lease(order, 0)
            if answer is None:
                if self._called_off(order):
                    return True
                state = moved(self._state, Cue.LEASED, self._hands.now())
                flip = {"former": running, "before": before, "boot": self._hands.boot(), "boots": 0}
                self._keep(state.model_copy(update=flip))
                return self._flip()
        leases.release(self._places, order.id)
        now, meeting, again_at = self._hands.now(), answer.meeting, answer.again_at
        self._keep(waits(self._state, answer.why, now, meeting=meeting, again_at=again_at))
        return False

    def _take_lease(self, order: Order, more_s: float) -> Wait | None:
        """None: go, and nobody else works meanwhile."""
        hands, holder = self._hands, order.holder or order.id
        more_s += SYSTEM_WORK_S if self._state.system else WORK_S
        now, boot, since_s = hands.now(), hands.boot(), hands.booted_s()
        answer = leases.take(self._places, holder, more_s, now, boot=boot, booted_s=since_s)
        return answer if isinstance(answer, Wait) else None

    def _before(self, running: str) -> tuple[str, ...] | None:
        """What is wrong with the room before the flip; None when nobody can say."""
        last = self._asking.last_check()
        if last is None or last.version != running or last.busy or abs(self._hands.now() - last.at) > RECENT:
            last = self._asking.check(f"before-{self._state.order}-{orders.new_id()}", running, CHECK_S)
        return None if last is None or last.busy else last.found

    def _resume_flip(self) -> bool:
        """The power failed between the word that it is flipped and what came of it."""
        if self._state.system:
            return self._turn_system()
        running = releases.running(self._places)
        if running == self._state.version:
            return self._flip()
        if running is None:
            self._back(Why.BOOTS, _LOST.format(self._state.version))
        else:
            self._move(Cue.CUT)
        return True

    def _flip(self) -> bool:
        if self._state.system:
            return self._turn_system()
        places, version = self._places, self._state.version
        releases.show(places, places.current, version)
        if self._state.back:
            releases.show(places, places.proven, version)
        self._asking.restart()
        if self._state.back:
            self._move(Cue.LINKED_BACK, Why.ORDERED)
        else:
            self._move(Cue.LINKED)
        return True

    def _turn_system(self) -> bool:
        """Whatever is seen of the slots makes of an order that is flipped or at the gate; False: the box is
        about to start again, or the system that runs is being judged."""
        seen = self._systems.outcome(self._state, self._hands.boot())
        if seen.cue is not None:
            self._move(seen.cue, seen.why, seen.text)
        return seen.cue is not None

    # ── the gate ─────────────────────────────────────────────────────────────────────────────────

    def _gate(self) -> bool:
        """Does the room work with it? Judged by the unit's own check; the line has no say in it."""
        state, hands = self._state, self._hands
        if state.system:  # `good.sh` has it judged, and leaves it: that takes no updater
            return self._turn_system()
        if state.why in GOING_BACK:  # the way back was cut short
            self._back(Why(state.why), state.text)
            return True
        if releases.running(self._places) != state.version:
            self._back(Why.BOOTS, _LOST.format(state.version))
            return True
        if state.boots > BOOTS:
            self._back(Why.BOOTS, f"{state.boots} starts without an answer")
            return True
        until, number = hands.seconds() + GATE_S, 0
        while (left := until - hands.seconds()) > 0:
            number += 1
            question = f"gate-{state.order}-{state.boots}-{number}-{orders.new_id()}"
            answer = self._asking.check(question, state.version, left)
            if answer is None:
                break
            if answer.busy:  # it is in a meeting, with this release; that is judged afterwards
                self._keep(waits(state, Why.BUSY, hands.now(), text=answer.busy))
                return False
            judged = judge(state.before, answer.found)
            if judged.passed:
                self._passed()
                return True
            if judged.broken:
                self._back(Why.FAULT, " ".join(judged.broken))
                return True
            hands.pause(LOOK_S)
        self._back(Why.SILENT, f"no check of the room within {GATE_S:.0f} s")
        return True

    def _passed(self) -> None:
        releases.show(self._places, self._places.proven, self._state.version)
        self._move(Cue.PASSED)

    def _back(self, why: Why, text: str) -> None:
        """The former release runs again. In the machine's other system another one runs, and goes on."""
        places, former = self._places, self._state.former
        self._keep(waits(self._state, why, self._hands.now(), text=text))
        if (
            releases.running(places) in (self._state.version, former, None)
            and places.release(former).exists()
        ):
            releases.show(places, places.current, former)
            releases.show(places, places.proven, former)
            self._asking.restart()
        self._move(Cue.FAILED, why, text)

    # ── small things ─────────────────────────────────────────────────────────────────────────────

    def _tidy(self, order: Order | None) -> None:
        """What came to its end leaves no order, no lease, and nothing that no release needs."""
        if order is None or not (order.cancelled or self._state.step in ENDS):
            return
        leases.release(self._places, order.id)  # before what takes long: somebody may wait for it
        self._prune()
        if (
            self._state.step is not Step.IDLE
        ):  # what was called off may be wanted again, and goes on from there
            self._systems.clear()
        orders.done(self._places, order)

    def _prune(self) -> None:
        """The release before the one that runs is kept; older ones, and one that did not work, are not. One
        that was called off stays for the next order, which may want it, and makes way for another."""
        places, state = self._places, self._state
        keep = set(releases.complete(places))
        if state.step is Step.IDLE:
            running = releases.running(places) or ""
            kept = [version for version in releases.complete(places) if version != running]
            before = from_before(kept, running, state.former)
            for version in keep - {*self._in_use(), state.version, before}:
                releases.remove_release(places, version)
            return
        if state.step is Step.KEPT and state.former != state.version:
            keep = {*self._in_use(), state.former}
        elif state.step is Step.BACK and not state.back:
            keep.discard(state.version)
        releases.prune(places, keep)

    def _is_beside(self) -> bool:
        """Whether what was staged is here, beside what runs: a whole system, or a release, of which each of
        an image's two systems has its own."""
        if self._state.system:
            return self._systems.other_holds(self._state.system)
        version = self._state.version
        there = releases.manifest(self._places, version) is not None
        return there and releases.running(self._places) != version

    def _in_use(self) -> set[str]:
        return {v for v in (releases.running(self._places), releases.proven(self._places)) if v is not None}

    def _called_off(self, order: Order) -> bool:
        held = records.read(Order, self._places.order)
        if held is None or held.id != order.id or held.cancelled:
            return True
        return is_late(held, self._hands.now())

    def _agenda(self) -> Agenda | None:
        return records.read(Agenda, self._places.agenda)

    def _move(self, cue: Cue, why: str = "", text: str = "") -> None:
        self._keep(moved(self._state, cue, self._hands.now(), why, text))

    def _keep(self, state: State) -> None:
        records.write(self._places.state, state)  # what the disk does not take has not happened
        if (state.step, state.why) != (self._state.step, self._state.why):
            log.info("update is", extra={"step": state.step, "version": state.version, "why": state.why})
        self._state = state
