"""Certificates and roots change under the real Mosquitto and nginx, and no unit is stranded."""

from __future__ import annotations

import hashlib
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from diemcau_controller.adapters.authority import Authority
from diemcau_controller.adapters.authority import certificates as made
from diemcau_controller.adapters.authority.roots import forget_former, rotate
from diemcau_controller.adapters.mosquitto_config import write_mosquitto_config
from diemcau_controller.adapters.nginx_config import FrontDoor, write_nginx_config
from diemcau_controller.namespace import ADDRESS
from paho.mqtt.enums import CallbackAPIVersion

from tests.unit.old_authority import old_authority, old_unit

MQTT, HTTPS, GUESTS = 28884, 28885, 28886


def until(what: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


class Unit:
    """A unit's key, certificate and roots as files; asleep until it connects."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def renew(self, authority: Authority) -> None:
        """What it gets by proof of its key: a certificate, and the roots of now."""
        key = made.read_key((self.folder / "unit.key").read_bytes())
        (self.folder / "unit.crt").write_text(authority.sign_unit(made.public_pem(key)).pem_chain)
        (self.folder / "ca.crt").write_bytes(authority.ca_pem())

    def context(self) -> ssl.SSLContext:
        tls = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        tls.load_cert_chain(self.folder / "unit.crt", self.folder / "unit.key")
        return tls

    def mqtt(self) -> paho.Client | None:
        """A connection to the broker that lives; None when either side refused the other."""
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=self.folder.name)
        client.tls_set_context(self.context())
        try:
            client.connect(ADDRESS, MQTT)
        except (ssl.SSLError, ConnectionError):
            return None
        client.loop_start()
        deadline = time.monotonic() + 3  # with TLS 1.3 the broker refuses after the client's handshake
        while not client.is_connected() and time.monotonic() < deadline:
            time.sleep(0.01)
        if client.is_connected():
            return client
        client.loop_stop()
        return None

    def https(self) -> int:
        """The answer's status: 503 when let in (nobody is behind nginx here), 403 when the certificate is
        not accepted, 0 when the unit does not accept the server."""
        try:
            with (
                socket.create_connection((ADDRESS, HTTPS), timeout=5) as raw,
                self.context().wrap_socket(raw, server_hostname=ADDRESS) as tls,
            ):
                tls.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                return int(tls.recv(1000).split()[1])
        except ssl.SSLCertVerificationError:
            return 0

    def attends(self) -> bool:
        client = self.mqtt()
        if client is None:
            return False
        client.disconnect()
        client.loop_stop()
        return self.https() == 503


class Servers:
    """Mosquitto and nginx of an authority."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.at = datetime.now(UTC)
        self.authority = Authority(folder / "ca", lambda: self.at)
        self.server = self.authority.server_certificate([], [ADDRESS], files="services")
        listen = {"addresses": [ADDRESS], "port": MQTT}
        broker = write_mosquitto_config(
            folder / "mosquitto",
            authority=self.authority,
            server=self.server,
            **listen,  # type: ignore[arg-type]
        )
        nowhere = folder / "nowhere.sock"
        key, certificate = self.server
        web = write_nginx_config(
            folder / "nginx",
            FrontDoor(
                listen=(f"{ADDRESS}:{HTTPS}",),
                guests=f"{ADDRESS}:{GUESTS}",
                key=key,
                certificate=certificate,
                trust=self.authority.ca_path,
                controller=nowhere,
                porter=nowhere,
                releases=folder / "releases",
            ),
        )
        self._broker = ["mosquitto", "-c", str(broker)]
        self._web = ["/usr/sbin/nginx", "-e", "stderr", "-p", str(folder / "nginx"), "-c", str(web)]
        self._probe = self.unit("probe")
        self.start()

    def start(self) -> None:
        self.broker, self.web = self._run(self._broker), self._run(self._web)
        for port in (MQTT, HTTPS):
            until(lambda port=port: _open(port))  # type: ignore[misc]

    def _run(self, command: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        for process in (self.broker, self.web):
            process.terminate()
        for process in (self.broker, self.web):
            process.wait(10)

    def take_over(self) -> None:
        """As the launcher does when the roots changed."""
        self.authority.server_certificate([], [ADDRESS], files="services")
        self.web.send_signal(signal.SIGHUP)
        self.broker.terminate()
        self.broker.wait(10)
        self.broker = self._run(self._broker)
        for port in (MQTT, HTTPS):
            until(lambda port=port: _open(port) and self.shown(port) == self.wanted())  # type: ignore[misc]

    def wanted(self) -> bytes:
        """SHA-256 of the certificate the servers are to show."""
        leaf, *_ = made.read_chain(self.server[1].read_bytes())
        return hashlib.sha256(leaf.public_bytes(Encoding.DER)).digest()

    def shown(self, port: int) -> bytes:
        """SHA-256 of the certificate the server shows to a unit, which believes anything."""
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        self._probe.renew(Authority(self.authority.folder))  # whatever time it is there
        tls.load_cert_chain(self._probe.folder / "unit.crt", self._probe.folder / "unit.key")
        with socket.create_connection((ADDRESS, port), 5) as raw, tls.wrap_socket(raw) as shown:
            return hashlib.sha256(shown.getpeercert(binary_form=True) or b"").digest()

    def unit(self, name: str) -> Unit:
        self.authority.new_unit_identity(self.folder / name, ADDRESS, MQTT)
        return Unit(self.folder / name)


def _open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((ADDRESS, port)) == 0


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    made_ = Servers(tmp_path)
    yield made_
    made_.stop()


def test_a_new_certificate_is_taken_over_without_losing_a_connection(servers: Servers) -> None:
    unit = servers.unit("unit")
    client = unit.mqtt()
    assert client is not None
    lost: list[object] = []
    client.on_disconnect = lambda *arguments: lost.append(arguments)
    before = servers.shown(MQTT)
    with (
        socket.create_connection((ADDRESS, HTTPS), 5) as raw,
        unit.context().wrap_socket(raw, server_hostname=ADDRESS) as page,
    ):
        page.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")  # a request that is still on its way
        servers.at += timedelta(days=500)
        servers.authority.server_certificate([], [ADDRESS], files="services")
        servers.broker.send_signal(signal.SIGHUP)
        servers.web.send_signal(signal.SIGHUP)
        for port in (MQTT, HTTPS):
            until(lambda port=port: servers.shown(port) == servers.wanted() != before)  # type: ignore[misc]
        page.sendall(b"\r\n")
        assert page.recv(1000).startswith(b"HTTP/1.1 503")
    assert client.publish("x", b"", 1).rc == 0
    time.sleep(1)
    assert lost == [] and client.is_connected()
    client.loop_stop()


def test_a_unit_asleep_while_the_roots_change_attends_afterwards(servers: Servers) -> None:
    awake, asleep = servers.unit("awake"), servers.unit("asleep")
    stranger = Unit(servers.folder / "stranger")
    Authority(servers.folder / "other").new_unit_identity(stranger.folder, ADDRESS, MQTT)
    (stranger.folder / "ca.crt").write_bytes(servers.authority.ca_pem())
    assert awake.attends() and not stranger.attends() and stranger.https() in (400, 403)

    rotate(servers.authority)
    assert awake.attends(), "before the servers took the change over"
    awake.renew(servers.authority)
    assert awake.attends(), "who has renewed meets servers that have not taken over yet"
    servers.take_over()
    assert awake.attends()
    assert asleep.attends(), "it knows the root that was asleep, too, and its own certificate still counts"

    forget_former(servers.authority)
    servers.take_over()
    assert awake.attends()
    assert not asleep.attends()
    assert asleep.https() in (400, 403), "it accepts the server, so it can renew by proof of its key"
    asleep.renew(servers.authority)
    assert asleep.attends()

    rotate(servers.authority)
    forget_former(servers.authority)
    servers.take_over()
    assert awake.https() in (400, 403), "it slept through one change: it accepts the server, too"
    rotate(servers.authority)
    servers.take_over()
    assert awake.https() == 0, "through two: it accepts nobody, and is enrolled anew"


def test_units_and_servers_from_before_there_were_two_roots(tmp_path: Path) -> None:
    old_authority(tmp_path / "ca")
    old_unit(tmp_path / "ca", tmp_path / "old")
    servers = Servers(tmp_path)
    try:
        old, new = Unit(tmp_path / "old"), servers.unit("new")
        assert old.attends() and new.attends()
        old.renew(servers.authority)
        assert old.attends()
        forget_former(servers.authority)
        servers.take_over()
        assert old.attends() and new.attends()
    finally:
        servers.stop()
