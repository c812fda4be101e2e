"""The line to the broker: paho-mqtt over mutual TLS, made anew whenever it is lost.

paho runs the network in a thread. Its callbacks parse, count and hand over into a bounded inbox of the
event loop; nothing else of this program runs there, so no lock of ours can meet one of paho's. Every
connection has a client, a nonce and a will of its own. What cannot be sent now is not queued: whoever
publishes learns it and publishes again when `connected` fires.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from diemcau_wire import Channel, Refused, address, encode
from diemcau_wire.messages import Message, Presence, State
from diemcau_wire.topics import RETAINED, filters_of_unit, qos
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from .commands import Arrival, read
from .daemon_thread import in_daemon_thread
from .state_folder import Identity
from .tls import towards_coordinator

log = logging.getLogger(__name__)

KEEPALIVE_S = 20
CONNECT_TIMEOUT_S = 30
READY_TIMEOUT_S = 30  # from TCP to the subscriptions answered
UNANSWERED_S = 15  # a publication without PUBACK for this long: the line is dead, whatever TCP says
LONGEST_PAUSE_S = 30
STEADY_S = 30  # a connection that lived this long forgives earlier failures
INBOX = 256
OUTGOING = (
    4000  # unanswered publications: a PUBACK waits behind the 2000 messages a broker may have under way
)


class Inbox:
    """A bounded queue from other threads into the event loop."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[tuple[Channel, Arrival]] = deque()
        self._arrived = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def offer(self, item: tuple[Channel, Arrival]) -> bool:
        """Put in an item, from any thread; False when there is no room."""
        if len(self._items) >= self._size:
            return False
        self._items.append(item)
        self._loop.call_soon_threadsafe(self._arrived.set)
        return True

    async def take(self) -> tuple[Channel, Arrival]:
        """The oldest item."""
        while not self._items:
            self._arrived.clear()
            await self._arrived.wait()
        return self._items.popleft()


@dataclass(slots=True)
class _Connection:
    """One connection, from its first packet to its last."""

    client: _Client
    nonce: str
    lost: asyncio.Event
    ready: asyncio.Event
    unanswered: dict[int, float]
    all_answered: asyncio.Event
    why: str = "no answer"


class _Client(mqtt.Client):
    """paho's client that says when its thread ends, for whatever reason."""

    ended: Callable[[], None]

    def loop_forever(self, timeout: float = 1.0, retry_first_connection: bool = False) -> MQTTErrorCode:
        try:
            return super().loop_forever(timeout, retry_first_connection)
        except (OSError, ValueError, AttributeError, IndexError, KeyError) as error:
            log.exception("paho's network thread failed", extra={"error": str(error)})
            return MQTTErrorCode.MQTT_ERR_UNKNOWN
        finally:
            self.ended()


class Link:
    """The unit's line to its controller.

    `state` makes the presence message for a nonce; `connected` runs in the event loop after each connect,
    when the subscriptions stand. `refused` counts what was not taken, by wire reason or `overflow`; `denied`:
    the broker took the last connection and gave us no rights.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        state: Callable[[Presence, str], State],
        connected: Callable[[], None],
        chance: Callable[[], float],
        clock_trusted: Callable[[], bool],
    ) -> None:
        self._identity, self._state, self._connected = identity, state, connected
        self._chance, self._clock_trusted = chance, clock_trusted
        self._loop = asyncio.get_running_loop()
        self._now: _Connection | None = None
        self._hurry = asyncio.Event()
        self.denied = False
        self.inbox = Inbox(INBOX)
        self.refused: Counter[str] = Counter()
        self.rtt_ms: float | None = None

    @property
    def nonce(self) -> str | None:
        """The nonce of the connection that stands now; None when none does."""
        return self._now.nonce if self._now else None

    def publish(self, channel: Channel, message: Message) -> bool:
        """Send a message on the present connection; False when there is none or it takes no more."""
        return self._now is not None and self._publish(self._now, channel, message)

    def announce(self) -> None:
        """Say online again, on the present connection."""
        if self._now is not None:
            state = self._state(Presence.ONLINE, self._now.nonce)
            self._publish(self._now, Channel.STATE, state)

    def again(self, identity: Identity) -> None:
        """Who we are was renewed: a line that does not stand is tried again at once. One that does stays."""
        self._identity, self.denied = identity, False
        self._hurry.set()

    async def run(self) -> None:
        """Connect, stay connected, connect again; never returns."""
        failures = 0
        while True:
            began = time.monotonic()
            try:
                await self._one_connection()
            except (OSError, ValueError) as error:  # TLS and name errors are OSError and ValueError
                log.warning("no connection to the broker", extra={"error": str(error)[:300]})
            if time.monotonic() - began > STEADY_S:
                failures = 0
            pause_s = min(LONGEST_PAUSE_S, 2**failures) * (0.5 + 0.5 * self._chance())
            failures = min(failures + 1, 10)
            self._hurry.clear()
            await first(pause_s, self._hurry)

    async def goodbye(self, timeout_s: float = 1.0) -> None:
        """Say offline and hang up, within `timeout_s`."""
        connection, self._now = self._now, None
        if connection is None:
            return
        self._publish(connection, Channel.STATE, self._state(Presence.OFFLINE, connection.nonce))
        if connection.unanswered:
            connection.all_answered.clear()
            await first(timeout_s, connection.all_answered, connection.lost)
        connection.client.disconnect()
        await first(
            0.5, connection.lost
        )  # a process that ends before DISCONNECT is sent has its will published

    # ── one connection ───────────────────────────────────────────────────────────────────────────

    async def _one_connection(self) -> None:
        connection = self._make(uuid.uuid4().hex)
        client, where = connection.client, self._identity
        await in_daemon_thread(lambda: client.connect(where.mqtt_host, where.mqtt_port, KEEPALIVE_S))
        client.loop_start()
        try:
            await first(READY_TIMEOUT_S, connection.ready, connection.lost)
            if connection.ready.is_set() and not connection.lost.is_set():
                self._now = connection
                log.info("connected", extra={"nonce": connection.nonce})
                self.announce()
                self._connected()
                await self._until_lost(connection)
            log.warning("connection lost", extra={"why": connection.why})
        finally:
            if self._now is connection:
                self._now = None
            if not connection.lost.is_set():
                _hang_up(client)

    async def _until_lost(self, connection: _Connection) -> None:
        while self._now is connection:
            await first(2, connection.lost)
            if connection.lost.is_set():
                return
            oldest = min(connection.unanswered.values(), default=None)
            if oldest is not None and time.monotonic() - oldest > UNANSWERED_S:
                connection.why = "publication unanswered"
                return
        await first(5, connection.lost)  # goodbye() hangs up

    def _publish(self, connection: _Connection, channel: Channel, message: Message) -> bool:
        try:
            payload = encode(message)
        except Refused as error:
            log.error("message not sent", extra={"channel": channel.value, "error": str(error)})
            return False
        name, level = address(message, channel), qos(channel)
        sent = connection.client.publish(name, payload, level, retain=channel in RETAINED)
        if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return False
        if level:
            connection.unanswered[sent.mid] = time.monotonic()
        return True

    def _make(self, nonce: str) -> _Connection:
        client = _Client(
            CallbackAPIVersion.VERSION2,
            # a name nobody can guess: whoever connects under it would throw us off the broker
            client_id=f"{self._identity.unit}-{uuid.uuid4().hex}",
            protocol=mqtt.MQTTv5 if self._identity.mqtt_protocol == "5" else mqtt.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(OUTGOING)
        client.max_queued_messages_set(OUTGOING)
        client.tls_set_context(self._tls())
        will = self._state(Presence.LOST, nonce)
        client.will_set(address(will, Channel.STATE), encode(will), qos(Channel.STATE), retain=True)
        connection = _Connection(client, nonce, asyncio.Event(), asyncio.Event(), {}, asyncio.Event())
        client.ended = lambda: self._later(connection.lost.set)
        client.on_connect = self._guarded(self._on_connect, connection)
        client.on_subscribe = self._guarded(self._on_subscribe, connection)
        client.on_disconnect = self._guarded(self._on_disconnect, connection)
        client.on_publish = self._guarded(self._on_publish, connection)
        client.on_message = self._guarded(self._on_message, connection)
        return connection

    def _tls(self) -> ssl.SSLContext:
        return towards_coordinator(self._identity, clock_trusted=self._clock_trusted())

    # ── callbacks, in paho's thread ──────────────────────────────────────────────────────────────

    def _guarded(self, callback: Callable[..., None], connection: _Connection) -> Callable[..., None]:
        def guarded(*arguments: Any) -> None:
            try:
                callback(connection, *arguments[2:])
            except Exception:  # an exception here would end paho's thread unnoticed
                self.refused["internal"] += 1
                log.exception("callback failed")

        return guarded

    def _later(self, work: Callable[[], object]) -> None:
        try:
            self._loop.call_soon_threadsafe(work)
        except RuntimeError:
            log.debug("the event loop is closed")

    def _on_connect(self, connection: _Connection, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            connection.why = f"refused by the broker: {reason}"
            self.denied = True
            connection.client.disconnect()
            return
        connection.client.subscribe([(name, 1) for name in filters_of_unit(self._identity.unit)])

    def _on_subscribe(self, connection: _Connection, mid: int, reasons: list[Any], properties: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            connection.why = f"no rights at the broker: {[str(reason) for reason in reasons]}"
            self.denied = True
            connection.client.disconnect()
            return
        self.denied = False
        self._later(connection.ready.set)

    def _on_disconnect(self, connection: _Connection, flags: Any, reason: Any, properties: Any) -> None:
        if connection.why == "no answer":
            connection.why = str(reason)

    def _on_publish(self, connection: _Connection, mid: int, reason: Any, properties: Any) -> None:
        self._later(lambda: self._answered(connection, mid))

    def _answered(self, connection: _Connection, mid: int) -> None:
        sent = connection.unanswered.pop(mid, None)
        if sent is not None:
            self.rtt_ms = round((time.monotonic() - sent) * 1000, 1)
        if not connection.unanswered:
            connection.all_answered.set()

    def _on_message(self, connection: _Connection, message: mqtt.MQTTMessage) -> None:
        try:
            item = read(self._identity.unit, message.topic, bytes(message.payload))
        except UnicodeDecodeError:
            self.refused["topic"] += 1
            return
        except Refused as error:
            self.refused[error.reason.value] += 1
            return
        if not self.inbox.offer(item):
            self.refused["overflow"] += 1


async def first(timeout_s: float | None, *events: asyncio.Event) -> None:
    """Wait for one of `events`, at most `timeout_s`, None: for as long as it takes."""
    tasks = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def _hang_up(client: mqtt.Client) -> None:
    """Cut the line under paho's thread, which then ends by itself."""
    client.disconnect()
    sock = client.socket()
    if isinstance(sock, socket.socket):
        try:
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not SSLSocket's: that one breaks its reader
        except OSError:
            log.debug("socket was closed already")
