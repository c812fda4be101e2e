"""What a unit lets others on its machine know, and how the updater asks it and is heard."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from diemcau_agent.checks import Finding
from diemcau_agent.rules.lease import Agenda, Go, Wait, may
from diemcau_agent.rules.updating import Check, State, Step
from diemcau_agent.rules.verdict import Readiness, Verdict
from diemcau_agent.this_boot import boot_id
from diemcau_agent.unit.desired import Desired
from diemcau_agent.unit.shared import Shared
from diemcau_agent.unit.state_folder import Identity, StateFolder, write_atomically
from diemcau_agent.unit.updates import Updates
from diemcau_agent.unit.wipe import wipe
from diemcau_wire.enrolment import take
from diemcau_wire.messages import DesiredSchedule, EventKind, Occurrence
from diemcau_wire.messages import Updates as Where

HOUR = timedelta(hours=1)


def occurrence(opens_at: datetime, name: str = "m", **more: Any) -> Occurrence:
    return Occurrence.model_validate(
        {
            "id": name,
            "title": "Giao ban",
            "opens_at": opens_at,
            "starts_at": opens_at,
            "ends_at": opens_at + HOUR,
            "cap_at": opens_at + 2 * HOUR,
            "main_site": "s1",
            "main_site_name": "S1",
            "mode": "in_person",
            **more,
        }
    )


class Hall:
    """A unit process, as far as others on its machine hear of it."""

    def __init__(self, root: Path) -> None:
        self.folder = StateFolder(root / "diemcau-agent", services=root / "run")
        for folder in (self.folder.identity, self.folder.update_requests, self.folder.shared):
            folder.mkdir(parents=True)
        self.folder.ca.write_text("roots")
        self.now = datetime.now(UTC)
        self.desired = SimpleNamespace(epoch=1, site="s1", schedule=None, meetings=(), config=None)
        self.inside: str | None = None
        self.over: list[str] = []
        self.clock_ok = True
        self.busy: str | None = None
        self.told: list[dict[str, object]] = []
        self.readiness = Readiness(Verdict.READY)
        found = (Finding("hot"), Finding("camera_frozen", mended=True))
        self.comes_to: Readiness | None = Readiness(Verdict.REMARK, "hot", found)
        self.start()

    def start(self) -> None:
        identity = Identity("u1", "h", 1, "5", Path("k"), Path("c"), self.folder.ca, "https://c:1")
        self.shared = Shared(
            self.folder,
            identity,
            "1.1.0",
            cast(Desired, self.desired),
            in_meeting=lambda: self.inside,
            over=lambda: self.over,
            checking_until=lambda: None,
            clock_ok=lambda: self.clock_ok,
        )
        self.updates = Updates(
            self.folder,
            "1.1.0",
            self.shared,
            ask_check=lambda: self.busy,
            check_done=self.checked,
            readiness=lambda: self.readiness,
            record=lambda kind, _, data: self.told.append({"kind": kind, **data}),
        )

    async def checked(self) -> Readiness:
        self.readiness = self.comes_to or self.readiness
        return self.readiness

    def schedule(self, *meetings: Occurrence) -> None:
        self.desired.schedule = DesiredSchedule(
            unit="u1a2b3c4d5e6f", epoch=1, rev=1, until=self.now + 30 * 24 * HOUR, meetings=list(meetings)
        )
        self.desired.meetings = meetings
        self.shared.look()

    @property
    def agenda(self) -> Agenda:
        return take(Agenda, (self.folder.shared / "agenda.json").read_bytes())

    def lease(self, after: timedelta = timedelta(0)) -> str:
        answer = may(self.agenda, datetime.now(UTC) + after, 300, boot=boot_id(), booted_s=5)
        return "go" if isinstance(answer, Go) else cast(Wait, answer).why

    def turn(self, *services: Any) -> None:
        """Let the services look once."""

        async def once() -> None:
            tasks = [asyncio.ensure_future(service()) for service in services]
            await asyncio.sleep(0.05)
            for task in tasks:
                task.cancel()

        asyncio.run(once())


@pytest.fixture
def hall(tmp_path: Path) -> Hall:
    return Hall(tmp_path)


def test_the_agenda_is_written_at_every_change_and_read_by_the_group(hall: Hall) -> None:
    former = os.umask(0o077)  # as the service has it
    try:
        hall.shared.look()
    finally:
        os.umask(former)
    path = hall.folder.shared / "agenda.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert hall.lease() == "agenda"  # no schedule has come: nobody knows
    hall.schedule()
    assert hall.lease() == "go"
    hall.schedule(occurrence(hall.now + HOUR))
    assert hall.lease() == "meeting"
    hall.over = ["m"]
    hall.shared.look()
    assert hall.lease() == "go"
    before = path.stat().st_ino
    hall.shared.look()
    assert path.stat().st_ino == before  # nothing changed, nothing is written


def test_an_overrun_ends_when_the_unit_leaves_also_over_a_reboot(hall: Hall) -> None:
    hall.schedule()
    hall.inside = "m"
    hall.shared.look()
    assert hall.lease() == "meeting"
    hall.inside = None
    hall.shared.look()
    hall.start()
    hall.shared.look()
    assert hall.lease() == "meeting"
    assert hall.lease(timedelta(minutes=18)) == "go"


def test_a_meeting_left_by_a_clock_that_was_ahead_holds_no_longer_than_others(hall: Hall) -> None:
    hall.schedule()
    ahead = hall.agenda.model_copy(update={"left_at": hall.now + 9000 * HOUR})
    write_atomically(hall.folder.shared / "agenda.json", ahead.model_dump_json().encode())
    hall.start()
    hall.clock_ok = False
    hall.shared.look()
    assert hall.lease() == "clock"
    hall.clock_ok = True
    hall.shared.look()
    assert hall.lease() == "meeting"
    assert hall.lease(timedelta(minutes=18)) == "go"


def test_what_another_start_of_the_machine_said_of_the_clock_is_no_word(hall: Hall) -> None:
    hall.schedule()
    before = hall.agenda.model_copy(update={"boot": "before"})
    write_atomically(hall.folder.shared / "agenda.json", before.model_dump_json().encode())
    hall.start()
    assert hall.lease() == "clock"
    hall.shared.look()  # nothing else changed, and it is written
    assert hall.lease() == "go"


def test_a_wrong_clock_is_told(hall: Hall) -> None:
    hall.schedule()
    hall.clock_ok = False
    hall.shared.look()
    assert hall.lease() == "clock"


def test_very_many_meetings_still_fit(hall: Hall) -> None:
    hall.schedule(*(occurrence(hall.now + HOUR * (n + 10), f"m{n:03}") for n in range(400)))
    assert len(hall.agenda.meetings) == 200
    assert hall.agenda.until == hall.now + HOUR * 210


def test_whose_it_is_and_nothing_after_it_was_sent_away(hall: Hall) -> None:
    hall.schedule()
    hall.turn(hall.shared.run)
    said = json.loads((hall.folder.shared / "coordinator.json").read_bytes())
    assert said == {"v": 1, "unit": "u1", "site": "s1", "web_url": "https://c:1", "neighbour": None}
    near = Where(neighbour="http://192.168.1.5:8080")
    hall.desired.config = SimpleNamespace(updates=near)
    hall.turn(hall.shared.run)
    said = json.loads((hall.folder.shared / "coordinator.json").read_bytes())
    assert said["neighbour"] == near.neighbour, "as soon as the office says so"
    assert (hall.folder.shared / "ca.crt").read_text() == "roots"
    assert wipe(hall.folder)
    assert list(hall.folder.shared.iterdir()) == []


def test_a_disk_that_takes_nothing_does_not_stop_the_unit(hall: Hall) -> None:
    hall.folder.shared.rmdir()
    hall.folder.shared.write_text("no folder")
    hall.schedule(occurrence(hall.now + HOUR))
    hall.turn(hall.shared.run)


def test_the_updater_asks_for_a_check_and_is_answered_once(hall: Hall) -> None:
    question = hall.folder.update_requests / "check"
    write_atomically(question, b"gate-1")
    hall.busy = "in_meeting"
    hall.turn(hall.updates.run)
    answer = hall.folder.shared / "check.json"
    assert take(Check, answer.read_bytes()).busy == "in_meeting"
    hall.busy = None
    hall.turn(hall.updates.run)
    check = take(Check, answer.read_bytes())
    assert (check.answers, check.version, check.busy, check.found) == ("gate-1", "1.1.0", "", ("hot",))
    before = answer.stat().st_ino
    hall.turn(hall.updates.run)
    assert answer.stat().st_ino == before
    write_atomically(question, b"\xff not a question \n")
    hall.turn(hall.updates.run)
    assert answer.stat().st_ino == before


@pytest.mark.parametrize("came", [None, Readiness(Verdict.UNKNOWN)])
def test_a_check_that_somebody_ends_proves_nothing(hall: Hall, came: Readiness | None) -> None:
    hall.comes_to = came
    write_atomically(hall.folder.update_requests / "check", b"gate-1")
    hall.turn(hall.updates.run)
    assert take(Check, (hall.folder.shared / "check.json").read_bytes()).found == ("check_incomplete",)


def test_each_step_is_told_to_the_coordinator_once(hall: Hall) -> None:
    path = hall.folder.update_state
    path.parent.mkdir()
    state = State(at=hall.now, step=Step.BACK, order="o1", version="1.1.0", why="fault", text="camera_frozen")
    write_atomically(path, state.model_copy(update={"seq": 7}).model_dump_json().encode())
    hall.turn(hall.updates.run)
    hall.turn(hall.updates.run)
    hall.start()  # and not again after a reboot
    hall.turn(hall.updates.run)
    told = {"step": "back", "version": "1.1.0", "from": "", "why": "fault", "text": "camera_frozen"}
    assert hall.told == [{"kind": EventKind.UPDATE, **told}]
    path.write_bytes(b"{garbage")
    hall.turn(hall.updates.run)
    assert len(hall.told) == 1
