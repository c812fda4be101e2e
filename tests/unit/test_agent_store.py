"""What a unit keeps on disk: events and desired documents, whatever happens to the disk."""

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from diemcau_agent.unit.desired import Desired
from diemcau_agent.unit.outbox import Outbox, history
from diemcau_agent.unit.state_folder import StateFolder, StateFolderError, read_identity, write_atomically
from diemcau_agent.unit.store import Store
from diemcau_wire import Channel
from diemcau_wire.messages import DesiredConfig, DesiredSchedule, Event, EventKind, SiteInfo

T0 = datetime(2026, 3, 12, 1, 0, tzinfo=UTC)


def box(path: Path, **more: int) -> Outbox:
    return Outbox(path / "outbox.sqlite", "u1", "boot", **more)


def add(outbox: Outbox, kind: EventKind = EventKind.BOOTED, meeting: str | None = None) -> Event:
    return outbox.append(kind, T0, "site-a", meeting, {"chữ": "Việt"})


def fill_disk(outbox: Outbox) -> None:
    """SQLite itself says `database or disk is full` from now on."""
    assert outbox._file is not None
    pages = outbox._file.execute("PRAGMA page_count").fetchone()[0]
    outbox._file.execute(f"PRAGMA max_page_count = {pages}")


def free_disk(outbox: Outbox) -> None:
    assert outbox._file is not None
    outbox._file.execute("PRAGMA max_page_count = 1000000")


def test_events_are_numbered_without_gaps_over_restarts(tmp_path: Path) -> None:
    first = box(tmp_path)
    sent = [add(first) for _ in range(3)]
    first.close()
    second = box(tmp_path)
    sent.append(add(second))
    assert [event.seq for event in sent] == [1, 2, 3, 4]
    assert len({event.stream for event in sent}) == 1
    assert sent[3].id == f"u1:{sent[0].stream}:4"
    assert second.waiting(None, 10) == sent
    assert second.waiting(sent[1], 1) == [sent[2]]


def test_only_a_receipt_empties_the_outbox_and_history_stays(tmp_path: Path) -> None:
    outbox = box(tmp_path)
    sent = [add(outbox) for _ in range(5)]
    assert outbox.receive({"another": 99}) == 0
    assert outbox.receive({sent[0].stream: 3}) == 3
    assert outbox.receive({sent[0].stream: 2}) == 0
    assert outbox.receive({sent[0].stream: 99}) == 0, "nobody can have received what was never sent"
    assert outbox.pending() == 2 and outbox.waiting(None, 10) == sent[3:]
    assert list(history(tmp_path / "outbox.sqlite")) == sent


def test_received_events_are_pruned_pending_ones_never(tmp_path: Path) -> None:
    outbox = box(tmp_path, kept=100)
    sent = [add(outbox) for _ in range(300)]
    assert outbox.pending() == 300
    outbox.receive({sent[0].stream: 290})
    for _ in range(256):
        sent.append(add(outbox))
    kept = list(history(tmp_path / "outbox.sqlite"))
    assert len(kept) < 300 and kept[-1] == sent[-1]
    assert outbox.waiting(None, 1000) == sent[290:]


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    outbox = box(tmp_path)
    before = add(outbox)
    fill_disk(outbox)
    kept: list[Event] = []
    for number in range(200):  # until the last page is full
        kept.append(outbox.append(EventKind.JOINED, T0, None, "m", {"n": number, "fill": "x" * 500}))
    waiting = outbox.waiting(None, 1000)
    in_memory = [event for event in waiting if event.stream != before.stream]
    assert in_memory[0].kind is EventKind.DISK_FULL and in_memory[0].seq == 1
    assert [event.seq for event in in_memory] == list(range(1, len(in_memory) + 1))
    assert [e.data["n"] for e in waiting if e.kind is EventKind.JOINED] == list(range(200))
    assert outbox.waiting(in_memory[3], 2) == in_memory[4:6]
    outbox.receive({in_memory[0].stream: 2})
    free_disk(outbox)
    after = add(outbox)
    assert after.stream == before.stream
    assert outbox.waiting(None, 1000)[-1] == after
    assert outbox.pending() == len(waiting) - 2 + 1
    outbox.close()
    assert len(list(history(tmp_path / "outbox.sqlite"))) == len(waiting) + 1


@pytest.mark.parametrize("when", ["at start", "while running"])
def test_a_corrupt_outbox_is_set_aside_and_a_new_stream_begins(tmp_path: Path, when: str) -> None:
    outbox = box(tmp_path)
    old = add(outbox)
    path = tmp_path / "outbox.sqlite"
    if when == "at start":
        outbox.close()
        path.write_bytes(b"this is no database" * 1000)
        outbox = box(tmp_path)
    else:
        assert outbox._file is not None
        outbox._file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (path.stat().st_size - 4096))
        outbox._file.execute("PRAGMA shrink_memory")
    new = add(outbox)
    assert (tmp_path / "outbox.sqlite.corrupt").exists()
    assert new.seq == 1 and new.stream != old.stream
    assert outbox.pending() == 1


def test_an_unwritable_place_is_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / "outbox.sqlite").mkdir()
    outbox = box(tmp_path)
    event = add(outbox)
    assert [e.kind for e in outbox.waiting(None, 9)] == [EventKind.DISK_FULL, EventKind.BOOTED]
    assert outbox.receive({event.stream: 2}) == 2 and outbox.pending() == 0


def test_the_unfinished_visit_is_remembered(tmp_path: Path) -> None:
    outbox = box(tmp_path)
    assert outbox.unfinished_visit() is None
    add(outbox, EventKind.JOINED, "m")
    add(outbox, EventKind.PROCESS_ENDED, "m")
    assert outbox.unfinished_visit() == ("m", True)
    add(outbox, EventKind.DROPPED, "m")
    assert outbox.unfinished_visit() == ("m", False)
    add(outbox, EventKind.LEFT, "m")
    assert outbox.unfinished_visit() is None


def config(rev: int, epoch: int = 1, name: str = "Xã Trà Nam") -> DesiredConfig:
    return DesiredConfig(unit="u1", epoch=epoch, rev=rev, site=SiteInfo(id="tra-nam", name=name))


def test_desired_documents_survive_and_stale_ones_are_reported(tmp_path: Path) -> None:
    desired = Desired(Store(tmp_path, "u1"), "u1")
    assert desired.take(config(3))
    assert not desired.take(config(3)), "the same again changes nothing"
    assert not desired.take(config(2))
    report = desired.reported(T0)[Channel.REPORTED_CONFIG]
    assert (report.rev, report.epoch) == (3, 1) and "older" in (report.error or "")
    again = Desired(Store(tmp_path, "u1"), "u1")
    assert again.config == config(3) and again.reported(T0)[Channel.REPORTED_CONFIG].error is None
    assert again.take(config(1, epoch=2))
    assert not again.take(config(9, epoch=1))
    assert again.epoch == 2 and again.site == "tra-nam"


def test_a_schedule_of_another_epoch_waits_for_its_configuration(tmp_path: Path) -> None:
    from tests.unit.test_agent_schedule import meeting

    desired = Desired(Store(tmp_path, "u1"), "u1")
    schedule = DesiredSchedule(unit="u1", epoch=2, rev=1, until=T0, meetings=[meeting("a", 0, 60)])
    desired.take(config(1))
    assert desired.take(schedule) and not desired.meetings
    desired.take(config(2, epoch=2))
    assert [one.id for one in desired.meetings] == ["a"]


@pytest.mark.parametrize("content", [b"", b"{", b'{"v": 7}', b"\xff\xfe", b"[" * 5000, b'{"unit": "u2"}'])
def test_a_corrupt_document_is_set_aside_and_reported(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    desired = Desired(Store(tmp_path, "u1"), "u1")
    assert desired.config is None
    assert (tmp_path / "config.corrupt").read_bytes() == content
    assert "set aside" in (desired.reported(T0)[Channel.REPORTED_CONFIG].error or "")
    assert desired.take(config(1))
    assert desired.reported(T0)[Channel.REPORTED_CONFIG].error is None


def test_a_document_that_cannot_be_stored_runs_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "desired").write_text("a file where a folder should be")
    desired = Desired(Store(tmp_path / "desired", "u1"), "u1")
    assert desired.take(config(4)) and desired.config is not None
    assert "could not be stored" in (desired.reported(T0)[Channel.REPORTED_CONFIG].error or "")


def test_an_interrupted_write_leaves_the_old_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.json"
    write_atomically(path, b"old")

    def no_space(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "coordinator",
    [
        "",
        "[]",
        "{}",
        '{"unit": "U 1", "mqtt_host": "h", "mqtt_port": 1}',
        '{"unit": "u1", "mqtt_host": "h", "mqtt_port": 0}',
        '{"unit": "u1", "mqtt_host": "h", "mqtt_port": 1, "mqtt_protocol": 4}',
    ],
)
def test_a_broken_identity_is_refused_with_one_sentence(tmp_path: Path, coordinator: str) -> None:
    folder = StateFolder(tmp_path)
    with pytest.raises(StateFolderError, match=r"unit\.key is missing"):
        read_identity(folder)
    folder.identity.mkdir()
    for name in ("unit.key", "unit.crt", "ca.crt"):
        (folder.identity / name).touch()
    (folder.identity / "coordinator.json").write_text(coordinator)
    with pytest.raises(StateFolderError, match="must hold"):
        read_identity(folder)


def test_one_unit_process_per_state_folder(tmp_path: Path) -> None:
    StateFolder(tmp_path).lock()
    with pytest.raises(StateFolderError, match="already runs"):
        StateFolder(tmp_path).lock()


def test_history_of_what_is_not_an_outbox(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(history(tmp_path / "outbox.sqlite"))
    (tmp_path / "outbox.sqlite").write_text(json.dumps({}) * 100)
    with pytest.raises(sqlite3.Error):
        list(history(tmp_path / "outbox.sqlite"))
