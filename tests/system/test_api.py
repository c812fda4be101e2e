"""The API and the pages over a real database: what is asked, what is refused, what units are told."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy
from diemcau_controller.actions.add_user import ensure_local_token
from diemcau_controller.actions.controller import Controller
from diemcau_controller.actions.ingest import Taken, ingest
from diemcau_controller.actions.news import News
from diemcau_controller.actions.receive_picture import receive_picture
from diemcau_controller.actions.refresh_horizon import refresh_horizon
from diemcau_controller.actions.send_command import take_ack
from diemcau_controller.actions.sweep import drop_old_health, finish_meetings, sweep_presence
from diemcau_controller.actions.write_report import write_due_reports
from diemcau_controller.adapters.mqtt import Received
from diemcau_controller.app import create_app
from diemcau_controller.config import Settings, StateDir
from diemcau_controller.services.ingest import Ingest
from diemcau_controller.services.pictures import due_units
from diemcau_controller.store.database import Database
from diemcau_controller.store.tables import HealthRow
from diemcau_controller.store.writer import Writer
from diemcau_controller.web import pages
from diemcau_wire import encode
from diemcau_wire.messages import (
    Ack,
    Command,
    DesiredConfig,
    DesiredSchedule,
    Event,
    EventKind,
    Floor,
    Message,
    Presence,
    State,
)
from diemcau_wire.topics import Channel, Topic
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import func, select

UNIT, SPARE = "u0123456789ab", "u0123456789cd"


class Posted:
    """Stands where the broker is: keeps what was sent, and can answer commands."""

    def __init__(self) -> None:
        self.connected = True
        self.refused: dict[str, int] = {}
        self.letters: list[tuple[Channel, Message]] = []
        self.answering: Controller | None = None

    def publish(self, message: Message, channel: Channel) -> bool:
        encode(message)
        self.letters.append((channel, message))
        if isinstance(message, Command) and self.answering is not None:
            ack = Ack(unit=message.unit, id=message.id, ok=True, result={"pong": 1}, at=message.at)
            take_ack(self.answering, ack)
        return True

    def take(self, kind: type[Any]) -> list[Any]:
        found = [message for _, message in self.letters if isinstance(message, kind)]
        self.letters.clear()
        return found


class Office:
    """A controller without broker, Janus and time of its own, and its local administrator."""

    def __init__(self, folder: Path) -> None:
        self.state = StateDir(folder)
        self.state.make()
        self.database = Database(self.state.database, self.state.health_database)
        self.writer = Writer(self.database)
        self.writer.start()
        self.post = Posted()
        self.time = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)  # Monday, 08:00 in Vietnam
        settings = Settings(public_address="192.0.2.1")
        self.controller = Controller(
            settings, self.state, self.database, self.writer, self.post, News(), now=lambda: self.time
        )
        asyncio.run(ensure_local_token(self.controller))
        token = self.state.local_token.read_text().strip()
        self.nobody = TestClient(create_app(self.controller), base_url="https://testserver")
        self.http = TestClient(create_app(self.controller), base_url="https://testserver")
        self.http.headers["Authorization"] = f"Bearer {token}"
        self.token = token

    def later(self, **delta: float) -> None:
        self.time += timedelta(**delta)

    def get(self, path: str) -> Any:
        answer = self.http.get(f"/api/v1/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def add(self, path: str, **body: Any) -> Any:
        answer = self.http.post(f"/api/v1/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def refused(self, status: int, path: str, *, method: str = "POST", **body: Any) -> str:
        answer = self.http.request(method, f"/api/v1/{path}", json=body or None)
        assert answer.status_code == status, answer.text
        return str(answer.json()["detail"])

    def hear(self, *messages: Message) -> None:
        channels = {State: Channel.STATE, Event: Channel.EVENT}
        batch = [Taken(channels.get(type(one), Channel.HEALTH), one) for one in messages]
        told = self.writer.submit(lambda session: ingest(session, batch, self.time), urgent=True).result()
        self.controller.send(told.letters)

    def close(self) -> None:
        self.writer.stop()
        self.database.close()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path / "state")
    made.add("areas", name="Xã Ea Kiết", tier="xã")
    made.add("sites", id="huyen", name="Huyện ủy – UBND", is_centre=True)
    made.add("sites", id="ea-kiet", name="Xã Ea Kiết", area="xa-ea-kiet", contact={"phone": "0905"})
    made.add("units", id=UNIT, site="ea-kiet")
    yield made
    made.close()


def meeting(office: Office, **more: Any) -> str:
    body = {"title": "Giao ban", "starts_at": "2026-03-02T08:30", "duration_s": 3600, "main_site": "huyen"}
    return str(office.add("meetings", **{**body, **more})["id"])


def event(office: Office, seq: int, kind: EventKind, occurrence: str, site: str = "ea-kiet") -> Event:
    unit = UNIT if site == "ea-kiet" else SPARE
    return Event(
        id=f"{unit}:s:{seq}",
        unit=unit,
        boot_id="b",
        stream="s",
        seq=seq,
        at=office.time,
        kind=kind,
        site=site,
        meeting=occurrence,
    )


# ── who may ──────────────────────────────────────────────────────────────────────────────────────


def test_without_a_token_there_is_nothing(office: Office) -> None:
    for path in ("sites", "units", "meetings", "events", "stream", "users"):
        assert office.nobody.get(f"/api/v1/{path}").status_code == 401
    wrong = office.nobody.get("/api/v1/sites", headers={"Authorization": "Bearer guess"})
    assert wrong.status_code == 401 and "diemcau user token" in wrong.json()["detail"]
    assert office.nobody.get("/healthz").json() == {
        "status": "ok",
        "mqtt": True,
        "janus": False,
        "refused": {},
    }


def test_roles(office: Office) -> None:
    office.add("users", name="lan", role="viewer")
    token = office.add("users/lan/token")["token"]
    lan = {"Authorization": f"Bearer {token}"}
    assert office.nobody.get("/api/v1/sites", headers=lan).status_code == 200
    answer = office.nobody.post("/api/v1/sites", headers=lan, json={"name": "X"})
    assert answer.status_code == 403 and "operator" in answer.json()["detail"]
    office.add("users/lan/token")
    assert office.nobody.get("/api/v1/sites", headers=lan).status_code == 401, "a new token ends the old"
    office.refused(409, "users", name="lan")
    office.refused(404, "users/nobody/token")
    office.refused(422, "users", name="Lan!")


def test_the_local_token_lasts_and_is_private(office: Office) -> None:
    asyncio.run(ensure_local_token(office.controller))
    assert office.state.local_token.read_text().strip() == office.token
    assert office.state.local_token.stat().st_mode & 0o777 == 0o600


# ── sites ────────────────────────────────────────────────────────────────────────────────────────


def test_sites(office: Office) -> None:
    site = office.get("sites/ea-kiet")
    assert site["area"]["name"] == "Xã Ea Kiết" and site["unit"]["id"] == UNIT and site["state"] == "never"
    assert "exists already" in office.refused(409, "sites", id="huyen", name="X")
    assert "does not exist" in office.refused(422, "sites", name="X", area="nowhere")
    office.refused(422, "sites", id="Ea Kiết", name="X")
    office.refused(422, "sites", name="")
    office.refused(422, "sites", name="X", colour="red")
    assert "site list" in office.refused(404, "sites/nowhere", method="GET")


def test_a_changed_site_is_told_to_its_unit(office: Office) -> None:
    office.post.letters.clear()
    office.http.patch("/api/v1/sites/ea-kiet", json={"camera": "v4l2:/dev/video0"})
    (config,) = office.post.take(DesiredConfig)
    assert (config.rev, config.epoch, config.camera.source) == (2, 1, "v4l2:/dev/video0")
    office.http.patch("/api/v1/sites/ea-kiet", json={"camera": "v4l2:/dev/video0"})
    assert office.post.take(DesiredConfig) == [], "what has not changed is not told"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("Mã,Tên\n,Xã Ea Tul\nhuyen,Trùng\nBad Id,Y\n", [3, 4]),
        ("Tên,Địa bàn,Trung tâm\nXã A,xa ea kiet,x\nXã B,không có,\nXã C,,maybe\n", [3, 4]),
        ("Tên\nXã A\nXã A\n", [3]),
    ],
)
def test_a_wrong_csv_adds_nothing(office: Office, text: str, lines: list[int]) -> None:
    answer = office.http.post("/api/v1/sites/import", content=text.encode())
    assert answer.status_code == 422
    assert [error["line"] for error in answer.json()["errors"]] == lines
    assert len(office.get("sites")) == 2


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"Name,Nonsense\na,b\n",
        "Tên,Name\na,b\n".encode(),
        "Tên\n".encode(),
        b"name\na,b,c\n",
    ],
)
def test_what_is_no_csv(office: Office, data: bytes) -> None:
    assert office.http.post("/api/v1/sites/import", content=data).status_code == 422


def test_csv_as_offices_save_it(office: Office) -> None:
    text = "\ufeffTÊN ĐIỂM CẦU;Địa bàn;Đầu mối;Điện thoại\r\nXã Ea Tul;XÃ EA KIẾT;Y Bhin;0905 1\r\n\r\n"
    answer = office.http.post("/api/v1/sites/import", content=text.encode())
    assert answer.json() == {"added": ["xa-ea-tul"]}
    site = office.get("sites/xa-ea-tul")
    assert site["contact"] == {"name": "Y Bhin", "phone": "0905 1"} and site["area"]["id"] == "xa-ea-kiet"


# ── units ────────────────────────────────────────────────────────────────────────────────────────


def test_a_replacement_has_a_higher_epoch_and_the_old_one_nothing_to_do(office: Office) -> None:
    meeting(office)
    office.post.letters.clear()
    office.add("units", id=SPARE, site="ea-kiet")
    told = list(office.post.letters)
    configs = [m for _, m in told if isinstance(m, DesiredConfig)]
    schedules = {m.unit: m for _, m in told if isinstance(m, DesiredSchedule)}
    assert [(c.unit, c.epoch) for c in configs] == [(SPARE, 2)]
    assert schedules[UNIT].meetings == [] and len(schedules[SPARE].meetings) == 1
    assert office.get("sites/ea-kiet")["unit"]["id"] == SPARE
    assert office.get(f"units/{UNIT}")["site"] is None
    office.refused(409, "units", id=SPARE, site="huyen")
    office.refused(404, "units", id=SPARE, site="nowhere")
    office.refused(422, "units", id="../x", site="huyen")


def test_commands(office: Office) -> None:
    path = f"units/{UNIT}/commands"
    assert "not connected" in office.refused(409, path, verb="ping")
    online = State(
        unit=UNIT, status=Presence.ONLINE, boot_id="b", nonce="n7", version="1", epoch=1, at=office.time
    )
    office.hear(online)
    assert "did not answer" in office.refused(409, path, verb="ping", timeout_s=0.1)
    (command,) = office.post.take(Command)
    assert (command.nonce, command.epoch) == ("n7", 1)
    office.post.answering = office.controller
    assert office.add(path, verb="ping")["result"] == {"pong": 1}
    office.refused(422, path, verb="explode")
    office.refused(404, "units/u9/commands", verb="ping")
    assert office.controller.acks == {}


def png(size: int = 64) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (size, size)).save(data, "PNG")
    return data.getvalue()


def test_pictures(office: Office) -> None:
    (upload,) = [config.upload for config in office.post.take(DesiredConfig)]
    assert upload.url == f"https://192.0.2.1:8443/api/v1/units/{UNIT}/picture"
    path = f"/api/v1/units/{UNIT}/picture"
    unit = {"Authorization": f"Bearer {upload.token}"}
    assert office.http.get(path).status_code == 404
    assert office.nobody.put(path, content=png()).status_code == 401
    assert office.http.put(path, content=png()).status_code == 401, "an administrator is no unit"
    assert office.nobody.put(f"/api/v1/units/{SPARE}/picture", content=png(), headers=unit).status_code == 401
    for data, status in (
        (b"GIF89a", 422),
        (png()[:-9], 422),
        (png() + bytes(3 << 20), 422),
        (bytes(5 << 20), 413),
    ):
        assert office.nobody.put(path, content=data, headers=unit).status_code == status
    assert office.nobody.put(path, content=png(), headers=unit).status_code == 204
    assert office.nobody.get(path).status_code == 401
    answer = office.http.get(path)
    assert answer.content == png() and answer.headers["content-type"] == "image/png"
    assert office.nobody.get(path, headers=unit).status_code == 401, "a unit reads nothing"


def test_a_picture_is_asked_for_when_there_is_something_to_see(office: Office) -> None:
    def due() -> list[str]:
        with office.database.read() as session:
            return due_units(session, office.time)

    assert due() == [], "the unit is not there"
    office.hear(State(unit=UNIT, status=Presence.ONLINE, boot_id="b", nonce="n", version="1", at=office.time))
    assert due() == [UNIT]
    asyncio.run(receive_picture(office.controller, UNIT, png()))
    assert due() == []
    office.later(minutes=1)
    office.hear(event(office, 1, EventKind.JOINED, "m1"))
    assert due() == [], "not before it has settled"
    office.later(seconds=11)
    assert due() == [UNIT]
    asyncio.run(receive_picture(office.controller, UNIT, png()))
    office.later(minutes=59)
    assert due() == []
    office.later(minutes=2)
    assert due() == [UNIT]


# ── meetings ─────────────────────────────────────────────────────────────────────────────────────


def test_a_meeting_is_told_with_its_way_in(office: Office) -> None:
    office.post.letters.clear()
    made = meeting(office)
    (schedule,) = office.post.take(DesiredSchedule)
    (told,) = schedule.meetings
    info = office.get(f"meetings/{made}/join-info")
    assert (told.id, told.join.room, told.join.pin) == (f"{made}-20260302T083000", info["room"], info["pin"])
    assert info["url"] == "wss://192.0.2.1:8989" and info["expires_at"] == "2026-03-02T03:00:00Z"
    assert told.main_site == "huyen" and told.main_site_name == "Huyện ủy – UBND"
    assert info["sites"] == ["huyen", "ea-kiet"]
    assert not any(
        secret in office.http.get("/api/v1/meetings").text for secret in (info["pin"], info["room"])
    )


@pytest.mark.parametrize(
    ("status", "more", "word"),
    [
        (422, {"starts_at": "2026-03-02T07:00"}, "in the past"),
        (422, {"duration_s": -5}, "ends before it starts"),
        (422, {"duration_s": None, "ends_at": "2026-03-02T08:00"}, "ends before it starts"),
        (422, {"ends_at": "2026-03-02T09:00"}, "either ends_at or duration_s"),
        (422, {"duration_s": None}, "either ends_at or duration_s"),
        (422, {"main_site": "nowhere"}, "unknown site nowhere"),
        (422, {"sites": ["nowhere", "ea-kiet"]}, "unknown site nowhere"),
        (422, {"rrule": "FREQ=SOMETIMES"}, "repeat rule"),
        (422, {"starts_at": "soon"}, "starts_at"),
        (422, {"title": ""}, "title"),
        (409, {}, "site huyen is already in the meeting “Giao ban” that starts 2026-03-02 08:30"),
        (409, {"main_site": "ea-kiet", "sites": []}, "site ea-kiet is already"),
        (409, {"rrule": "FREQ=DAILY", "starts_at": "2026-03-02T09:29"}, "is already"),
    ],
)
def test_meetings_that_cannot_be(office: Office, status: int, more: dict[str, Any], word: str) -> None:
    meeting(office)
    body = {"title": "Họp", "starts_at": "2026-03-02T08:30", "duration_s": 600, "main_site": "huyen", **more}
    assert word in office.refused(status, "meetings", **body)
    assert len(office.get("meetings")) == 1


def test_garbage_bodies(office: Office) -> None:
    for data in (b"", b"{", b"[]", b"null", b"[" * 100_000, b"\xff", b'{"title": NaN}'):
        answer = office.http.post(
            "/api/v1/meetings", content=data, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code in (400, 422), data[:20]
        assert answer.json()["detail"]


def test_a_closed_meeting_makes_room(office: Office) -> None:
    made = meeting(office)
    office.add(f"meetings/{made}/close")
    office.add(f"meetings/{made}/close")
    assert meeting(office, title="Họp khẩn")


def test_the_horizon_moves_on(office: Office) -> None:
    made = meeting(office, rrule="FREQ=WEEKLY;BYDAY=MO")
    assert len(office.get(f"meetings/{made}")["sites"]) == 2
    (found,) = office.get("meetings")
    assert len(found["occurrences"]) == 5
    rooms = {office.get(f"meetings/{one['id']}/join-info")["room"] for one in found["occurrences"]}
    assert len(rooms) == 5
    office.later(days=7)
    office.post.letters.clear()
    asyncio.run(refresh_horizon(office.controller))
    (schedule,) = office.post.take(DesiredSchedule)
    assert [f"{one.starts_at:%m-%d}" for one in schedule.meetings] == [
        "03-09", "03-16", "03-23", "03-30", "04-06",
    ]  # fmt: skip
    asyncio.run(refresh_horizon(office.controller))
    assert office.post.take(DesiredSchedule) == []


def test_a_schedule_too_large_for_a_message_has_the_nearest(office: Office) -> None:
    for hour in range(0, 24, 6):
        starts = f"2026-03-03T{hour:02}:00"
        meeting(office, title="Ă" * 200, starts_at=starts, rrule="FREQ=DAILY", duration_s=600)
    schedule = office.post.take(DesiredSchedule)[-1]
    assert 30 < len(schedule.meetings) < 120
    assert schedule.until > schedule.meetings[-1].starts_at
    assert schedule.until < office.time + timedelta(days=30)


def test_calling_off(office: Office) -> None:
    made = meeting(office, rrule="FREQ=WEEKLY;BYDAY=MO")
    assert office.http.delete(f"/api/v1/meetings/{made}").status_code == 204
    schedule = office.post.take(DesiredSchedule)[-1]
    assert all(one.closed for one in schedule.meetings)
    assert meeting(office)
    office.refused(404, "meetings/nowhere", method="DELETE")


# ── the floor ────────────────────────────────────────────────────────────────────────────────────


def test_the_floor(office: Office) -> None:
    made = meeting(office)
    path = f"meetings/{made}/floor"
    assert "not open yet" in office.refused(409, path, verb="mute-all")
    office.later(minutes=20)
    office.post.letters.clear()
    assert office.add(path, verb="grant", site="ea-kiet") == {"seq": 1, "speakers": ["ea-kiet"]}
    (told,) = office.post.take(Floor)
    assert (told.unit, told.seq, told.speakers) == (UNIT, 1, ["ea-kiet"])
    assert told.names == {"ea-kiet": "Xã Ea Kiết"}
    assert office.add(path, verb="grant", site="huyen", add=True)["speakers"] == ["ea-kiet", "huyen"]
    assert office.add(path, verb="end", site="ea-kiet")["speakers"] == ["huyen"]
    assert office.add(path, verb="mute-all") == {"seq": 4, "speakers": []}
    office.refused(422, path, verb="grant")
    office.refused(422, path, verb="grant", site="nowhere")
    office.refused(422, path, verb="shout")
    office.refused(404, "meetings/nowhere/floor", verb="mute-all")
    office.add(f"meetings/{made}/close")
    assert "is over" in office.refused(409, path, verb="mute-all")


# ── the end ──────────────────────────────────────────────────────────────────────────────────────


def pass_time(office: Office) -> None:
    asyncio.run(finish_meetings(office.controller))
    asyncio.run(write_due_reports(office.controller, lambda r: pages.report_file(office.controller, r)))


def test_the_report(office: Office) -> None:
    made = meeting(office)
    occurrence = f"{made}-20260302T083000"
    office.later(minutes=30)
    office.hear(event(office, 1, EventKind.JOINED, occurrence))
    office.later(minutes=10)
    office.hear(event(office, 2, EventKind.DROPPED, occurrence))
    office.later(minutes=1)
    office.hear(event(office, 3, EventKind.REJOINED, occurrence))
    view = office.get(f"meetings/{made}")
    assert {one["site"]: one["present"] for one in view["attendance"]} == {"huyen": False, "ea-kiet": True}
    office.later(minutes=19)
    office.add(f"meetings/{made}/close")
    pass_time(office)
    assert office.get(f"meetings/{occurrence}/report")["files"] is None, "the last words are awaited"
    office.hear(event(office, 4, EventKind.LEFT, occurrence))
    office.later(seconds=5)
    pass_time(office)
    report = office.get(f"meetings/{occurrence}/report")
    site = report["sites"][1]
    assert (site["id"], site["joined"], site["left"], site["drop_outs"]) == ("ea-kiet", True, True, 1)
    assert site["present_s"] == 29 * 60 and report["final"] and not report["sites"][0]["joined"]
    page = Path(report["files"]["html"]).read_text()
    assert "Xã Ea Kiết" in page and "không kết nối" in page and "<style>" in page and "http" not in page
    written = Path(report["files"]["json"]).stat().st_mtime_ns
    pass_time(office)
    assert Path(report["files"]["json"]).stat().st_mtime_ns == written


def test_what_comes_to_light_later_is_reported_too(office: Office) -> None:
    made = meeting(office)
    occurrence = f"{made}-20260302T083000"
    office.later(hours=3)
    pass_time(office)
    office.later(seconds=5)
    pass_time(office)
    assert not office.get(f"meetings/{occurrence}/report")["sites"][1]["joined"]
    office.hear(event(office, 1, EventKind.JOINED, occurrence), event(office, 2, EventKind.LEFT, occurrence))
    pass_time(office)
    report = office.get(f"meetings/{occurrence}/report")
    assert report["sites"][1]["joined"] and '"joined": true' in Path(report["files"]["json"]).read_text()


def test_a_meeting_is_over_when_everybody_has_gone_home(office: Office) -> None:
    made = meeting(office)
    occurrence = f"{made}-20260302T083000"
    office.add("units", id=SPARE, site="huyen")
    office.later(minutes=30)
    for site in ("huyen", "ea-kiet"):
        office.hear(event(office, 1, EventKind.JOINED, occurrence, site))
    office.later(minutes=65)
    office.hear(event(office, 2, EventKind.LEFT, occurrence))
    pass_time(office)
    assert office.get(f"meetings/{occurrence}")["finished_at"] is None, "the main site is still there"
    office.hear(event(office, 2, EventKind.LEFT, occurrence, "huyen"))
    pass_time(office)
    assert office.get(f"meetings/{occurrence}")["finished_at"] is not None


def test_silence_and_old_history(office: Office) -> None:
    office.hear(State(unit=UNIT, status=Presence.ONLINE, boot_id="b", nonce="n", version="1", at=office.time))
    since = office.time
    office.later(seconds=31)
    asyncio.run(sweep_presence(office.controller, since))
    assert office.get("sites/ea-kiet")["state"] == "silent"
    office.writer.submit(
        lambda session: session.add(HealthRow(unit=UNIT, at=office.time, document={})), urgent=True
    ).result()
    office.later(days=29)
    asyncio.run(drop_old_health(office.controller))
    with office.database.read() as session:
        assert session.scalar(select(func.count()).select_from(HealthRow)) == 1
    office.later(days=2)
    asyncio.run(drop_old_health(office.controller))
    with office.database.read() as session:
        assert session.scalar(select(func.count()).select_from(HealthRow)) == 0


# ── a full disk ──────────────────────────────────────────────────────────────────────────────────


def test_a_full_disk_is_said_and_nothing_is_lost(office: Office) -> None:
    pages_allowed = [1]  # SQLite never goes below what it has: it is full from now on

    def limit(connection: Any) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages_allowed[0]}")

    sqlalchemy.event.listen(office.database._controller, "begin", limit)
    long = {"name": "Ă" * 180, "camera": "file:" + "x" * 480}
    answers = [office.http.post("/api/v1/sites", json={**long, "id": f"s{n}"}) for n in range(40)]
    assert answers[-1].status_code == 503 and "free space" in answers[-1].json()["detail"]
    assert office.get("sites"), "reading goes on"

    acknowledged: list[Received] = []
    loop = asyncio.new_event_loop()
    taking = Ingest(office.controller, loop)
    taking.link = SimpleNamespace(ack=acknowledged.append)  # type: ignore[assignment]
    batch = [
        Received(Topic(UNIT, Channel.EVENT), event(office, seq, EventKind.BOOTED, "m" * 100))
        for seq in range(1, 200)
    ]
    thread = threading.Thread(target=taking.take, args=(batch,))
    thread.start()
    thread.join(0.5)
    assert thread.is_alive() and acknowledged == [], "what is not stored is not acknowledged"
    pages_allowed[0] = 2**30
    thread.join(10)
    assert not thread.is_alive() and len(acknowledged) == len(batch)
    assert len(office.get("events?limit=1000")) == len(batch)
    office.add("sites", id="after", name="X")
    loop.close()


# ── events, document, pages ──────────────────────────────────────────────────────────────────────


def test_events(office: Office) -> None:
    office.hear(*(event(office, seq, EventKind.BOOTED, "m1") for seq in range(1, 6)))
    assert [one["seq"] for one in office.get("events?limit=2")] == [4, 5]
    first = office.get("events")[0]
    assert set(first) >= {"id", "unit", "boot_id", "stream", "seq", "at", "kind", "data"}
    assert [one["seq"] for one in office.get(f"events?after={first['number']}&limit=2")] == [2, 3]
    assert office.get("events?site=huyen") == [] and len(office.get("events?kind=booted&meeting=m1")) == 5
    office.refused(422, "events?limit=100000", method="GET")


def test_openapi_describes_every_operation(office: Office) -> None:
    document = office.nobody.get("/api/v1/openapi.json").json()
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert len(operations) > 20 and all(one.get("description") for one in operations)


def test_pages(office: Office) -> None:
    made = meeting(office)
    web = office.nobody
    stranger = web.get("/")
    assert stranger.status_code == 401 and "mã truy cập" in stranger.text
    assert web.get("/?token=guess").status_code == 401
    entered = web.get(f"/?token={office.token}", follow_redirects=False)
    assert entered.status_code == 303 and entered.headers["location"] == "/"
    cookie = entered.headers["set-cookie"].lower()
    assert "httponly" in cookie and "secure" in cookie and "samesite=strict" in cookie
    board = web.get("/")
    assert "Xã Ea Kiết" in board.text and "Giao ban" in board.text and office.token not in board.text
    policy = board.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    assert "http://" not in board.text and "style=" not in board.text and "<script>" not in board.text
    assert "Never connected" in web.get("/?lang=en").text
    office.later(minutes=25)
    page = web.get(f"/meetings/{made}")
    assert page.status_code == 200 and "Grant the floor" in page.text, "the language is remembered"
    assert web.get(f"/reports/{made}").status_code == 200
    assert web.get("/meetings/nowhere").status_code == 404
    for path in ("/fragments/board", f"/fragments/meetings/{made}", "/static/app.css", "/static/live.js"):
        assert web.get(path).status_code == 200


def test_a_cookie_changes_nothing_for_another_site(office: Office) -> None:
    made = meeting(office)
    office.later(minutes=25)
    web = office.nobody
    web.get(f"/?token={office.token}")
    path = f"/api/v1/meetings/{made}/floor"
    assert web.post(path, json={"verb": "mute-all"}).status_code == 401
    assert (
        web.post(path, json={"verb": "mute-all"}, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 401
    )
    own = {"Sec-Fetch-Site": "same-origin"}
    assert web.post(path, json={"verb": "mute-all"}, headers=own).status_code == 200


def test_names_are_shown_as_text(office: Office) -> None:
    office.add("sites", id="x", name="<script>alert(1)</script>")
    office.nobody.get(f"/?token={office.token}")
    assert "<script>alert" not in office.nobody.get("/").text


def test_both_languages_say_the_same() -> None:
    from diemcau_controller.web.words import catalogue

    def keys(language: str) -> set[str]:
        return {f"{section}.{key}" for section, texts in catalogue(language).items() for key in texts}

    assert keys("vi") == keys("en")
