"""Which certificates of units count."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from diemcau_controller.actions.certificates import (
    is_good,
    record_certificate,
    revoke_certificates,
    standing,
)
from diemcau_controller.rules.serials import read_serial, serial_text
from diemcau_controller.store.tables import Certificate, Unit
from sqlalchemy.orm import Session

from tests.empty_database import empty_database

NOW = datetime(2026, 11, 20, 7, tzinfo=UTC)
UNIT, OTHER = "u0123456789ab", "uba9876543210"


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    database = empty_database(tmp_path / "controller.sqlite", tmp_path / "health.sqlite")
    with database.session() as made:
        made.add_all([Unit(id=UNIT), Unit(id=OTHER)])
        made.flush()
        yield made
    database.close()


def issue(session: Session, unit: str, number: int) -> str:
    serial = serial_text(number)
    record_certificate(session, unit, serial, NOW, NOW + timedelta(days=730))
    return serial


def test_one_spelling_of_a_serial() -> None:
    assert serial_text(0x0ABC) == "abc"
    assert read_serial("0ABC") == read_serial("a:bc") == read_serial(" 00abc\n") == "abc"
    for garbage in ("", "xyz", "-1", "0x1g", "a" * 41, "１２"):
        assert read_serial(garbage) is None


def test_what_was_revoked_counts_no_more_however_it_is_spelled(session: Session) -> None:
    first, second, foreign = (
        issue(session, UNIT, 0xABC),
        issue(session, UNIT, 0xDEF),
        issue(session, OTHER, 7),
    )
    assert revoke_certificates(session, UNIT, NOW, "replaced") == [first, second]
    assert standing(session, "0ABC") == standing(session, second) == "revoked"
    assert not is_good(session, "0A:BC")
    assert is_good(session, foreign)
    certificate = session.get(Certificate, first)
    assert certificate is not None and (certificate.revoked_at, certificate.why) == (NOW, "replaced")


def test_a_renewed_certificate_ends_the_former_ones_only(session: Session) -> None:
    first, second = issue(session, UNIT, 1), issue(session, UNIT, 2)
    assert revoke_certificates(session, UNIT, NOW, "renewed", but=second) == [first]
    assert revoke_certificates(session, UNIT, NOW, "renewed", but=second) == []
    assert (standing(session, first), standing(session, second)) == ("revoked", "good")


def test_recorded_again_is_no_change(session: Session) -> None:
    serial = issue(session, UNIT, 5)
    revoke_certificates(session, UNIT, NOW, "revoked")
    issue(session, UNIT, 5)
    assert standing(session, serial) == "revoked"


def test_a_serial_nobody_wrote_down_counts_and_garbage_too_is_unknown(session: Session) -> None:
    assert standing(session, "77") == standing(session, "no serial") == "unknown"
    assert is_good(session, "77")
