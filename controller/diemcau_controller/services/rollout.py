"""Carries rollouts on: looks every few seconds what is to be done, starts runs, writes down what they say.

Everything it knows is in the tables; it may end at any moment and begin anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from diemcau_wire.messages import Verb
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from ..actions.controller import Controller
from ..actions.rollouts.advance import Outside, advance
from ..actions.rollouts.hands import Hands, HostEvent, Run, Target, last_lines
from ..actions.rollouts.hear import end_run, lose_runs, take_events, take_host_events
from ..actions.rollouts.inventory import variables_of
from ..actions.rollouts.others import last_word
from ..actions.rollouts.start import add_units
from ..actions.send_command import send_command
from ..rules.actor import SYSTEM
from ..rules.refusals import Refusal
from ..rules.rollout import LIVE, At, State
from ..store.tables import Rollout, RolloutRun, RolloutUnit

LOOK_S = 5.0
_WRITE_S = 1.0
_REACHED_AT_ONCE = 10
_CHECK_S = 20.0

log = logging.getLogger(__name__)

Unpack = Callable[[str, Path], Path]
"""Puts the playbooks of a version into a folder, as they were signed, and gives where they lie there. Raises
OSError with what to do."""
Reach = Callable[[str, Path], Awaitable[Mapping[str, Any]]]
"""Opens the way to a unit, with files in a folder, and gives Ansible's variables for it. Raises
:class:`Refusal` or OSError."""


class RolloutEngine:
    """Owns the runs that are under way. `hands` carries them out; `unpack` gives what they carry out,
    `reach` opens the way to a unit."""

    def __init__(self, controller: Controller, hands: Hands, unpack: Unpack, reach: Reach) -> None:
        self._controller, self._hands, self._unpack, self._reach = controller, hands, unpack, reach
        self._runs: dict[str, asyncio.Task[None]] = {}  # until their last rows are written
        self._working: dict[str, asyncio.Task[str]] = {}  # what of them may be cancelled
        self._asking: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Carry on until cancelled; then the runs end, too."""
        try:
            await self._controller.write(lambda session: lose_runs(session, self._controller.now()))
            while True:
                await self.look()
                await asyncio.sleep(LOOK_S)
        finally:
            for run_id in self._working:
                self._cancel(run_id)
            for task in self._asking:
                task.cancel()
            await asyncio.gather(*self._runs.values(), *self._asking, return_exceptions=True)

    async def look(self) -> None:
        """One step of each rollout that is not at rest."""
        for rollout_id in await asyncio.to_thread(self._at_work):
            changed = await self._controller.write(partial(self._hear, rollout_id))
            outside = await advance(self._controller, rollout_id)
            await self._act(rollout_id, outside)
            if changed or outside.moved:
                self._controller.news.tell("rollout", rollout=rollout_id)

    def _at_work(self) -> list[str]:
        """Rollouts of which anything may still change; of those done, the newest about a site takes its
        late units in."""
        with self._controller.database.read() as session:
            unsettled = select(RolloutUnit.rollout_id).where(
                RolloutUnit.state.in_([At.APPLYING.value, At.GATING.value])
            )
            running = select(RolloutRun.rollout_id).where(RolloutRun.ended_at.is_(None))
            live = [one.value for one in LIVE]
            found = list(
                session.scalars(
                    select(Rollout.id)
                    .where(or_(Rollout.state.in_(live), Rollout.id.in_(unsettled), Rollout.id.in_(running)))
                    .order_by(Rollout.created_at)
                )
            )
            return found + [one for one in last_word(session) if one not in found]

    def _hear(self, rollout_id: str, session: Session) -> bool:
        now, rollout = self._controller.now(), session.get_one(Rollout, rollout_id)
        heard = take_events(session, rollout_id, now)
        takes_late = rollout.state in (State.RUNNING, State.PAUSED, State.DONE)
        return bool(add_units(session, rollout, now)) | heard if takes_late else heard

    async def _act(self, rollout_id: str, outside: Outside) -> None:
        for rollout, kind in outside.cancel:
            for run_id in await asyncio.to_thread(self._open_runs, rollout, kind):
                self._cancel(run_id)
        for run_id in outside.runs:
            events: list[HostEvent] = []
            working = asyncio.create_task(self._carry_out(rollout_id, run_id, events), name=f"work {run_id}")
            self._working[run_id] = working
            task = asyncio.create_task(self._see_out(rollout_id, run_id, events), name=f"run {run_id}")
            self._runs[run_id] = task
            task.add_done_callback(partial(self._ended, run_id))
        for unit in outside.ask:
            asking = asyncio.create_task(self._ask_check(unit), name=f"check {unit}")
            self._asking.add(asking)
            asking.add_done_callback(self._asking.discard)

    def _ended(self, run_id: str, _: asyncio.Task[None]) -> None:
        self._runs.pop(run_id, None)
        self._working.pop(run_id, None)

    def _cancel(self, run_id: str) -> None:
        """End what works on a run, once: a second word would cut its end short."""
        working = self._working.get(run_id)
        if working is not None and not working.cancelling():
            working.cancel()

    def _open_runs(self, rollout_id: str, kind: str) -> list[str]:
        with self._controller.database.read() as session:
            rows = select(RolloutRun.id).where(
                RolloutRun.rollout_id == rollout_id, RolloutRun.kind == kind, RolloutRun.ended_at.is_(None)
            )
            return list(session.scalars(rows))

    async def _see_out(self, rollout_id: str, run_id: str, events: list[HostEvent]) -> None:
        """One run until its last row is written, however it ends."""
        working = self._working[run_id]
        writing = asyncio.create_task(self._keep_writing(rollout_id, run_id, events), name=f"rows {run_id}")
        await asyncio.wait([working])
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        outcome = "cancelled" if working.cancelled() else working.result()
        await self._write_down(run_id, events)
        now = self._controller.now()
        await self._controller.write(lambda session: end_run(session, run_id, outcome, now))
        self._controller.news.tell("rollout", rollout=rollout_id)

    async def _carry_out(self, rollout_id: str, run_id: str, events: list[HostEvent]) -> str:
        """The work of a run, from the way to its units on; how it came out. What goes wrong of it altogether
        is told of each unit that has not said how it stands: it would begin anew at once otherwise."""
        spoken: set[str] = set()

        def hear(event: HostEvent) -> None:
            if event.word is not None or event.outcome == "unreachable":
                spoken.add(event.unit)
            events.append(event)

        try:
            with TemporaryDirectory(prefix="diemcau-run-") as folder:
                run = await self._prepared(rollout_id, run_id, Path(folder), hear)
                return await self._hands.carry_out(run, hear) if run.targets else "ran"
        except Exception as error:  # told on the page; a cancellation is none, and passes
            log.error("a run failed altogether", extra={"run": run_id, "error": str(error)}, exc_info=error)
            for unit in await asyncio.to_thread(self._units_of, run_id):
                if unit not in spoken:
                    at, tail = self._controller.now(), last_lines(str(error) or type(error).__name__)
                    events.append(HostEvent(unit, "update.yml", "failed", at, tail=tail))
            return "failed"

    def _units_of(self, run_id: str) -> list[str]:
        with self._controller.database.read() as session:
            return list(session.get_one(RolloutRun, run_id).units)

    async def _prepared(
        self, rollout_id: str, run_id: str, folder: Path, hear: Callable[[HostEvent], None]
    ) -> Run:
        """The run with its playbooks, before anything is asked of a unit, and the ways to its units; a unit
        without one is told of as unreachable."""

        def read() -> tuple[str, str, dict[str, dict[str, Any]]]:
            with self._controller.database.read() as session:
                row = session.get_one(RolloutRun, run_id)
                version = session.get_one(Rollout, rollout_id).version
                return row.kind, version, variables_of(session, row.units)

        kind, version, known = await asyncio.to_thread(read)
        playbooks = await asyncio.to_thread(self._unpack, version, folder / "project")
        gate = asyncio.Semaphore(_REACHED_AT_ONCE)

        async def way(unit: str) -> Target | None:
            async with gate:
                own = folder / "ways" / unit
                own.mkdir(parents=True, mode=0o700)
                try:
                    return Target(unit, {**known[unit], **await self._reach(unit, own)})
                except (Refusal, OSError) as error:
                    tail = (str(error)[:300],)
                    at = self._controller.now()
                    hear(HostEvent(unit, "reach", "unreachable", at, tail=tail))
                    return None

        found = await asyncio.gather(*(way(unit) for unit in known))
        targets = tuple(one for one in found if one is not None)
        return Run(run_id, kind, version, targets, folder, playbooks)

    async def _keep_writing(self, rollout_id: str, run_id: str, events: list[HostEvent]) -> None:
        while True:
            await asyncio.sleep(_WRITE_S)
            if events:
                await self._write_down(run_id, events)
                self._controller.news.tell("rollout", rollout=rollout_id)

    async def _write_down(self, run_id: str, events: list[HostEvent]) -> None:
        taken, events[:] = list(events), []
        if taken:
            await self._controller.write(lambda session: take_host_events(session, run_id, taken))

    async def _ask_check(self, unit: str) -> None:
        """Have a unit check its room; what it finds comes as an event."""
        try:
            await send_command(self._controller, SYSTEM, unit, Verb.PREFLIGHT, {}, _CHECK_S)
        except Refusal as error:  # it is asked again later
            log.info("a unit did not take the check", extra={"unit": unit, "error": str(error)})
