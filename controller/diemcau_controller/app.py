"""The controller process: page, API and background services over one database.

    python -m diemcau_controller.app --state-dir DIR [--config FILE]

It works without broker and without Janus and catches up when they come. It listens on a Unix socket, at
which nginx passes on what comes over HTTPS.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType

import uvicorn
from diemcau_wire.logs import log_to_stderr
from diemcau_wire.messages import Message
from diemcau_wire.topics import Channel
from diemcau_wire.unix_socket import listen
from fastapi import FastAPI

from .actions.add_user import ensure_local_token
from .actions.backup import keep_settings
from .actions.controller import Controller
from .actions.desired_config import renew_every_config
from .actions.end_unit import write_revoked_hosts
from .actions.fleet import SiteNow
from .actions.installation import generation_of
from .actions.login_link import invite_first_administrator
from .actions.news import News
from .actions.refresh_horizon import refresh_horizon
from .actions.remove_site import retire_removed_sites
from .actions.rollouts.way import open_way
from .actions.sweep import drop_old_history, finish_meetings, sweep_presence
from .actions.sweep_enrolments import sweep_enrolments
from .actions.tell_faults import plan_and_send
from .actions.write_report import write_due_reports
from .adapters.ansible.hands import AnsibleHands
from .adapters.ansible.playbooks import unpack_playbooks
from .adapters.authority import Authority, AuthorityError
from .adapters.dynamic_security import CONTROLLER_CN
from .adapters.janus import VideoRooms
from .adapters.mqtt import MqttLink
from .adapters.releases.repository import Repository
from .adapters.whole_file import write_secret
from .api import (
    areas,
    attachments,
    attendees,
    audit,
    board,
    enrol,
    enrolments,
    events,
    faults,
    floor,
    halls,
    hands,
    health,
    incidents,
    later_bindings,
    meetings,
    refused,
    releases,
    reports,
    rollouts,
    sites,
    units,
    urgent,
    users,
    vouchers,
)
from .api.answers import answers
from .api.application import Application
from .api.front_door import FrontDoor
from .config import ConfigError, Settings, StateDir, load
from .kept_secret import kept_secret
from .ports import written
from .programs import PAGE
from .services.announce import announce, worth_announcing
from .services.authority_keeper import LOOK_S as AUTHORITY_LOOK_S
from .services.authority_keeper import AuthorityKeeper
from .services.backup import CHAIN_EVERY_S, NightlyBackup, check_chain
from .services.backup import LOOK_S as BACKUP_LOOK_S
from .services.broker_rights import BrokerRights
from .services.floor_keeper import REPEAT_S, FloorKeeper
from .services.incident_watch import LOOK_S as INCIDENT_LOOK_S
from .services.incident_watch import IncidentWatch
from .services.ingest import Ingest
from .services.keypad_hands import KeypadHands
from .services.pictures import LOOK_S, Pictures
from .services.release_keeper import LOOK_S as RELEASES_LOOK_S
from .services.release_keeper import ReleaseKeeper
from .services.rollout import RolloutEngine
from .services.rooms import Rooms
from .services.supervise import every, supervise
from .store.database import Database
from .store.writer import Writer
from .web import pages, report
from .web.notice_text import message
from .web.words import Words

NOTICES_LOOK_S = 10.0
SWEEP_ENROLMENTS_S = 15.0
KEEP_ALIVE_S = 65  # longer than nginx keeps a connection to us, so that it never sends into a closed one

log = logging.getLogger(__name__)


class NotLinked:
    """Stands where the MQTT link will: what it is given is said anew once there is a link."""

    connected = False
    refused: Mapping[str, int] = MappingProxyType({})

    def publish(self, message: Message, channel: Channel) -> bool:
        return False


@asynccontextmanager
async def opened(settings: Settings, state: StateDir) -> AsyncIterator[Controller]:
    """A controller with its database and writer, without services."""
    state.make()
    database = await asyncio.to_thread(Database, state.database, state.health_database)
    writer = Writer(database)
    writer.start()
    news = News()
    news.attach(asyncio.get_running_loop())
    try:
        controller = Controller(settings, state, database, writer, NotLinked(), news)
        await asyncio.to_thread(controller.fleet.now)  # so that the first page need not wait for it
        await ensure_local_token(controller)
        await invite_first_administrator(controller)
        await controller.write(lambda session: renew_every_config(session, settings))
        yield controller
    finally:
        await asyncio.to_thread(writer.stop)
        database.close()


@asynccontextmanager
async def serviced(controller: Controller) -> AsyncIterator[None]:
    """Link and background services of a controller, until the block ends."""
    settings, state = controller.settings, controller.state
    authority = Authority(state.authority)
    key, certificate = authority.client_files(CONTROLLER_CN)
    loop = asyncio.get_running_loop()
    ingest, rights = Ingest(controller, loop), BrokerRights(controller, loop)
    with controller.database.read() as session:
        generation = generation_of(session)
    link = MqttLink(
        settings.mqtt.host,
        settings.mqtt.port,
        ca=authority.ca_path,
        key=key,
        certificate=certificate,
        on_ack=ingest.answered,
        on_answer=rights.heard,
        on_batch=ingest.take,
        on_connect=ingest.connected,
        generation=generation,
    )
    janus = VideoRooms(state.janus_socket, kept_secret(state.janus_admin_key))
    rooms, floors = Rooms(controller, janus), FloorKeeper(controller, janus)
    pictures = Pictures(controller)
    incident_watch = IncidentWatch(controller)
    keypad_hands = KeypadHands(controller)
    authority_keeper = AuthorityKeeper(controller)
    release_keeper = ReleaseKeeper(controller)
    nightly = NightlyBackup(controller)
    playbooks = partial(unpack_playbooks, Repository(state))
    hands = AnsibleHands(settings.fleet.forks)
    rollout = RolloutEngine(controller, hands, playbooks, partial(open_way, controller))
    controller.janus_reached = lambda: rooms.reached
    ingest.link = rights.link = controller.post = link

    def notice(sites: Sequence[SiteNow], fault: str) -> tuple[str, str]:
        return message(sites, fault, Words(settings.language, settings.zone, controller.now()))

    async def sweep() -> None:
        await sweep_presence(controller, ingest.silence_judged_from(controller.now()))
        await finish_meetings(controller)
        await retire_removed_sites(controller)
        await write_due_reports(controller, partial(report.report_file, controller))

    services = {
        "broker rights": rights.run,
        "rooms": rooms.run,
        "floor keeper": floors.run,
        "floor repeater": lambda: every(REPEAT_S, floors.repeat),
        "horizon": lambda: every(60, lambda: refresh_horizon(controller)),
        "pictures": lambda: every(LOOK_S, pictures.look),
        "incident watch": lambda: every(INCIDENT_LOOK_S, incident_watch.look),
        "keypad hands": keypad_hands.run,
        "notices": lambda: every(NOTICES_LOOK_S, lambda: plan_and_send(controller, notice)),
        "sweeper": lambda: every(2, sweep),
        "enrolments": lambda: every(SWEEP_ENROLMENTS_S, lambda: sweep_enrolments(controller)),
        "retention": lambda: every(3600, lambda: drop_old_history(controller)),
        "release keeper": lambda: every(RELEASES_LOOK_S, release_keeper.look),
        "authority keeper": lambda: every(AUTHORITY_LOOK_S, authority_keeper.look),
        "backup": lambda: every(BACKUP_LOOK_S, nightly.look),
        "rollout": rollout.run,
        "list of changes": lambda: every(CHAIN_EVERY_S, lambda: check_chain(controller)),
    }
    if worth_announcing(settings):
        services["announce"] = lambda: announce(settings)
    tasks = [asyncio.create_task(supervise(name, run), name=name) for name, run in services.items()]
    await asyncio.to_thread(write_revoked_hosts, controller)  # the power may have gone before it was
    link.start()
    try:
        yield
    finally:
        ingest.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(link.stop)
        await janus.close()


def create_app(controller: Controller) -> FastAPI:
    """The web application of an opened controller."""
    app = Application(
        title="Điểm Cầu",
        version="1",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # it would load scripts from elsewhere
        redoc_url=None,
        max_body_size=refused.MAX_BODY,
    )
    app.state.controller = controller
    refused.install(app)
    for part in (
        board,
        sites,
        areas,
        units,
        meetings,
        attachments,
        floor,
        halls,
        hands,
        urgent,
        events,
        users,
        audit,
        attendees,
        releases,
        reports,
        incidents,
        faults,
        enrolments,
        later_bindings,
        vouchers,
        rollouts,
    ):
        app.include_router(part.router, prefix="/api/v1", responses=answers(422))
    app.include_router(enrol.router)
    app.include_router(health.router)
    pages.install(app)
    app.add_middleware(FrontDoor, controller=controller)
    return app


async def serve(settings: Settings, state: StateDir) -> None:
    """Serve nginx until SIGTERM or SIGINT."""
    state.make()
    state.run.mkdir(exist_ok=True)
    authority = Authority(state.authority)
    authority.ensure()
    state.ca_certificate.write_bytes(authority.ca_pem())
    async with AsyncExitStack() as stack:
        controller = await stack.enter_async_context(opened(settings, state))
        await stack.enter_async_context(serviced(controller))
        write_secret(state.contact, _contact(settings).encode())
        server = _Server(
            uvicorn.Config(
                create_app(controller),
                forwarded_allow_ips="*",  # nobody but nginx can connect, and it overwrites these headers
                timeout_keep_alive=KEEP_ALIVE_S,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=1,
                lifespan="off",
            )
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.handle_exit, number, None)
        log.info("controller serves", extra={"url": settings.web_url})
        await server.serve(sockets=[listen(state.web_socket)])


def main() -> int:
    """Exit 0 after a signal, 1 when it cannot start."""
    parser = argparse.ArgumentParser(prog="diemcau-controller", description="The controller process.")
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--config", type=Path)
    options = parser.parse_args()
    log_to_stderr()
    for chatty in ("alembic", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        settings = load(options.config)
        state = StateDir(options.state_dir.resolve())
        keep_settings(options.config, state)
        asyncio.run(serve(settings, state))
    except (ConfigError, AuthorityError) as error:
        print(f"diemcau: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


class _Server(uvicorn.Server):
    """Leaves signals to us: after its own handling it would kill the process before we have closed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _contact(settings: Settings) -> str:
    """How programs on this machine reach us: by the page's socket that was handed down, if there is one."""
    host, port = settings.web.host, settings.web.port
    where = os.environ.get(PAGE) or written({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port)
    document = {
        "url": f"https://{where}",
        "mqtt_host": settings.public_address,
        "mqtt_port": settings.mqtt.port,
        "timezone": settings.timezone,
    }
    return json.dumps(document) + "\n"


if __name__ == "__main__":
    sys.exit(main())
