"""`diemcau ca`: sentences for people, JSON for programs, and what is refused."""

import json
import unicodedata
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from diemcau_controller.actions.certificates import record_certificate, revoke_certificates
from diemcau_controller.adapters import age
from diemcau_controller.adapters.authority import Authority
from diemcau_controller.cli import app
from diemcau_controller.config import StateDir
from diemcau_controller.store.database import Database
from diemcau_controller.store.tables import Rollout, RolloutUnit, Site, Unit
from typer.testing import CliRunner

from tests.unit.old_authority import old_authority

UNITS = ("u0123456789ab", "uba9876543210")


class Desk:
    """A state folder, a drawer, and the command line."""

    def __init__(self, folder: Path) -> None:
        self.state, self.drawer = StateDir(folder / "state"), folder / "drawer"
        self.state.make()
        self.drawer.mkdir()
        self.authority = Authority(self.state.authority)

    def run(self, *words: str | Path, typed: str = "") -> str:
        said = ["ca", *map(str, words), "--state-dir", str(self.state.root)]
        done = CliRunner().invoke(app, said, input=typed)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    def json(self, *words: str | Path) -> Any:
        return json.loads(self.run(*words, "--json"))

    def refused(self, *words: str | Path, typed: str = "") -> str:
        with pytest.raises(Exception) as refusal:
            self.run(*words, typed=typed)
        assert type(refusal.value).__name__ == "Failed", refusal.value
        return str(refusal.value)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def bound_units(desk: Desk) -> Database:
    """Two units that serve sites, neither with a certificate on the list."""
    database = Database(desk.state.database, desk.state.health_database)
    with database.session() as session, session.begin():
        for number, unit in enumerate(UNITS):
            session.add(Site(id=f"site-{number}", name="Xã"))
            session.flush()
            session.add(Unit(id=unit, site_id=f"site-{number}"))
    return database


def test_a_life_of_roots_in_sentences(desk: Desk) -> None:
    desk.authority.ensure()
    said = desk.run("status")
    assert "root-1" in said and "asleep" in said
    assert "The keys of root-1, root-2 still lie on this machine" in said and "take-offline" in said
    assert f"are in {desk.drawer} now, and no longer on this machine" in desk.run(
        "take-offline", desk.drawer, "--unlocked"
    )
    assert "nothing to move" in desk.run("take-offline", desk.drawer, "--unlocked")
    assert "not on this machine, as it should be" in desk.run("status")
    assert "signed by root-1" in desk.run("new-intermediate", "--roots", desk.drawer)
    assert "root-2 is active now, root-3 sleeps" in desk.run("rotate-root", "--roots", desk.drawer)
    assert desk.state.ca_certificate.read_bytes() == desk.authority.ca_pem()
    assert "every unit has renewed" in desk.run("status")
    assert "root-1 is trusted no more" in desk.run("forget-old")
    assert "nothing to forget" in desk.run("forget-old")
    assert desk.state.ca_certificate.read_bytes() == desk.authority.ca_pem()


def test_the_same_as_json(desk: Desk) -> None:
    desk.authority.ensure()
    status = desk.json("status")
    assert [(root["name"], root["state"]) for root in status["roots"]] == [
        ("root-1", "active"),
        ("root-2", "asleep"),
    ]
    assert status["root_keys_here"] == ["root-1", "root-2"] and status["not_renewed"] == []
    assert desk.json("take-offline", desk.drawer, "--unlocked")["moved"] == ["root-1", "root-2"]
    assert desk.json("new-intermediate", "--roots", desk.drawer)["signed_by"] == "root-1"
    assert desk.json("rotate-root", "--roots", desk.drawer) == {
        "active": "root-2",
        "asleep": "root-3",
        "former": "root-1",
    }
    assert desk.json("status")["intermediate"]["signed_by"] == "root-2"
    assert desk.json("forget-old") == {"forgotten": ["root-1"], "not_renewed": []}


def test_an_old_root_is_not_forgotten_while_units_know_no_other(desk: Desk) -> None:
    old_authority(desk.state.authority)
    desk.authority.ensure()
    database = bound_units(desk)
    now = datetime.now(UTC)
    with database.session() as session, session.begin():
        record_certificate(
            session, UNITS[0], "1", now - timedelta(days=1), now
        )  # before there were new roots
        record_certificate(session, UNITS[1], "2", now, now)
        revoke_certificates(session, UNITS[1], now, "renewed")
    assert "old: trusted until `diemcau ca forget-old`; not yet renewed: " + ", ".join(UNITS) in desk.run(
        "status"
    )
    said = desk.refused("forget-old")
    assert all(unit in said for unit in UNITS) and "--anyway" in said
    assert len(desk.authority.trust().former) == 1
    with database.session() as session, session.begin():
        record_certificate(session, UNITS[0], "3", now, now)
    assert UNITS[0] not in (said := desk.refused("forget-old")) and UNITS[1] in said
    assert desk.json("forget-old", "--anyway") == {"forgotten": ["old"], "not_renewed": [UNITS[1]]}
    database.close()


def test_the_key_for_logins_is_not_forgotten_while_units_know_no_other(desk: Desk) -> None:
    desk.authority.ensure()
    assert desk.json("status")["logins_changed"] is None and "log-ins" not in desk.run("status")
    assert "nothing to forget" in desk.run("forget-logins")
    database = bound_units(desk)
    assert "Start a rollout" in desk.run("rotate-logins")
    assert "is not finished" in desk.refused("rotate-logins")
    since = datetime.fromisoformat(desk.json("status")["logins_changed"])
    with database.session() as session, session.begin():
        session.add(
            Rollout(
                id="r1",
                version="1.0.1",
                state="done",
                ring="all",
                wave=5,
                tolerated_percent=5,
                meeting_wait_h=72,
                whole_fleet=True,
                created_by="Lan",
                created_at=since,
            )
        )
        session.flush()
        for number, (unit, kept) in enumerate(
            zip(UNITS, (timedelta(hours=1), -timedelta(hours=1)), strict=True)
        ):
            at = {"since": since, "kept_at": since + kept}
            session.add(
                RolloutUnit(
                    rollout_id="r1", unit_id=unit, site_id=f"site-{number}", ring="all", state="done", **at
                )
            )
    assert f"no rollout since: {UNITS[1]}" in desk.run("status")
    said = desk.refused("forget-logins")
    assert UNITS[1] in said and UNITS[0] not in said and "--anyway" in said
    assert desk.json("forget-logins", "--anyway") == {"forgotten": True, "not_updated": [UNITS[1]]}
    assert desk.json("status")["logins_changed"] is None
    database.close()


def test_what_cannot_be_is_said_in_a_sentence(desk: Desk, tmp_path: Path) -> None:
    assert "serve" in desk.refused("status")
    assert "serve" in desk.refused("take-offline", desk.drawer, "--unlocked")
    assert "serve" in desk.refused("rotate-logins")
    desk.authority.ensure()
    assert "in the state folder itself" in desk.refused("take-offline", desk.state.generated)
    assert "mounted" in desk.refused("take-offline", tmp_path / "nothing")
    desk.run("take-offline", desk.drawer, "--unlocked")
    assert "--roots" in desk.refused("new-intermediate")
    assert "--roots" in desk.refused("rotate-root", "--roots", tmp_path)
    before = {path: path.read_bytes() for path in desk.state.authority.rglob("*") if path.is_file()}
    (desk.drawer / "root-2.key").write_bytes(b"half a k")
    assert "damaged" in desk.refused("rotate-root", "--roots", desk.drawer)
    assert {path: path.read_bytes() for path in desk.state.authority.rglob("*") if path.is_file()} == before


def test_keys_locked_with_a_pass_phrase(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(age, "lock", quickly_locked)
    monkeypatch.setattr(age, "unlock", quickly_unlocked)
    desk.authority.ensure()
    phrase, other, short = (tmp_path / name for name in ("phrase", "other", "short"))
    phrase.write_text("\ufefftrâu ăn cỏ đồng xa\r\n", encoding="utf-8")
    other.write_text("trâu ăn cỏ đồng gần")
    short.write_text("trâu")
    away = ("take-offline", desk.drawer)
    assert "at least 12" in desk.refused(*away, "--passphrase-file", short)
    assert "cannot be read" in desk.refused(*away, "--passphrase-file", tmp_path / "none")
    assert "nobody to ask" in desk.refused(*away)
    assert not list(desk.drawer.iterdir())
    twice = f"{unicodedata.normalize('NFD', 'trâu ăn cỏ đồng xa')}\n" * 2
    assert "locked with the pass phrase" in desk.run(*away, typed=twice)
    assert age.is_age((desk.drawer / "root-1.key").read_bytes())
    there = ("--roots", desk.drawer)
    for command in ("new-intermediate", "rotate-root"):
        assert "another pass phrase" in desk.refused(command, *there, "--passphrase-file", other)
        assert "nobody to ask" in desk.refused(command, *there)
    assert "signed by root-1" in desk.run("new-intermediate", *there, typed="trâu ăn cỏ đồng xa\n")
    assert "root-3 sleeps" in desk.run("rotate-root", *there, "--passphrase-file", phrase)
    assert age.is_age((desk.drawer / "root-3.key").read_bytes()), "the new one is locked, too"
    (desk.drawer / "root-2.key").write_bytes((desk.drawer / "root-2.key").read_bytes()[:-9])
    assert "damaged" in desk.refused("new-intermediate", *there, "--passphrase-file", phrase)


def quickly_locked(data: bytes, phrase: str) -> bytes:
    """As age would, without its two seconds."""
    return b"age-encryption.org/v1\n" + phrase.encode() + b"\n" + data[::-1] + b"END"


def quickly_unlocked(locked: bytes, phrase: str) -> bytes:
    _, said, data = locked.split(b"\n", 2)
    if said != phrase.encode() or not locked.endswith(b"END"):
        raise age.DecryptFailed(wrong_key=said != phrase.encode())
    return data.removesuffix(b"END")[::-1]


def test_what_is_locked_opens_with_its_phrase_only() -> None:
    locked = age.lock(b"a key", "trâu ăn cỏ đồng xa")
    assert age.is_age(locked) and b"a key" not in locked
    assert age.unlock(locked, "trâu ăn cỏ đồng xa") == b"a key"
    for data, phrase, wrong in ((locked, "trâu", True), (locked[:60], "trâu ăn cỏ đồng xa", False)):
        with pytest.raises(age.DecryptFailed) as failed:
            age.unlock(data, phrase)
        assert failed.value.wrong_key is wrong
