"""A controller without broker, Janus and time of its own: what the API tests work in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from diemcau_controller.actions.add_user import ensure_local_token
from diemcau_controller.actions.controller import Controller
from diemcau_controller.actions.ingest import Taken, ingest
from diemcau_controller.actions.news import News
from diemcau_controller.actions.send_command import take_ack
from diemcau_controller.app import create_app
from diemcau_controller.cli.client import Api
from diemcau_controller.config import Settings, StateDir
from diemcau_controller.store.writer import Writer
from diemcau_wire import encode
from diemcau_wire.messages import (
    Ack,
    Command,
    Event,
    EventKind,
    Message,
    Presence,
    State,
)
from diemcau_wire.topics import Channel
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.routing import BaseRoute

from tests.empty_database import empty_database

UNIT, SPARE = "u0123456789ab", "u0123456789cd"

_routes: list[BaseRoute] = []  # of the first application that was made


def application(controller: Controller) -> FastAPI:
    """The web application of a controller.

    Routes know of no controller, and what FastAPI works out at their first use takes 0.3 s of CPU: every
    application after the first has those of the first.
    """
    app = create_app(controller)
    if _routes:
        app.router.routes = list(_routes)
    else:
        _routes.extend(app.router.routes)
    return app


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
        self.database = empty_database(self.state.database, self.state.health_database)
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
        self.app = application(self.controller)
        self.nobody = TestClient(self.app, base_url="https://testserver")
        self.http = TestClient(self.app, base_url="https://testserver")
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

    def refused(self, status: int, path: str, /, *, method: str = "POST", **body: Any) -> str:
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


@contextmanager
def furnished(folder: Path) -> Iterator[Office]:
    """An office with an area, two sites, and a unit at one of them."""
    made = Office(folder)
    made.add("areas", name="Xã Ea Kiết", tier="xã")
    made.add("sites", id="huyen", name="Huyện ủy – UBND", is_centre=True)
    made.add("sites", id="ea-kiet", name="Xã Ea Kiết", area="xa-ea-kiet", contacts=[{"phone": "0905"}])
    made.add("units", id=UNIT, site="ea-kiet")
    yield made
    made.close()


def meeting(office: Office, **more: Any) -> str:
    body = {"title": "Giao ban", "starts_at": "2026-03-02T08:30", "duration_s": 3600, "main_site": "huyen"}
    return str(office.add("meetings", **{**body, **more})["id"])


def online(office: Office) -> None:
    """The unit of ea-kiet connects."""
    said = {"boot_id": "b", "nonce": "n", "version": "1", "epoch": 1, "at": office.time}
    office.hear(State(unit=UNIT, status=Presence.ONLINE, **said))


@contextmanager
def on_the_command_line(office: Office, *groups: ModuleType) -> Iterator[None]:
    """Commands of these groups speak to this office."""

    @contextmanager
    def controller(_state_dir: object) -> Iterator[Api]:
        yield Api(office.http, {"timezone": "Asia/Ho_Chi_Minh"})

    with pytest.MonkeyPatch.context() as patch:
        for group in groups:
            patch.setattr(group, "controller", controller)
        yield


def event(
    office: Office,
    seq: int,
    kind: EventKind,
    occurrence: str | None = None,
    site: str = "ea-kiet",
    **data: Any,
) -> Event:
    """Something a unit says happened at its site."""
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
        data=data,
    )
