"""The API and the pages over a real database: who may, sites, units, a full disk, pages."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy
from diemcau_controller.actions.add_user import ensure_local_token
from diemcau_controller.actions.receive_picture import receive_picture
from diemcau_controller.adapters.mqtt import Received
from diemcau_controller.services.ingest import Ingest
from diemcau_controller.services.pictures import due_units
from diemcau_wire.messages import (
    Command,
    DesiredConfig,
    DesiredSchedule,
    EventKind,
    Presence,
    State,
)
from diemcau_wire.topics import Channel, Topic
from PIL import Image

from tests.system.office import SPARE, UNIT, Office, event, furnished, meeting


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with furnished(tmp_path / "state") as made:
        yield made


# ── who may ──────────────────────────────────────────────────────────────────────────────────────


def test_without_a_token_there_is_nothing(office: Office) -> None:
    for path in ("sites", "units", "meetings", "events", "stream", "users"):
        assert office.nobody.get(f"/api/v1/{path}").status_code == 401
    wrong = office.nobody.get("/api/v1/sites", headers={"Authorization": "Bearer guess"})
    assert wrong.status_code == 401 and "diemcau user token" in wrong.json()["detail"]
    health = office.nobody.get("/healthz").json()
    assert health.items() >= {"status": "ok", "mqtt": True, "janus": False, "refused": {}}.items()
    assert set(health) - {"status", "mqtt", "janus", "refused"} == {
        "authority",
        "releases",
        "backup",
        "audit",
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
    assert answer.json() == {"added": ["xa-ea-tul"], "areas": []}
    site = office.get("sites/xa-ea-tul")
    assert site["contacts"][0]["phone"] == "0905 1" and site["area"]["id"] == "xa-ea-kiet"


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
    token = {"Authorization": f"Bearer {upload.token}"}
    unit = token | {"X-Client-Verify": "SUCCESS", "X-Client-Subject": f"CN={UNIT}", "X-Client-Serial": "0A"}
    assert office.http.get(path).status_code == 404
    assert office.nobody.put(path, content=png(), headers=token).status_code == 403, "no certificate"
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
    web.get(f"/?token={office.token}")
    board = web.get("/")
    assert "Xã Ea Kiết" in board.text and "Giao ban" in board.text and office.token not in board.text
    policy = board.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    assert "http://" not in board.text and "style=" not in board.text and "<script>" not in board.text
    assert "Never connected" in web.get("/?lang=en").text
    office.later(minutes=25)
    page = web.get(f"/meetings/{made}")
    assert page.status_code == 200 and 'lang="en"' in page.text, "the language is remembered"
    assert web.get("/meetings/nowhere").status_code == 404


def test_names_are_shown_as_text(office: Office) -> None:
    office.add("sites", id="x", name="<script>alert(1)</script>")
    office.nobody.get(f"/?token={office.token}")
    assert "<script>alert" not in office.nobody.get("/").text
