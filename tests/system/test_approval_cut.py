"""The power goes while a unit is put in another's place: what is on the disk then is the old state or the new
one, whole, and everybody can go on from there."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from diemcau_controller.adapters import whole_file
from diemcau_wire.enrolment import EnrolState, Verdict
from sqlalchemy import event

from tests.system.asking_unit import AskingUnit
from tests.system.office import Office, furnished, meeting

SITE = "ea-kiet"


def state_of(folder: Path, spare: str) -> tuple[object, ...]:
    """What the database of a folder says of the replacement."""
    with sqlite3.connect(folder / "controller.sqlite") as database:

        def one(query: str, *values: str) -> Any:
            row = database.execute(query, values).fetchone()
            return None if row is None else row[0]

        return (
            one("SELECT unit_id FROM binding WHERE site_id = ? ORDER BY epoch DESC", SITE) == spare,
            one("SELECT id FROM unit WHERE site_id = ?", SITE) == spare,
            one("SELECT epoch FROM site WHERE id = ?", SITE) == 2,
            one("SELECT state FROM enrolment WHERE unit_id = ?", spare) == EnrolState.APPROVED,
            one("SELECT count(*) FROM certificate WHERE unit_id = ?", spare) == 1,
            one("SELECT count(*) FROM unit WHERE ended = 'replaced'") == 1,
            one("SELECT count(*) FROM cut") == 1,
            one("SELECT count(*) FROM audit WHERE action = 'unit.replace'") == 1,
            one("SELECT count(*) FROM occurrence WHERE room_made = 0 AND pin != '0'") == 1,
        )


class Cuts:
    """Keeps a copy of the disk at each statement, commit and file that is written: what a power cut there
    leaves behind."""

    def __init__(self, office: Office, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state, self.folder = office.state.root, folder
        self.points: list[str] = []
        engine = office.database._controller
        event.listen(engine, "after_cursor_execute", self._statement)
        event.listen(engine, "commit", lambda _connection: self.take("before commit"))
        for name in ("write_whole", "write_secret"):
            real = getattr(whole_file, name)
            monkeypatch.setattr(whole_file, name, self._around(name, real))

    def take(self, what: str) -> None:
        here = self.folder / f"{len(self.points):03}"
        here.mkdir(parents=True)
        for suffix in ("", "-wal"):
            source = self.state / f"controller.sqlite{suffix}"
            if source.exists():
                shutil.copy(source, here / source.name)
        self.points.append(what)

    def _statement(self, *given: Any) -> None:
        text = str(given[2])
        if not text.lstrip().upper().startswith(("SELECT", "PRAGMA", "BEGIN")):
            self.take(text[:60])

    def _around(self, name: str, real: Any) -> Any:
        def write(*arguments: Any, **named: Any) -> Any:
            self.take(f"before {name}")
            done = real(*arguments, **named)
            self.take(f"after {name}")
            return done

        return write


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with furnished(tmp_path / "state") as made:
        meeting(made, sites=[SITE])
        with sqlite3.connect(made.state.database) as database:
            database.execute("UPDATE occurrence SET pin = '0', room_made = 1")
        yield made


def test_the_power_may_go_at_any_point(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spare = AskingUnit(office.nobody)
    code = spare.ask()
    body = {"code": code, "site": SITE, "what": "replace"}
    cuts = Cuts(office, tmp_path / "cuts", monkeypatch)
    cuts.take("before anything")
    assert office.http.post("/api/v1/enrolments/approve", json=body).status_code == 200
    cuts.take("after everything")

    found = [state_of(tmp_path / "cuts" / f"{number:03}", spare.unit) for number in range(len(cuts.points))]
    print(f"{len(cuts.points)} points at which the power may go")
    assert len(cuts.points) > 20
    assert set(found) == {(False,) * 9, (True,) * 9}, "nothing in between"
    turn = found.index((True,) * 9)
    assert found == [found[0]] * turn + [found[-1]] * (len(found) - turn)

    for number in (turn - 1, turn):  # the last moment of the old state, the first of the new one
        folder = tmp_path / f"again-{number}"
        shutil.copytree(office.state.root, folder)
        for file in folder.glob("controller.sqlite*"):
            file.unlink()
        for file in (tmp_path / "cuts" / f"{number:03}").iterdir():
            shutil.copy(file, folder)
        again = Office(folder)
        try:
            spare.http = again.nobody
            before = spare.status().state
            assert before is (EnrolState.WAITING if number < turn else EnrolState.APPROVED)
            done = again.http.post("/api/v1/enrolments/approve", json=body)
            assert done.status_code == 200 and done.json()["epoch"] == 2
            answer = spare.identity()
            assert (answer.verdict, answer.site, answer.epoch) == (Verdict.CERTIFICATE, SITE, 2)
        finally:
            again.close()
