"""Backup and restore of an office without halls: what is in it, what is refused, what is left behind."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from diemcau_controller.actions import backup as making
from diemcau_controller.actions.backup import BackupFailed, backups_in, keep_settings, make_backup
from diemcau_controller.actions.restore import RestoreRefused, restore
from diemcau_controller.adapters import backup_file
from diemcau_controller.adapters.age import KeyUnusable, new_key
from diemcau_controller.adapters.authority import Authority
from diemcau_controller.adapters.backup_file import BackupUnusable, read_backup, write_backup
from diemcau_controller.config import Backup, StateDir
from diemcau_controller.rules.audit_chain import follow
from diemcau_controller.rules.backups import Standing
from diemcau_controller.services.backup import NightlyBackup, check_chain
from diemcau_controller.store.chain import chained_rows
from diemcau_controller.store.database import Database
from diemcau_controller.store.tables import Installation, Site, Stream, WebSession

from tests.system.office import Office, furnished, meeting

SETTINGS = 'language = "en"  # ghi chú\nopenid.client_secret_file = "{folder}/openid-secret"\n'
PDF = b"%PDF-1.4\n%%EOF\n"


@dataclass
class Shop:
    """An office with a key, and a backup of it."""

    office: Office
    key: Path
    public: str
    folder: Path
    backup: Path


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("backup")
    key = folder / "diemcau.key"
    public = new_key(key)
    with furnished(folder / "state") as office:
        Authority(office.state.authority).ensure()
        (folder / "openid-secret").write_text("mật khẩu của trang khác")
        (folder / "diemcau.toml").write_text(SETTINGS.format(folder=folder))
        keep_settings(folder / "diemcau.toml", office.state)
        (office.state.generated / "mosquitto").mkdir()
        (office.state.generated / "mosquitto/mosquitto.conf").write_text("rebuilt at each start")
        one = meeting(office)
        path = f"/api/v1/meetings/{one}/attachments"
        assert office.http.post(path, files={"file": ("giấy mời.pdf", PDF)}).is_success
        office.nobody.get(f"/?token={office.token}")  # somebody is logged in
        made = make_backup(office.state, folder / "backups", [public], office.time)
        yield Shop(office, key, public, folder, made.path)


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def left_behind(folder: Path) -> list[str]:
    """What lies there besides the restored folder."""
    return sorted(path.name for path in folder.iterdir())


def test_what_is_in_it(shop: Shop, tmp_path: Path) -> None:
    contents = read_backup(shop.backup, shop.key, tmp_path)
    found = files_in(tmp_path)
    assert len(found) == contents.files
    assert {"controller.sqlite", "health.sqlite", "generated/settings.toml", "generated/local.token"} <= set(
        found
    )
    assert any(name.startswith("generated/ca/") for name in found)
    assert [data for name, data in found.items() if name.startswith("attachments/")] == [PDF]
    assert not [name for name in found if "mosquitto" in name or "/." in name]
    header = contents.header
    assert header["generation"] == 1 and header["product"] and header["root_keys"]
    assert header["audit_head"] == str(follow(chained_rows(tmp_path / "controller.sqlite")).head)
    secret = b"local"
    raw = shop.backup.read_bytes()
    assert raw.startswith(b"age-encryption.org/v1") and secret not in raw and b"SQLite" not in raw
    assert shop.backup.stat().st_mode & 0o777 == 0o600
    assert not (shop.office.state.run / "backup").exists(), "no unencrypted copy stays"


def test_restored_as_it_was(shop: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "restored"
    now = shop.office.time + timedelta(hours=9)
    done = restore(shop.backup, shop.key, folder, now)
    assert done.generation == 2 and done.audit_whole and done.settings == folder / "settings.toml"
    assert done.settings.read_text() == SETTINGS.format(folder=shop.folder)
    assert StateDir(folder).kept_openid_secret.read_text() == "mật khẩu của trang khác"
    assert left_behind(tmp_path) == ["restored"]
    assert (folder / "generated/local.token").stat().st_mode & 0o777 == 0o600
    original = Authority(shop.office.state.authority)
    assert Authority(StateDir(folder).authority).ca_pem() == original.ca_pem()
    database = Database(folder / "controller.sqlite", folder / "health.sqlite")
    with database.read() as session:
        assert session.get_one(Site, "ea-kiet").name == "Xã Ea Kiết"
        installation = session.get_one(Installation, 1)
        assert (installation.generation, installation.restored_at) == (2, now)
        assert session.query(WebSession).count() == 0
    database.close()
    verdict = follow(chained_rows(folder / "controller.sqlite"))
    assert (
        verdict.whole
        and verdict.head.number == int(str(done.contents.header["audit_head"]).split(":")[0]) + 1
    )

    again = make_backup(StateDir(folder), tmp_path / "backups", [shop.public], now)
    assert restore(again.path, shop.key, tmp_path / "third", now).generation == 3


def test_into_an_empty_folder_that_is_there(shop: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o750)
    os.chown(folder, 1234, 1234)
    restore(shop.backup, shop.key, folder, shop.office.time)
    assert {(path.stat().st_uid, path.stat().st_gid) for path in folder.rglob("*")} == {(1234, 1234)}
    assert folder.stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("holds", "holds a controller"),
        ("filled", "not empty"),
        ("file", "as a folder"),
        ("wrong key", "another key"),
        ("no key", "no age key"),
        ("garbage key", "not an age key"),
        ("missing key", "cannot be read"),
        ("missing", "cannot be read"),
        ("empty", "no backup"),
        ("text", "no backup"),
        ("cut in the header", "cut off"),
        ("cut in the middle", "cut off"),
        ("cut by a byte", "cut off"),
        ("cut by a chunk", "cut off"),
        ("flipped", "damaged"),
        ("longer", "damaged"),
        ("newer", "newer than this one"),
        ("newer form", "does not know"),
        ("leads elsewhere", "leads elsewhere"),
        ("links", "no file"),
        ("altered", "manifest"),
        ("no manifest", "manifest"),
        ("no database", "no database"),
    ],
)
def test_what_is_refused_leaves_nothing(shop: Shop, tmp_path: Path, what: str, says: str) -> None:
    folder, key, backup = tmp_path / "to" / "state", shop.key, tmp_path / "copy.age"
    folder.parent.mkdir()
    raw = shop.backup.read_bytes()
    backup.write_bytes(raw)
    if what in ("holds", "filled"):
        folder.mkdir()
        (folder / ("controller.sqlite" if what == "holds" else "x")).write_text("x")
    elif what == "file":
        folder.write_text("x")
    elif what.endswith("key"):
        key = tmp_path / "other.key"
        if what == "wrong key":
            new_key(key)
        elif what != "missing key":
            key.write_text({"no key": "# nothing\n", "garbage key": "AGE-SECRET-KEY-1XX\n"}[what])
    elif what == "missing":
        backup.unlink()
    elif what in BYTES:
        backup.write_bytes(BYTES[what](raw))
    else:
        forged(backup, what, shop, tmp_path)
    before = files_in(tmp_path)
    with pytest.raises((RestoreRefused, BackupUnusable, KeyUnusable), match=says):
        restore(backup, key, folder, shop.office.time)
    assert files_in(tmp_path) == before
    assert left_behind(folder.parent) == (["state"] if what in ("holds", "filled", "file") else [])


BYTES: dict[str, Any] = {
    "empty": lambda raw: b"",
    "text": lambda raw: b"xin chao" * 100,
    "cut in the header": lambda raw: raw[:60],
    "cut in the middle": lambda raw: raw[: len(raw) // 2],
    "cut by a byte": lambda raw: raw[:-1],
    "cut by a chunk": lambda raw: raw[: 200 + 65552 * ((len(raw) - 200) // 65552)],
    "flipped": lambda raw: raw[:3000] + bytes([raw[3000] ^ 1]) + raw[3001:],
    "longer": lambda raw: raw + b"x",
}


def forged(backup: Path, what: str, shop: Shop, folder: Path) -> None:
    """A file somebody made who has the public half of the key, as everybody may."""
    database = folder / "controller.sqlite"
    shutil.copy(shop.office.state.root / "health.sqlite", folder / "health.sqlite")
    database.write_bytes(b"")
    header: dict[str, Any] = {
        "revisions": {"controller.sqlite": "0004", "health.sqlite": "0002"},
        "made_at": "x",
    }
    members = [("controller.sqlite", database)]
    with pytest.MonkeyPatch.context() as patch:
        if what == "newer":
            header["revisions"]["controller.sqlite"] = "9999"
        elif what == "newer form":
            patch.setattr(backup_file, "FORMAT", 2)
        elif what == "leads elsewhere":
            members = [("../../elsewhere", database)]
        elif what == "links":
            info = backup_file._info
            patch.setattr(backup_file, "_info", lambda *more: link(info(*more)))
        elif what == "altered":
            patch.setattr(backup_file._Hashed, "hexdigest", lambda self: "0" * 64)
        elif what == "no manifest":
            patch.setattr(backup_file, "MANIFEST", "data/manifest")
        elif what == "no database":
            members = [("reports/a", database)]
        write_backup(backup, header, members, [shop.public])
    for name in ("controller.sqlite", "health.sqlite"):
        (folder / name).unlink()


def link(info: Any) -> Any:
    if info.name.startswith("data/"):
        info.type, info.linkname = b"2", "/etc/passwd"
    return info


def test_a_full_disk_leaves_the_old_ones(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = make_backup(shop.office.state, tmp_path, [shop.public], shop.office.time)

    def full(*_more: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(backup_file.os, "fsync", full)
    with pytest.raises(BackupFailed, match="no room"):
        make_backup(shop.office.state, tmp_path, [shop.public], shop.office.time + timedelta(days=1), keep=1)
    monkeypatch.undo()
    assert [one.path for one in backups_in(tmp_path)] == [before.path]
    assert left_behind(tmp_path) == [before.path.name]

    part = tmp_path / ".diemcau-20260101-000000.backup.age.part"
    part.write_bytes(b"of one that was killed")
    later = make_backup(
        shop.office.state, tmp_path, [shop.public], shop.office.time + timedelta(days=1), keep=1
    )
    assert left_behind(tmp_path) == [later.path.name], "the older one has gone"


def test_one_at_a_time_while_the_office_works(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup is made while another one is, and while things change."""
    entered, go_on, copy = threading.Event(), threading.Event(), making._copy

    def slowly(source: Path, target: Path) -> None:
        entered.set()
        assert go_on.wait(20)
        copy(source, target)

    monkeypatch.setattr(making, "_copy", slowly)
    made: list[Path] = []
    thread = threading.Thread(
        target=lambda: made.append(
            make_backup(shop.office.state, tmp_path, [shop.public], shop.office.time).path
        )
    )
    thread.start()
    assert entered.wait(20)
    with pytest.raises(BackupFailed, match="right now"):
        make_backup(shop.office.state, tmp_path, [shop.public], shop.office.time)
    shop.office.add("sites", id="moi", name="Điểm cầu mới")
    go_on.set()
    thread.join(20)
    assert read_backup(made[0], shop.key).files > 3


def test_a_damaged_database_is_not_backed_up(tmp_path: Path, shop: Shop) -> None:
    state = StateDir(tmp_path / "state")
    state.make()
    with pytest.raises(BackupFailed, match="no controller"):
        make_backup(state, tmp_path / "backups", [shop.public], shop.office.time)
    state.database.write_bytes(b"SQLite format 3\0" + b"\xff" * 8192)
    Database(tmp_path / "x.sqlite", state.health_database).close()
    with pytest.raises(BackupFailed, match="database cannot be copied"):
        make_backup(state, tmp_path / "backups", [shop.public], shop.office.time)
    with pytest.raises(BackupFailed, match="always encrypted"):
        make_backup(state, tmp_path / "backups", [], shop.office.time)
    assert backups_in(tmp_path / "backups") == []


def test_every_night_by_itself(shop: Shop, tmp_path: Path) -> None:
    controller, now = shop.office.controller, shop.office.time
    wanted = Backup(folder=str(tmp_path / "nightly"), recipients=(shop.public,), keep=2)
    usual = controller.settings
    nightly = NightlyBackup(controller)
    try:
        asyncio.run(nightly.look())
        assert controller.backup.standing is Standing.NONE_CONFIGURED
        controller.settings = usual.model_copy(update={"backup": wanted})
        for _day in range(4):
            asyncio.run(nightly.look())
            asyncio.run(nightly.look())
            assert controller.backup.standing is Standing.OK
            shop.office.later(days=1)
        assert len(backups_in(tmp_path / "nightly")) == 2
        assert "the last one is of" in shop.office.nobody.get("/healthz").json()["backup"]
        shutil.rmtree(tmp_path / "nightly")
        (tmp_path / "nightly").write_text("the disk is not mounted")
        asyncio.run(nightly.look())
        assert controller.backup.standing is Standing.FAILED
        assert "could not be made" in shop.office.nobody.get("/healthz").json()["backup"]
    finally:
        controller.settings, shop.office.time = usual, now


def test_the_controller_looks_through_the_list_of_changes(shop: Shop) -> None:
    office = shop.office
    asyncio.run(check_chain(office.controller))
    assert "is whole" in office.nobody.get("/healthz").json()["audit"]
    page = office.nobody.get("/audit").text
    assert "Chuỗi nhật ký nguyên vẹn" in page
    with sqlite3.connect(office.state.database) as file:
        file.execute("DROP TRIGGER audit_is_never_changed")
        file.execute("UPDATE audit SET who = 'x' WHERE number = 2")
    asyncio.run(check_chain(office.controller))
    assert "row 2 was changed" in office.nobody.get("/healthz").json()["audit"]
    assert "số 2" in office.nobody.get("/audit").text


def test_on_the_command_line(shop: Shop, tmp_path: Path) -> None:
    def diemcau(*arguments: str, code: int = 0) -> Any:
        done = subprocess.run(
            [str(Path(sys.executable).parent / "diemcau"), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout) if "--json" in arguments and not code else done.stdout + done.stderr

    state = str(shop.office.state.root)
    key = str(tmp_path / "a.key")
    public = diemcau("backup", "key", key, "--json")["recipient"]
    assert "never overwritten" in diemcau("backup", "key", key, code=1)
    backups = str(tmp_path / "backups")
    assert "no folder for backups" in diemcau("backup", "now", "--state-dir", state, code=1)
    assert "always encrypted" in diemcau("backup", "now", "--to", backups, "--state-dir", state, code=1)
    now = ("backup", "now", "--to", backups, "--state-dir", state, "--recipient")
    assert "public half" in diemcau(*now, "age1", code=1)
    made = diemcau(*now, public, "--json")
    (listed,) = diemcau("backup", "list", "--folder", backups, "--state-dir", state, "--json")
    assert listed["path"] == made["path"] and listed["bytes"] == made["bytes"]
    assert diemcau("backup", "check", made["path"], "--key", key, "--json")["files"] == made["files"]
    assert "another key" in diemcau("backup", "check", made["path"], "--key", str(shop.key), code=1)
    told = diemcau("restore", made["path"], "--key", key, "--state-dir", str(tmp_path / "new"))
    assert "generation 2" in told and "settings.toml" in told
    verify = ("audit", "verify", "--state-dir", str(tmp_path / "new"))
    head = made["audit_head"]
    if "is whole" in told:
        assert diemcau(*verify, "--head", head, "--json")["whole"]
    assert "cut" in diemcau(*verify, "--head", "9999:" + "0" * 64, code=1)
    diemcau(*verify, "--head", "nothing", code=2)


def test_settings_are_kept_for_it(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state")
    settings = tmp_path / "diemcau.toml"
    settings.write_text("language = 'en'\n")
    keep_settings(settings, state)
    assert state.kept_settings.read_text() == "language = 'en'\n"
    assert state.kept_settings.stat().st_mode & 0o777 == 0o600
    keep_settings(None, state)
    assert not state.kept_settings.exists()
    keep_settings(tmp_path / "gone", state)


def test_a_stream_is_marked(shop: Shop, tmp_path: Path) -> None:
    office = shop.office
    office.writer.submit(
        lambda session: session.add(Stream(unit="u1", stream="s", receipt=3)), urgent=True
    ).result(10)
    made = make_backup(office.state, tmp_path / "b", [shop.public], office.time)
    restore(made.path, shop.key, tmp_path / "r", office.time)
    database = Database(tmp_path / "r/controller.sqlite", tmp_path / "r/health.sqlite")
    with database.read() as session:
        assert session.get_one(Stream, ("u1", "s")).restored
    database.close()


CUT = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from diemcau_controller.actions.restore import restore

backup, key, folder, cut = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
steps = 0

def stop_at(what):
    def step(*more, **named):
        global steps
        steps += 1
        if steps == cut:
            os._exit(9)
        return what(*more, **named)
    return step

for name in ("fsync", "rename", "mkdir", "open", "unlink", "chmod"):
    setattr(os, name, stop_at(getattr(os, name)))
restore(backup, key, folder, datetime.now(UTC))
print(steps)
"""


def test_a_power_cut_leaves_all_or_nothing(shop: Shop, tmp_path: Path) -> None:
    """Ended without warning before any step on the disk: the folder is not there, or it is whole."""
    folder = tmp_path / "state"

    def run(cut: int) -> subprocess.CompletedProcess[str]:
        arguments = [str(shop.backup), str(shop.key), str(folder), str(cut)]
        return subprocess.run(
            [sys.executable, "-c", CUT, *arguments], capture_output=True, text=True, timeout=60
        )

    done = run(0)
    assert done.returncode == 0, done.stderr
    steps = int(done.stdout)
    print(f"{steps} steps on the disk")
    shutil.rmtree(folder)
    for cut in sorted({1, 2, steps // 3, 2 * steps // 3, steps - 2, steps - 1, steps}):
        assert run(cut).returncode == 9
        if folder.exists():
            assert follow(chained_rows(folder / "controller.sqlite")).whole and cut == steps
            shutil.rmtree(folder)
    assert restore(shop.backup, shop.key, folder, shop.office.time).generation == 2
    assert left_behind(tmp_path) == ["state"], "what was left of the cuts is gone"
