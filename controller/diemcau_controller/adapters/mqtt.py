"""The controller's MQTT link: what units say comes in batches, what they shall hear goes out at once.

Two threads. The network thread owns the connection (paho, mutual TLS), decodes at the border, counts what
it refuses and never waits for anything but the network. The batch thread hands what was taken to the
writer, which acknowledges it once it is stored. Each connection is a client of its own, so nothing of an
old one can linger: the database is the truth, and `on_connect` publishes it anew.
"""

from __future__ import annotations

import logging
import queue
import random
import secrets
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from diemcau_wire import Channel, Refused, Topic, address, decode, encode, filters_of_controller, topic
from diemcau_wire.messages import Ack, Message, Ruled
from diemcau_wire.topics import RETAINED, TO_UNIT, qos
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from .dynamic_security import ANSWERS, CONTROL

log = logging.getLogger(__name__)

OVERFLOW = "overflow"  # the counter beside wire.Reason: taken faster than stored
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.3, 15.0
_HANDSHAKE_S = 30.0
_LOSSY_LIMIT, _LIMIT = 5_000, 20_000  # waiting messages of QoS 0, of any QoS


@dataclass(frozen=True, slots=True)
class Received:
    """A message taken from a unit. `retained` is True when the broker had kept it from before."""

    topic: Topic
    message: Message
    retained: bool = False
    _mid: int = 0
    _client: paho.Client | None = field(default=None, repr=False, compare=False)


class MqttLink:
    """Publishes to and hears all units. Give it callbacks, then :meth:`start`.

    `on_batch` gets at most `batch` messages, gathered for at most `gather_s` seconds, and calls
    :meth:`ack` for each once it is stored. `on_connect` is called after each connection; both run in the
    same thread, and what they raise is logged and ends nothing. `on_ack` gets answers to commands as they
    arrive, `on_answer` those of the broker itself to :meth:`control`, in the network thread: they must not
    wait. `generation` is which life of the controller speaks: units refuse what an earlier one said.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        ca: Path,
        key: Path,
        certificate: Path,
        on_batch: Callable[[list[Received]], None],
        on_connect: Callable[[], None] | None = None,
        on_ack: Callable[[Ack], None] | None = None,
        on_answer: Callable[[bytes], None] | None = None,
        generation: int = 1,
        batch: int = 1000,
        gather_s: float = 0.1,
        keepalive_s: int = 15,
        protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv311,
    ) -> None:
        self._host, self._port, self._keepalive_s, self._protocol = host, port, keepalive_s, protocol
        self._ca, self._key, self._certificate = ca, key, certificate
        self._context()  # refuse files that are none now, not in the thread
        self._on_batch, self._on_connect, self._on_ack = on_batch, on_connect, on_ack
        self._on_answer, self._generation = on_answer, generation
        self._batch, self._gather_s = batch, gather_s
        self._waiting: queue.Queue[Received | None] = queue.Queue()  # None: a connection was made
        self._stopping = threading.Event()
        self._connected = threading.Event()
        self._resync = threading.Event()
        self._client: paho.Client | None = None
        self._threads = [
            threading.Thread(target=self._network, name="mqtt-network", daemon=True),
            threading.Thread(target=self._hand_over, name="mqtt-batch", daemon=True),
        ]
        self.refused: Counter[str] = Counter()

    @property
    def connected(self) -> bool:
        """True while the broker is reached and the subscriptions stand."""
        return self._connected.is_set()

    def start(self) -> None:
        """Connect and stay connected; returns at once."""
        for thread in self._threads:
            thread.start()

    def stop(self, patience_s: float = 2.0) -> None:
        """Send what is queued, hang up, end both threads."""
        deadline = time.monotonic() + patience_s
        client = self._client
        while self.connected and client is not None and client.want_write() and time.monotonic() < deadline:
            time.sleep(0.02)
        self._stopping.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.1, deadline - time.monotonic()))

    def publish(self, message: Message, channel: Channel) -> bool:
        """Queue a message for its unit; from any thread, never blocks.

        False when there is no connection: nothing is kept then, `on_connect` says everything anew. Raises
        :class:`diemcau_wire.Refused` for a message above the protocol's size.
        """
        if isinstance(message, Ruled) and message.generation != self._generation:
            message = message.model_copy(update={"generation": self._generation})
        name, payload = address(message, channel), encode(message)
        client = self._client
        if client is None or not self.connected:
            return False
        return (
            client.publish(name, payload, qos(channel), channel in RETAINED).rc
            == MQTTErrorCode.MQTT_ERR_SUCCESS
        )

    def control(self, message: bytes) -> bool:
        """Tell the broker itself (:mod:`.dynamic_security`), as :meth:`publish` does."""
        client = self._client
        if client is None or not self.connected:
            return False
        return client.publish(CONTROL, message, 1).rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def forget(self, unit: str) -> None:
        """Have the broker drop what it keeps for a unit: ways into meetings are in it."""
        client = self._client
        if client is not None and self.connected:
            for channel in TO_UNIT & RETAINED:
                client.publish(topic(unit, channel), b"", 1, retain=True)

    def ack(self, received: Received) -> None:
        """Tell the broker that a message is stored. One of an earlier connection will simply come again."""
        client = received._client
        if client is not None and client is self._client:
            client.ack(received._mid, qos(received.topic.channel))

    # ── network thread ───────────────────────────────────────────────────────────────────────────

    def _network(self) -> None:
        pause = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            since = time.monotonic()
            try:
                self._one_connection()
            except (OSError, ValueError) as error:
                log.warning("broker not reached", extra={"error": str(error), "port": self._port})
            except Exception:  # the thread must live, whatever paho meets in the broker's bytes
                log.exception("the MQTT connection failed")
            finally:
                self._connected.clear()
            if time.monotonic() - since > _LONGEST_PAUSE_S:
                pause = _FIRST_PAUSE_S
            self._stopping.wait(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    def _one_connection(self) -> None:
        """Connect and serve the connection until it ends."""
        client = self._new_client()
        client.connect(self._host, self._port, self._keepalive_s)
        self._client = client
        result = MQTTErrorCode.MQTT_ERR_SUCCESS
        while result == MQTTErrorCode.MQTT_ERR_SUCCESS:
            result = client.loop(timeout=1.0 if not self._stopping.is_set() else 0.1)
            if self._stopping.is_set() or (self._resync.is_set() and self._waiting.empty()):
                self._resync.clear()
                client.disconnect()
                with suppress(OSError, ValueError):
                    client.loop(timeout=0.1)
                return
        log.warning("broker lost", extra={"error": paho.error_string(result)})

    def _new_client(self) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"controller-{secrets.token_hex(6)}",
            clean_session=True if self._protocol != MQTTProtocolVersion.MQTTv5 else None,
            protocol=self._protocol,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        client.tls_set_context(self._context())
        client.connect_timeout = _HANDSHAKE_S
        client.max_inflight_messages_set(1000)
        client.max_queued_messages_set(100_000)
        client.on_connect = self._connack
        client.on_subscribe = self._subscribed
        client.on_message = self._arrived
        # With it set, paho writes only from loop(), whichever thread publishes: no caller ever waits for
        # the network, and packets of two threads cannot be mixed.
        client.on_socket_register_write = lambda *_: None
        return client

    def _context(self) -> ssl.SSLContext:
        """What to verify with and who we are, read anew each time: both are renewed while we run."""
        tls = ssl.create_default_context(cafile=str(self._ca))
        tls.load_cert_chain(self._certificate, self._key)
        return tls

    def _connack(self, client: paho.Client, _userdata: Any, _flags: Any, reason: Any, _more: Any) -> None:
        if reason.is_failure:
            log.error("the broker refuses the controller", extra={"reason": str(reason)})
            client.disconnect()
            return
        client.subscribe([(name, 1) for name in [*filters_of_controller(), ANSWERS]])

    def _subscribed(self, _client: paho.Client, _userdata: Any, _mid: int, reasons: Any, _more: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            log.error("the broker refuses a subscription of the controller")
        log.info("broker reached", extra={"host": self._host, "port": self._port})
        self._connected.set()
        self._waiting.put(None)

    def _arrived(self, client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        try:
            self._take(client, message)
        except Exception:  # it would end the connection, and again when the message is retained
            self.refused["internal"] += 1
            log.exception("a message cannot be read", extra={"topic": _topic_name(message)})
            client.ack(message.mid, message.qos)

    def _take(self, client: paho.Client, message: paho.MQTTMessage) -> None:
        if _topic_name(message) == ANSWERS:
            client.ack(message.mid, message.qos)
            if self._on_answer is not None:
                self._on_answer(bytes(message.payload))
            return
        try:
            where, document = decode(_topic_name(message), bytes(message.payload), from_unit=True)
        except Refused as refused:
            self.refused[refused.reason.value] += 1
            client.ack(message.mid, message.qos)
            return
        if isinstance(document, Ack) and self._on_ack is not None:
            client.ack(message.mid, message.qos)
            self._on_ack(document)
            return
        limit = _LIMIT if message.qos else _LOSSY_LIMIT
        if self._waiting.qsize() >= limit:
            self.refused[OVERFLOW] += 1
            if message.qos:
                self._resync.set()  # not acknowledged: a new connection brings it again, and what is retained
            return
        mid = message.mid if message.qos else 0
        self._waiting.put(Received(where, document, message.retain, mid, client))

    # ── batch thread ─────────────────────────────────────────────────────────────────────────────

    def _hand_over(self) -> None:
        while not self._stopping.is_set():
            batch: list[Received] = []
            connected = False
            deadline = None
            while len(batch) < self._batch:
                left = 0.5 if deadline is None else deadline - time.monotonic()
                try:
                    received = self._waiting.get(timeout=left) if left > 0 else self._waiting.get_nowait()
                except queue.Empty:
                    break
                if received is None:
                    connected = True
                    break
                batch.append(received)
                deadline = deadline if deadline is not None else time.monotonic() + self._gather_s
            if batch:
                self._call(lambda batch=batch: self._on_batch(batch))  # type: ignore[misc]
            if connected and self._on_connect is not None:
                self._call(self._on_connect)

    def _call(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception:  # the messages stay unacknowledged and come again; the thread lives
            log.exception("a batch of messages could not be taken")


def _topic_name(message: paho.MQTTMessage) -> str:
    """The topic, with what is not UTF-8 in it made visible instead of raised."""
    try:
        return message.topic
    except UnicodeDecodeError:
        return "?"
