"""A room that is not ready is told to a real address: an HTTP server that takes Apprise's JSON."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from diemcau_controller.actions.tell_faults import plan_and_send
from diemcau_controller.config import Notify, Settings
from diemcau_controller.store.tables import Notice
from diemcau_controller.web.notice_text import message
from diemcau_controller.web.words import Words
from diemcau_wire.messages import EventKind
from sqlalchemy import select

from .office import Office, event, furnished, online


class Taker:
    """Takes messages, or refuses them while `refusing`."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.asked = 0
        self.refusing = False

    @contextmanager
    def serving(self) -> Iterator[str]:
        taker = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                taker.asked += 1
                if not taker.refusing:
                    taker.taken.append(json.loads(body) | {"path": self.path})
                self.send_response(500 if taker.refusing else 200)
                self.end_headers()

            def log_message(self, *said: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"json://nguoi:mat-khau-bi-mat@127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(5)
        server.server_close()


@pytest.fixture
def taker() -> Taker:
    return Taker()


@pytest.fixture
def office(tmp_path: Path, taker: Taker) -> Iterator[Office]:
    with furnished(tmp_path) as made, taker.serving() as url:
        notify = Notify(urls=(f"{url}/sms/{{phone}}",))
        made.controller.settings = Settings(public_address="192.0.2.1", notify=notify)
        online(made)
        yield made


def check(office: Office, seq: int, verdict: str, instruction: str = "") -> None:
    findings = [{"what": instruction, "text": "", "remedy": "", "mended": None}] if instruction else []
    said = {"verdict": verdict, "instruction": instruction, "findings": findings}
    office.hear(event(office, seq, EventKind.VERDICT, **said))
    look(office, minutes=1)


def look(office: Office, **later: float) -> None:
    office.later(**later)
    words = Words("vi", office.controller.settings.zone, office.time)
    asyncio.run(plan_and_send(office.controller, lambda sites, fault: message(sites, fault, words)))


def test_a_fault_is_told_once_in_plain_words(office: Office, taker: Taker) -> None:
    check(office, 1, "not_ready", "camera_black")
    look(office, hours=1)
    (said,) = taker.taken
    assert said["path"] == "/sms/0905" and said["title"] == "Xã Ea Kiết chưa sẵn sàng họp"
    assert "Mở nắp ống kính" in said["message"] and "0905" in said["message"]
    assert "camera_black" not in said["message"] + said["title"]
    check(office, 2, "not_ready", "camera_black")
    assert len(taker.taken) == 1
    check(office, 3, "ready")
    check(office, 4, "not_ready", "camera_black")
    assert len(taker.taken) == 2


def test_one_that_cannot_be_sent_is_tried_again_a_few_times_and_shown(office: Office, taker: Taker) -> None:
    taker.refusing = True
    check(office, 1, "not_ready", "microphone_missing")
    for _ in range(8):
        look(office, minutes=20)
    assert taker.asked == 4 and taker.taken == []
    with office.database.read() as session:
        (notice,) = session.scalars(select(Notice))
    assert notice.next_try_at is None and notice.sent_at is None and "500" in notice.error
    assert "bi-mat" not in f"{notice.shown_as}{notice.error}{notice.target}"
    taker.refusing = False
    check(office, 2, "not_ready", "camera_missing")
    assert len(taker.taken) == 1
