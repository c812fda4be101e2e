"""The list of changes is a chain: whoever touches a row is found out, and where."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from diemcau_controller.actions.audit import audit_head, record
from diemcau_controller.rules.actor import SYSTEM
from diemcau_controller.rules.audit_chain import Entry, Fault, Head, canonical, follow, link
from diemcau_controller.store.chain import ChainUnreadable, chain, chained_rows, verdict_line
from diemcau_controller.store.database import upgrade
from diemcau_controller.store.tables import AuditRow
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tests.empty_database import empty_database

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


def note(session: Session, name: str) -> None:
    record(session, SYSTEM, NOW, "site.change", "site:a", before={"name": ""}, after={"name": name})


@pytest.fixture
def list_of_ten(tmp_path: Path) -> Path:
    path = tmp_path / "controller.sqlite"
    database = empty_database(path, tmp_path / "health.sqlite")
    with database.session() as session:
        for name in ("Ea Kiết", "Ea Tul", "Quảng Phú"):
            note(session, name)  # three in one transaction, not flushed in between
        session.commit()
        for number in range(4, 11):
            note(session, f"số {number}")
            session.commit()
    database.close()
    return path


def by_hand(path: Path, *statements: str) -> None:
    """What somebody does who has the file, and takes the triggers away first."""
    with sqlite3.connect(path) as file:
        for what in ("changed", "removed"):
            file.execute(f"DROP TRIGGER audit_is_never_{what}")
        for statement in statements:
            file.execute(statement)


def test_an_untouched_list_is_whole(list_of_ten: Path) -> None:
    verdict = follow(chained_rows(list_of_ten))
    assert verdict.whole and verdict.rows == verdict.head.number == 10
    assert str(verdict.head) in verdict_line(verdict)
    assert follow(chained_rows(list_of_ten), [verdict.head, Head()]).whole


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        (["UPDATE audit SET who = 'ai đó' WHERE number = 4"], [Fault(4, "changed")]),
        (["UPDATE audit SET at = '2026-03-02 01:00:00.000001' WHERE number = 1"], [Fault(1, "changed")]),
        (["UPDATE audit SET at = 'hôm qua' WHERE number = 1"], [Fault(1, "changed"), Fault(2, "changed")]),
        (["UPDATE audit SET after = '{' WHERE number = 10"], [Fault(10, "changed")]),
        (["DELETE FROM audit WHERE number = 6"], [Fault(7, "missing")]),
        (["DELETE FROM audit WHERE number <= 2"], [Fault(3, "missing")]),
        (
            ["UPDATE audit SET number = -number", "UPDATE audit SET number = -number + (number < -5)"],
            [Fault(7, "missing"), *(Fault(n, "changed") for n in range(8, 12))],
        ),
        (
            [
                "INSERT INTO audit SELECT 0, at, who, action, subject, before, after, hash "
                "FROM audit WHERE number = 1"
            ],
            [Fault(0, "inserted")],
        ),
        (
            [
                "UPDATE audit SET number = 30 WHERE number = 3",
                "UPDATE audit SET number = 3 WHERE number = 4",
                "UPDATE audit SET number = 4 WHERE number = 30",
            ],
            [Fault(3, "changed"), Fault(4, "changed"), Fault(5, "changed")],
        ),
    ],
    ids=[
        "changed",
        "time",
        "no time",
        "no JSON",
        "removed",
        "beginning",
        "renumbered",
        "inserted",
        "swapped",
    ],
)
def test_what_was_done_by_hand_is_found_where_it_was(
    list_of_ten: Path, statements: list[str], found: list[Fault]
) -> None:
    by_hand(list_of_ten, *statements)
    verdict = follow(chained_rows(list_of_ten))
    assert [fault for fault in verdict.faults if fault in found] == found, verdict.faults
    assert verdict.broken == len(found) and str(found[0].number) in verdict_line(verdict)


def test_a_tail_cut_off_and_a_list_written_anew_show_against_a_head(list_of_ten: Path) -> None:
    head = follow(chained_rows(list_of_ten)).head
    by_hand(list_of_ten, "DELETE FROM audit WHERE number > 8")
    assert follow(chained_rows(list_of_ten)).whole, "by itself it says nothing"
    assert follow(chained_rows(list_of_ten), [head]).faults == [Fault(10, "cut")]

    with sqlite3.connect(list_of_ten) as file:
        file.execute(
            "INSERT INTO audit SELECT number + 2, at, who, action, subject, before, after, '' "
            "FROM audit WHERE number > 6"
        )
        file.execute("UPDATE audit SET subject = 'site:b' WHERE number = 2")
    engine = create_engine(f"sqlite:///{list_of_ten}")
    with engine.begin() as connection:
        chain(connection)
    engine.dispose()
    assert follow(chained_rows(list_of_ten)).whole, "by itself it says nothing"
    assert follow(chained_rows(list_of_ten), [head]).faults == [Fault(10, "rewritten")]


@pytest.mark.parametrize("statement", ["UPDATE audit SET who = 'x'", "DELETE FROM audit"])
def test_the_database_refuses_to_change_a_row(list_of_ten: Path, statement: str) -> None:
    database = empty_database(list_of_ten, list_of_ten.with_name("health.sqlite"))
    with database.session() as session, pytest.raises(IntegrityError, match="never"):
        session.execute(text(statement), bind_arguments={"mapper": AuditRow})
    database.close()


def test_what_is_undone_leaves_no_gap(list_of_ten: Path) -> None:
    database = empty_database(list_of_ten, list_of_ten.with_name("health.sqlite"))
    with database.session() as session:
        undone = session.begin_nested()
        note(session, "nhầm")
        note(session, "nhầm nữa")
        assert audit_head(session).number == 12
        undone.rollback()
        assert audit_head(session).number == 10
        note(session, "đúng")
        session.commit()
    database.close()
    verdict = follow(chained_rows(list_of_ten))
    assert verdict.whole and verdict.head.number == 11


def test_rows_of_an_older_version_are_chained(tmp_path: Path) -> None:
    path = tmp_path / "controller.sqlite"
    engine = create_engine(f"sqlite:///{path}")
    upgrade(engine, "controller", "0003")
    with engine.begin() as connection:
        for number in range(1, 1202):
            connection.exec_driver_sql(
                "INSERT INTO audit VALUES (?, '2026-03-02 01:00:00.000000', 'lan', 'site.change', 'site:a', "
                "'null', ?)",
                (number, f'{{"name": "Xã {number}"}}'),
            )
    upgrade(engine, "controller")
    engine.dispose()
    verdict = follow(chained_rows(path))
    assert verdict.whole and verdict.rows == 1201


def test_the_form_that_is_hashed_does_not_change() -> None:
    """Else every list there is would be broken after an update."""
    hanoi = timezone(timedelta(hours=7))
    composed = Entry(
        7, NOW.astimezone(hanoi), "lan", "site.add", "site:a", None, {"b": [1, True], "a": "Kiết"}
    )
    assert canonical(composed).decode() == (
        '{"action":"site.add","after":{"a":"Kiết","b":[1,true]},"at":"2026-03-02T01:00:00.000000Z",'
        '"before":null,"number":7,"subject":"site:a","who":"lan"}'
    )
    taken_apart = Entry(7, NOW, "lan", "site.add", "site:a", None, {"a": "Kiê\u0301t", "b": [1, True]})
    assert canonical(taken_apart) == canonical(composed)
    assert link("0" * 64, composed) == "f51918446e34ca27dd783e7c62fa70fbf855efe67ab64800ed0c8a1368666528"


@pytest.mark.parametrize(
    "said", ["", "7", "x:" + "0" * 64, "7:" + "0" * 63, "7:" + "G" * 64, "-7:" + "0" * 64]
)
def test_what_is_no_head_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="NUMBER:HASH"):
        Head.parse(said)


def test_no_database_is_said(tmp_path: Path) -> None:
    say: list[Callable[[], object]] = [lambda: list(chained_rows(tmp_path / "none"))]
    (tmp_path / "text").write_text("xin chào" * 1000)
    say.append(lambda: list(chained_rows(tmp_path / "text")))
    for ask in say:
        with pytest.raises(ChainUnreadable, match=r"--state-dir|restore"):
            ask()
