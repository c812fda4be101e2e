"""Units by the thousand behind the real rollout engine: database and service are real, the hands are not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from diemcau_controller.actions.rollouts.hands import HostEvent, Run
from diemcau_controller.actions.send_command import take_ack
from diemcau_controller.rules.update_words import Word
from diemcau_controller.services.rollout import RolloutEngine
from diemcau_controller.store.tables import EventRow, OfferedRelease, RolloutUnit, Site, Unit
from diemcau_wire.messages import Ack, Command, Message
from diemcau_wire.topics import Channel
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from .office import Office

OLD, NEW = "1.3.2", "1.4.0"


class SimulatedFleet:
    """Fills an office with units, `away` of every ten not connected, and carries out what it is asked.

    `broken`: the release goes back by its own gate, everywhere. `flipped` are the units that tried it.
    """

    def __init__(self, office: Office, count: int, *, away: int = 3, broken: bool = False) -> None:
        self.office, self.broken = office, broken
        self.flipped: set[str] = set()
        self._events = iter(range(1, 10**9))
        office.controller.post = self  # type: ignore[assignment]  # where commands for a check arrive
        self.connected, self.refused = True, Mapping[str, int]
        office.writer.submit(lambda session: _fill(session, office, count, away), urgent=True).result(120)
        self.engine = RolloutEngine(office.controller, self, self._playbooks, self._way)

    async def run_until_quiet(self, minutes: int = 400) -> None:
        """Let the engine look once a simulated minute, until a while nothing has changed."""
        quiet, before = 0, None
        for _ in range(minutes):
            await self.engine.look()
            await self._idle()
            self.office.time += timedelta(minutes=1)
            now = self.states()
            quiet = quiet + 1 if now == before else 0
            before = now
            if quiet > 3:
                return

    def states(self) -> list[tuple[str, str, str]]:
        """Unit, state, ring: of every rollout."""
        with self.office.database.read() as session:
            rows = select(RolloutUnit.unit_id, RolloutUnit.state, RolloutUnit.ring)
            return [(unit, state, ring) for unit, state, ring in session.execute(rows)]

    async def carry_out(self, run: Run, hear: Callable[[HostEvent], None]) -> str:
        """See :class:`diemcau_controller.actions.rollouts.hands.Hands`."""
        await asyncio.sleep(0)
        kept: list[str] = []
        for target in run.targets:
            words = self._words(run.kind, target.unit, kept)
            for word in words:
                hear(HostEvent(target.unit, "Report", "ok", self.office.time, word=word))
            if not words:
                hear(HostEvent(target.unit, "Wait for it", "failed", self.office.time))
        version = OLD if run.kind == "back" else NEW

        def tell(session: Session) -> None:
            session.execute(update(Unit).where(Unit.id.in_(kept)).values(version=version))
            if run.kind == "apply":
                self._told(session, [target.unit for target in run.targets])

        await self.office.controller.write(tell)
        return "ran"

    def publish(self, message: Message, channel: Channel) -> bool:
        """A unit is asked for a check: it takes it, and its room is ready."""
        if isinstance(message, Command):
            self.office.writer.submit(lambda session: self._checked(session, message.unit))
            ack = Ack(unit=message.unit, id=message.id, ok=True, result={}, at=message.at)
            take_ack(self.office.controller, ack)
        return True

    def _words(self, kind: str, unit: str, kept: list[str]) -> Sequence[Word]:
        if kind == "stage":
            return [Word("staged", version=NEW)]
        self.flipped.add(unit)
        if kind == "apply" and self.broken:
            return []  # Ansible lost the line, as it may while a unit starts anew
        kept.append(unit)
        done = Word("back" if kind == "back" else "kept", version=NEW)
        return (
            [done] if kind == "back" else [Word("flipped", version=NEW), done, Word("settled", version=NEW)]
        )

    def _told(self, session: Session, units: Sequence[str]) -> None:
        """What units say of a flip by themselves, beside what Ansible says of it."""
        last = {"step": "back", "why": "fault"} if self.broken else {"step": "kept", "why": ""}
        for said in ({"step": "waiting", "why": ""}, {"step": "gating", "why": ""}, last):
            session.execute(
                insert(EventRow), [self._event(one, "update", **said, version=NEW) for one in units]
            )

    def _checked(self, session: Session, unit: str) -> None:
        session.execute(insert(EventRow), [self._event(unit, "verdict", verdict="ready", findings=[])])

    def _event(self, unit: str, kind: str, **data: Any) -> dict[str, Any]:
        number, now = next(self._events), self.office.time
        return {
            **{"unit": unit, "stream": "simulated", "seq": number, "id": f"e{number}", "boot_id": "b"},
            **{"at": now, "kind": kind, "data": data, "received_at": now},
        }

    def _playbooks(self, version: str, folder: Path) -> Path:
        return folder

    async def _way(self, unit: str, folder: Path) -> Mapping[str, Any]:
        return {}

    async def _idle(self) -> None:
        """Until every run is over and every unit that was asked for a check was heard."""
        while tasks := [*self.engine._runs.values(), *self.engine._asking]:
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0)
        await self.office.controller.write(lambda session: None)


def _fill(session: Session, office: Office, count: int, away: int) -> None:
    numbers = range(count)
    session.execute(insert(Site), [{"id": f"s{n:05}", "name": f"Xã {n}", "contacts": []} for n in numbers])
    session.execute(
        insert(Unit),
        [
            {
                "id": f"u{n:012x}",
                "site_id": f"s{n:05}",
                "status": "lost" if n % 10 < away else "online",
                "nonce": f"n{n}",
                "epoch": 1,
                "version": OLD,
            }
            for n in numbers
        ],
    )
    session.add(OfferedRelease(version=NEW, sha256="0" * 64, offered_by="an", offered_at=office.time))
