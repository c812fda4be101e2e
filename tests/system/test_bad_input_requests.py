"""What is asked wrongly, by command line and API: one sentence that says what to do, and nothing stored."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from diemcau_wire import Channel, topic

from tests.system.one_hall import OneHall, one_hall, until

MAIN = "trung-tam"
LONG = "Đ" * 201


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneHall]:
    with one_hall(tmp_path_factory.mktemp("requests"), unit=False) as made:
        yield made


def stored(hall: OneHall) -> Any:
    """Everything a wrong request could have changed."""
    paths = ("sites", "areas", "meetings", "units", "users")
    return [hall.http.get(f"/api/v1/{path}").raise_for_status().json() for path in paths]


@pytest.fixture
def unchanged(hall: OneHall) -> Iterator[None]:
    before = stored(hall)
    yield
    assert stored(hall) == before


def refused(hall: OneHall, *arguments: str, code: int = 1) -> str:
    """The sentence with which the command line refuses."""
    done = hall.diemcau(*arguments)
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr and not done.stdout
    return done.stderr


def body(**more: Any) -> dict[str, Any]:
    starts_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    return {"title": "Giao ban", "starts_at": starts_at, "duration_s": 3600, "main_site": MAIN, **more}


# ── meetings ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--start", "2020-01-01 08:00", "--duration", "1h"), "in the past: it starts at 2020-01-01 08:00"),
        (("--start", "+1h", "--end", "+30m"), "ends before it starts: give an end after the start"),
        (
            ("--start", "+1h", "--duration", "1h", "--site", "xa-la"),
            "unknown site xa-la: `diemcau site list`",
        ),
        (("--start", "+1h", "--duration", "1h", "--rrule", "MONDAYS"), "such as FREQ=WEEKLY;BYDAY=MO"),
        (("--start", "0001-01-01T00:00+14:00", "--duration", "1h"), "a year from 1970 to 9998"),
    ],
)
def test_a_meeting_that_cannot_be(hall: OneHall, arguments: tuple[str, ...], sentence: str) -> None:
    assert sentence in refused(hall, "meeting", "add", "Giao ban", "--main", MAIN, *arguments)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--start", "hôm qua", "--duration", "1h"), "write 2026-03-12 08:00, or +5m from now"),
        (("--start", "+99999999999h", "--duration", "1h"), "write 2026-03-12 08:00, or +5m from now"),
        (("--start", "+1h", "--duration", "một giờ"), "write 90s, 45m, 2h or 1h30m"),
        (("--start", "+1h"), "give either --duration or --end"),
    ],
)
def test_a_meeting_nobody_can_read(hall: OneHall, arguments: tuple[str, ...], sentence: str) -> None:
    assert sentence in refused(hall, "meeting", "add", "Giao ban", "--main", MAIN, *arguments, code=2)


def test_a_meeting_that_overlaps(hall: OneHall) -> None:
    first = hall.http.post("/api/v1/meetings", json=body())
    assert first.status_code == 201
    before = stored(hall)
    sentence = refused(
        hall, "meeting", "add", "Tập huấn", "--main", MAIN, "--start", "+90m", "--duration", "1h"
    )
    assert (
        f"site {MAIN} is already in the meeting “Giao ban”" in sentence and "choose another time" in sentence
    )
    assert hall.http.post("/api/v1/meetings", json=body(title="Tập huấn")).status_code == 409
    assert stored(hall) == before
    assert hall.http.delete(f"/api/v1/meetings/{first.json()['id']}").status_code == 204


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "wrong",
    [
        {"starts_at": "2020-01-01T08:00:00"},
        {"starts_at": "9999-12-31T23:59:59-10:00"},
        {"starts_at": 1e300},
        {"starts_at": "2026-03-02"[:7]},
        {"duration_s": -1},
        {"duration_s": 0},
        {"duration_s": 10**30},
        {"duration_s": None},
        {"ends_at": "2030-01-01T00:00:00"},
        {"main_site": "khong-co"},
        {"main_site": "KHÔNG"},
        {"sites": ["khong-co"]},
        {"sites": "trung-tam"},
        {"title": ""},
        {"title": "  \t "},
        {"title": "Giao\nban"},
        {"title": LONG},
        {"title": "\ud800"},
        {"rrule": "FREQ=SECONDLY"},
        {"overrun_s": -1},
        {"surprise": 1},
    ],
    ids=lambda wrong: json.dumps(wrong)[:40],
)
def test_the_api_says_what_is_wrong_with_a_meeting(hall: OneHall, wrong: dict[str, Any]) -> None:
    answer = hall.http.post(
        "/api/v1/meetings",
        content=json.dumps(body(**wrong)).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 422
    detail = answer.json()["detail"]
    assert len(detail) > 10 and "\n" not in detail and "Traceback" not in detail


# ── anything ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b"[]",
        b"null",
        b'{"title": NaN}',
        b"9" * 5000,
        b"x" * 5_000_000,
    ],
    ids=lambda raw: repr(raw[:10]),
)
def test_a_body_that_is_no_request(hall: OneHall, raw: bytes) -> None:
    for path in ("meetings", "sites", "units", "users", f"units/{hall.unit}/commands"):
        answer = hall.http.post(f"/api/v1/{path}", content=raw, headers={"Content-Type": "application/json"})
        assert 400 <= answer.status_code < 500, (path, answer.text)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "path",
    [
        *("events?after=99999999999999999999", "events?limit=-1", "meetings?past_days=1e9"),
        *("sites/%FF", "units/%2e%2e", "units/u1/picture", "meetings/..%2f..%2fx/report", "khong-co"),
    ],
)
def test_an_address_that_is_none(hall: OneHall, path: str) -> None:
    answer = hall.http.get(f"/api/v1/{path}")
    assert answer.status_code in (404, 422) and answer.json()["detail"]


@pytest.mark.usefixtures("unchanged")
def test_an_address_that_the_front_door_refuses(hall: OneHall) -> None:
    assert hall.http.get("/api/v1/meetings/x%00y").status_code == 400


def say(hall: OneHall, *messages: tuple[Channel, dict[str, Any]]) -> None:
    """Say something as the unit, which does not run here."""
    client = hall.as_unit()
    for channel, fields in messages:
        document = {"v": 1, "unit": hall.unit, "at": datetime.now(UTC).isoformat(), **fields}
        client.publish(topic(hall.unit, channel), json.dumps(document), 1).wait_for_publish(5)
    client.disconnect()
    client.loop_stop()


@pytest.mark.parametrize(
    "args", [{"a": "\ud800"}, {"a": "x" * 70_000}, {"a": [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}]
)
def test_a_command_the_unit_would_refuse_is_not_sent(hall: OneHall, args: dict[str, Any]) -> None:
    say(hall, (Channel.STATE, {"status": "online", "boot_id": "b", "nonce": "n", "version": "1"}))
    until(lambda: hall.known_unit()["status"] == "online")
    answer = hall.http.post(
        f"/api/v1/units/{hall.unit}/commands",
        content=json.dumps({"verb": "ping", "args": args}).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 422 and "cannot be sent" in answer.json()["detail"]


def test_events_that_say_strange_things_are_shown_all_the_same(hall: OneHall) -> None:
    strange: list[dict[str, Any]] = [
        {"verdict": {"a": [1]}, "instruction": 7},
        {"verdict": "<script>alert(1)</script>", "instruction": "\x00\x1b[31m" + "x" * 5000},
        {"verdict": 10**300, "findings": "none", "ms": -1},
        {"ms": "long", "why": None, "text": ["\u202e"]},
    ]
    kinds = ["verdict", "joined", "dropped", "left", "floor_taken", "camera_opened", "process_ended"]
    events = [
        {"boot_id": "b", "stream": "strange", "kind": kind, "data": data, "site": MAIN}
        for data in strange
        for kind in kinds
    ]
    numbered = [
        (Channel.EVENT, {**event, "seq": seq, "id": f"{hall.unit}:strange:{seq}"})
        for seq, event in enumerate(events, 1)
    ]
    say(hall, *numbered)
    until(lambda: len(hall.http.get("/api/v1/events").json()) == len(events))
    for path in ("/", "/api/v1/sites", "/api/v1/units"):
        assert hall.http.get(path).status_code == 200
    assert "<script>alert" not in hall.http.get("/").text
    shown = hall.diemcau("events")
    assert shown.returncode == 0 and "\x1b" not in shown.stdout
    assert hall.diemcau("status").returncode == 0


def test_an_argument_that_is_no_text(hall: OneHall) -> None:
    assert "is not UTF-8" in refused(hall, "site", "add", "xa-a", "--name", "\udcff")


# ── sites ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("name", LONG, "longer than 200 characters: shorten it"),
        ("name", " ", "a name has letters"),
        ("name", "Xã\x07", "no control characters"),
        ("id", "XÃ", "write letters a-z, digits and hyphens only"),
        ("id", "x" * 41, "write letters a-z, digits and hyphens only"),
        ("contacts", [{"name": LONG}], "longer than 200 characters"),
        ("contacts", [{"phone": "0" * 41}], "longer than 40 characters"),
        ("camera", "webcam", "write v4l2:NAME, rtsp://…, onvif://…, synthetic, file:PATH or none"),
        ("microphone", "tone:high", "write pulse:NAME, tone:HERTZ, file:PATH or none"),
        ("area", "khong-co", "add it first"),
        ("video", {"fps": 0}, "greater than or equal to 1"),
        ("language", "fr", "'vi' or 'en'"),
        ("colour", "red", "nobody knows this: leave it out"),
    ],
)
def test_a_site_that_cannot_be(hall: OneHall, field: str, value: Any, sentence: str) -> None:
    answer = hall.http.post("/api/v1/sites", json={"id": "xa-moi", "name": "Xã mới", field: value})
    assert answer.status_code == 422
    assert field in answer.json()["detail"] and sentence in answer.json()["detail"]


def test_names_are_kept_composed_and_up_to_200_letters(hall: OneHall) -> None:
    name = "Hội trường xã Ea Kiết"
    done = hall.diemcau("site", "add", "xa-nfd", "--name", unicodedata.normalize("NFD", name))
    assert done.returncode == 0
    assert hall.http.get("/api/v1/sites/xa-nfd").json()["name"] == name
    longest = "ế" * 200
    spelt = {"id": "xa-dai", "name": unicodedata.normalize("NFD", longest)}
    assert len(spelt["name"]) == 600
    assert hall.http.post("/api/v1/sites", json=spelt).json()["name"] == longest
    assert "xa-dai exists already: choose another id" in refused(hall, "site", "add", "xa-dai", "--name", "X")
    assert hall.http.get("/").status_code == 200


# ── CSV ──────────────────────────────────────────────────────────────────────────────────────────


def imported(hall: OneHall, data: str | bytes) -> Any:
    raw = data.encode() if isinstance(data, str) else data
    return hall.http.post("/api/v1/sites/import", content=raw, headers={"Content-Type": "text/csv"})


def test_a_csv_as_offices_save_it(hall: OneHall, tmp_path: Path) -> None:
    file = tmp_path / "diem-cau.csv"
    name = unicodedata.normalize("NFD", "Xã Ea Tul")
    file.write_bytes(
        f"\ufeffMã;{unicodedata.normalize('NFD', 'Tên')}\r\nea-tul;{name}\r\n;Xã Cư Suê\r\n".encode()
    )
    done = hall.diemcau("site", "import", str(file), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"added": ["ea-tul", "xa-cu-sue"], "areas": []}
    assert hall.http.get("/api/v1/sites/ea-tul").json()["name"] == "Xã Ea Tul"


@pytest.mark.usefixtures("unchanged")
def test_a_wrong_csv_by_the_command_line(hall: OneHall, tmp_path: Path) -> None:
    file = tmp_path / "diem-cau.csv"
    file.write_text("Mã,Tên\nxa-b,Xã B\nxa-b,Xã C\n")
    sentence = refused(hall, "site", "import", str(file))
    assert "nothing was imported" in sentence and "line 3: site xa-b exists already" in sentence
    file.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x90\x8d")
    assert "save it as “CSV UTF-8”" in refused(hall, "site", "import", str(file))
    assert "cannot read" in refused(hall, "site", "import", str(tmp_path / "khong-co.csv"))
    file.write_text("Mã,Tên\n" + "xa-b,Xã B\n" * 500_000)
    assert "more than 4 MB: split it" in refused(hall, "site", "import", str(file))


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("", "the first line must name the columns"),
        ("Mã\nxa-b\n", "at least “Tên”"),
        ("Mã,Tên\n", "no site in the file"),
        ("Mã,Tên,Màu\nxa-b,Xã B,đỏ\n", "column “Màu” is not known: columns are Mã, Tên"),
        ("Tên,Tên\nXã B,Xã C\n", "two columns have the same meaning"),
        ("Mã,Tên\nxa-b,Xã B,thừa\n", "line 2 has more cells"),
        ('Mã,Tên\nxa-b,"Xã B\n', "not CSV at line"),
        ("PK\x03\x04\0\0", "the workbook cannot be read"),
        (b"M\xe3,T\xean\n\x8d,B\n", "is not UTF-8, UTF-16 or Windows-1258 (byte 7)"),
        ("Mã,Tên\n" + f"xa-b,{LONG}\n", "line 2"),
        ("Mã,Tên,Trung tâm\nxa-b,Xã B,có lẽ\n", "line 2"),
        ("Mã,Tên,Camera\nxa-b,Xã B,webcam\n", "line 2"),
        ("Tên\nXã B\nXã B\n", "line 3"),
        (f"Mã,Tên\n{MAIN},Xã B\n", "line 2"),
    ],
)
def test_a_wrong_csv(hall: OneHall, data: str | bytes, sentence: str) -> None:
    answer = imported(hall, data)
    assert answer.status_code == 422
    told = answer.json()
    lines = [f"line {row['line']}: {row['text']}" for row in told.get("errors", [])]
    assert sentence in "\n".join([told["detail"], *lines])


def test_nobody_was_harmed(hall: OneHall) -> None:
    health = hall.health()
    assert health["status"] == "ok" and health["mqtt"] and health["janus"]
    log = (hall.folder / "logs/controller.log").read_text()
    assert "Traceback" not in log, log[-2000:]
