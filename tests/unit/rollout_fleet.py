"""A small fleet in a database of its own, and units that do what a rollout asks of them, or do not.

The real tables and actions; only the clock, the units and the hands are simulated.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from diemcau_controller.actions.rollouts.advance import Outside, perform
from diemcau_controller.actions.rollouts.facts import facts
from diemcau_controller.actions.rollouts.hands import HostEvent
from diemcau_controller.actions.rollouts.hear import end_run, lose_runs, take_events, take_host_events
from diemcau_controller.actions.rollouts.start import RolloutSpec, start_rollout
from diemcau_controller.actions.rollouts.steer import Verb, steer
from diemcau_controller.config import StateDir
from diemcau_controller.rules.actor import SYSTEM
from diemcau_controller.rules.rollout import Action, RolloutNow, Start, UnitNow, plan
from diemcau_controller.rules.update_words import Word
from diemcau_controller.store.tables import (
    Area,
    Attachment,
    AuditRow,
    Base,
    EventRow,
    Freeze,
    Group,
    GroupMember,
    Invitation,
    Meeting,
    MeetingException,
    Occurrence,
    OfferedRelease,
    Rollout,
    RolloutRun,
    RolloutTask,
    RolloutUnit,
    Site,
    SiteRing,
    Unit,
)
from sqlalchemy import create_engine, event, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

T = TypeVar("T")
OLD, NEW = "1.0.0", "1.1.0"
_BEGIN = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)  # a Monday, 08:00 at the coordinator's


_NEEDED = (
    Area,
    Site,
    Group,
    GroupMember,
    Unit,
    Meeting,
    MeetingException,
    Attachment,
    Invitation,
    Occurrence,
    EventRow,
    AuditRow,
    OfferedRelease,
    SiteRing,
    Freeze,
    Rollout,
    RolloutUnit,
    RolloutRun,
    RolloutTask,
)  # to make every table takes longer than most tests


class _News:
    def tell(self, kind: str, /, **data: Any) -> None:
        """Nobody listens."""


@dataclass
class _Settings:
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Ho_Chi_Minh"))


class SmallFleet:
    """Looks like a controller to the actions. `clock` is moved by hand."""

    def __init__(self, sites: int, groups: dict[str, list[int]] | None = None) -> None:
        self.clock = _BEGIN
        self.settings, self.news, self.database = _Settings(), _News(), self
        self._engine = create_engine(
            "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
        event.listen(self._engine, "connect", _plain)
        event.listen(self._engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        Base.metadata.create_all(self._engine, tables=[one.__table__ for one in _NEEDED])  # type: ignore[misc]
        self._folder = TemporaryDirectory(prefix="diemcau-fleet-")
        self.state = StateDir(Path(self._folder.name))
        self._numbers = iter(range(1, 10_000_000))

        def fill(session: Session) -> None:
            for number in range(sites):
                session.add(Site(id=f"s{number:04}", name=f"Site {number}", contacts=[]))
            session.flush()
            for number in range(sites):
                session.add(Unit(id=f"u{number:04}", site_id=f"s{number:04}", status="online", version=OLD))
            for name, members in (groups or {}).items():
                session.add(Group(id=name, name=name))
                session.flush()
                session.add_all([GroupMember(group_id=name, site_id=f"s{one:04}") for one in members])
            session.add(OfferedRelease(version=NEW, sha256="0" * 64, offered_by="a", offered_at=_BEGIN))

        self.commit(fill)

    def now(self) -> datetime:
        return self.clock

    @contextmanager
    def read(self) -> Iterator[Session]:
        with Session(self._engine, expire_on_commit=False) as session:
            yield session

    def commit(self, change: Callable[[Session], T]) -> T:
        with Session(self._engine, expire_on_commit=False) as session:
            result = change(session)
            session.commit()
            return result

    async def write(self, change: Callable[[Session], T]) -> T:
        return self.commit(change)

    def do(self, action: Awaitable[T]) -> T:
        """Run one of the actions that a person takes."""

        async def main() -> T:
            return await action

        return asyncio.run(main())

    def close(self) -> None:
        self._engine.dispose()
        self._folder.cleanup()

    def look(self, rollout: str) -> tuple[RolloutNow, list[UnitNow]]:
        """What the rules see."""
        with self.read() as session:
            found = facts(self, session, session.get_one(Rollout, rollout), self.clock)  # type: ignore[arg-type]
            return found.rollout, list(found.units)

    def step(self, rollout: str) -> tuple[list[Action], Outside]:
        """One step of the engine, without its hands."""
        self.commit(lambda session: take_events(session, rollout, self.clock))
        now, units = self.look(rollout)
        actions, seen = plan(now, units, self.clock), {unit.unit: unit.state for unit in units}
        if not actions:
            return [], Outside()
        return actions, self.commit(lambda session: perform(session, rollout, actions, seen, self.clock))

    def tell(
        self, run: str, unit: str, outcome: str = "ok", word: Word | None = None, there: bool = True
    ) -> None:
        """A task of a run ended on a unit, or (not `there`) here in its name."""
        event = HostEvent(unit, "Report", outcome, self.clock, word=word, tail=("why",), there=there)
        self.commit(lambda session: take_host_events(session, run, [event]))

    def end(self, run: str, outcome: str = "ran") -> None:
        self.commit(lambda session: end_run(session, run, outcome, self.clock))

    def restart(self) -> None:
        """The controller ends and begins anew."""
        self.commit(lambda session: lose_runs(session, self.clock))

    def report(self, unit: str, kind: str, meeting: str | None = None, **data: Any) -> None:
        """An event of a unit."""
        number = next(self._numbers)

        def add(session: Session) -> None:
            session.add(
                EventRow(
                    unit=unit,
                    stream="s",
                    seq=number,
                    id=f"e{number}",
                    boot_id="b",
                    at=self.clock,
                    kind=kind,
                    site=None,
                    meeting=meeting,
                    data=data,
                    received_at=self.clock,
                )
            )

        self.commit(add)

    def change_unit(self, unit: str, **values: Any) -> None:
        def change(session: Session) -> None:
            row = session.get_one(Unit, unit)
            for name, value in values.items():
                setattr(row, name, value)

        self.commit(change)

    def meet(self, sites: list[str], after: timedelta, *, urgent: bool = False) -> str:
        """Announce a meeting of an hour."""
        starts = self.clock + after
        name = f"m{next(self._numbers)}"

        def add(session: Session) -> None:
            session.add(
                Meeting(
                    id=name,
                    title=name,
                    kind="hop",
                    starts_local="2026-03-02T08:00",
                    duration_s=3600,
                    opens_before_s=900,
                    overrun_s=3600,
                    main_site_id=sites[0],
                    created_at=self.clock,
                    urgent=urgent,
                )
            )
            session.flush()
            for place, site in enumerate(sites):
                session.add(Invitation(meeting_id=name, site_id=site, position=place))
            session.add(
                Occurrence(
                    id=f"{name}-1",
                    meeting_id=name,
                    opens_at=starts - timedelta(minutes=0 if urgent else 15),
                    starts_at=starts,
                    ends_at=starts + timedelta(hours=1),
                    cap_at=starts + timedelta(hours=2),
                    room="r",
                    secret="s",
                    pin="p",
                    floor_speakers=[],
                )
            )

        self.commit(add)
        return f"{name}-1"

    def finish(self, occurrence: str) -> None:
        def change(session: Session) -> None:
            session.get_one(Occurrence, occurrence).finished_at = self.clock

        self.commit(change)

    def states(self, rollout: str) -> dict[str, str]:
        with self.read() as session:
            rows = select(RolloutUnit.unit_id, RolloutUnit.state).where(RolloutUnit.rollout_id == rollout)
            return {unit: state for unit, state in session.execute(rows)}

    def state_of(self, rollout: str) -> str:
        with self.read() as session:
            return session.get_one(Rollout, rollout).state

    def open_runs(self) -> list[RolloutRun]:
        with self.read() as session:
            return list(session.scalars(select(RolloutRun).where(RolloutRun.ended_at.is_(None))))


class ObedientUnits:
    """Carries out runs at once, as good units would. `broken`: units that go back; `silent`: units of which
    nothing is heard after the flip; `busy`: units that give no lease."""

    def __init__(self, fleet: SmallFleet) -> None:
        self.fleet = fleet
        self.broken: set[str] = set()
        self.silent: set[str] = set()
        self.busy: set[str] = set()
        self.flips: list[tuple[datetime, str]] = []

    def carry_out(self, run_id: str) -> None:
        fleet = self.fleet
        run = next(run for run in fleet.open_runs() if run.id == run_id)
        for unit in run.units:
            for word in self._words(run.kind, unit):
                fleet.tell(run_id, unit, word=word)
        fleet.end(run_id)

    def run_all(self, rollout: str, rounds: int = 40) -> None:
        """Step until nothing more happens."""
        for _ in range(rounds):
            actions, outside = self.fleet.step(rollout)
            for run in outside.runs:
                self.carry_out(run)
            for unit in outside.ask:
                self.fleet.report(unit, "verdict", verdict="ready", findings=[])
            if not actions:
                return

    def _words(self, kind: str, unit: str) -> list[Word]:
        if kind == "stage":
            return [Word("staged", version=NEW)]
        if unit in self.busy:
            return [Word("waiting", "meeting", self.fleet.clock + timedelta(hours=3))]
        self.flips.append((self.fleet.clock, unit))
        if kind == "back":
            self.fleet.change_unit(unit, version=OLD)
            return [Word("back", version=NEW)]
        if unit in self.silent:
            self.fleet.change_unit(unit, status="lost")
            return [Word("flipped")]
        if unit in self.broken:
            return [Word("flipped"), Word("back", "camera", version=NEW)]
        self.fleet.change_unit(unit, version=NEW)
        return [Word("flipped"), Word("kept", version=NEW), Word("settled", version=NEW)]


def start(fleet: SmallFleet, **more: Any) -> str:
    """Start a rollout of the new release; gives its id."""
    return fleet.do(start_rollout(fleet, SYSTEM, RolloutSpec(version=NEW, **more)))  # type: ignore[arg-type]


def command(fleet: SmallFleet, rollout: str, verb: Verb) -> None:
    """Steer it, as a person does."""
    fleet.do(steer(fleet, SYSTEM, rollout, verb))  # type: ignore[arg-type]


def started(actions: list[Action], kind: str) -> list[str]:
    """The units of the run of that kind that was started."""
    return [unit for one in actions if isinstance(one, Start) and one.kind == kind for unit in one.units]


def pick(chance: random.Random, share: float, units: list[str]) -> set[str]:
    """So many of them, by chance."""
    return set(chance.sample(units, int(share * len(units))))


def _plain(connection: Any, record: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys=ON")


__all__ = ["NEW", "OLD", "SYSTEM", "ObedientUnits", "SmallFleet", "command", "pick", "start", "started"]
