"""Units that only speak to the broker, over mutual TLS with an identity each, and copies of them: light
enough for a hundred beside each other."""

from __future__ import annotations

import secrets
import shutil
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import paho.mqtt.client as paho
from diemcau_controller.adapters.authority import Authority
from diemcau_controller.config import StateDir
from diemcau_controller.demo.stage import Stage
from diemcau_controller.namespace import ADDRESS
from diemcau_wire import encode, topic
from diemcau_wire.messages import Health, Message, Presence, State
from diemcau_wire.topics import Channel
from paho.mqtt.enums import CallbackAPIVersion

INTERVAL_S = 10.0  # as halls measure


@dataclass(frozen=True, slots=True)
class Disk:
    """A unit's identity in a folder, and what tells the disk."""

    unit: str
    folder: Path
    mqtt_port: int
    media: str

    def copied(self, folder: Path) -> Disk:
        return Disk(self.unit, Path(shutil.copytree(self.folder, folder)), self.mqtt_port, self.media)


def new_units(stage: Stage, count: int, mqtt_port: int) -> list[Disk]:
    """So many sites, each with a unit of its own."""
    authority, disks = Authority(StateDir(stage.root).authority), []
    for number in range(count):
        site, folder = f"xa-{number}", stage.root / "disks" / str(number)
        unit = authority.new_unit_identity(folder, ADDRESS, mqtt_port)
        stage.api.post("/api/v1/sites", {"id": site, "name": f"Xã {number}"})
        certificate = (folder / "unit.crt").read_text()
        stage.api.post("/api/v1/units", {"id": unit, "site": site, "certificate": certificate})
        disks.append(Disk(unit, folder, mqtt_port, f"disk-{number}"))
    return disks


class Box:
    """A machine with such a disk in it that was switched on; `count` is how often this disk has connected."""

    def __init__(self, disk: Disk, box: str, count: int) -> None:
        self._disk, self._box, self._count, self._seq = disk, box, count, 0
        self._boot = secrets.token_hex(8)
        tls = ssl.create_default_context(cafile=str(disk.folder / "ca.crt"))
        tls.load_cert_chain(disk.folder / "unit.crt", disk.folder / "unit.key")
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=f"{disk.unit}-{secrets.token_hex(4)}"
        )
        self._client.tls_set_context(tls)
        self._client.on_connect = self._connected
        self.connections = 0
        self._client.connect(ADDRESS, disk.mqtt_port)
        self._client.loop_start()

    @property
    def connected(self) -> bool:
        return self._client.is_connected()

    @property
    def count(self) -> int:
        return self._count

    def measure(self) -> None:
        self._seq += 1
        self._say(
            Channel.HEALTH,
            Health(
                unit=self._disk.unit,
                boot_id=self._boot,
                seq=self._seq,
                at=datetime.now(UTC),
                interval_s=INTERVAL_S,
                cpu_percent=1,
                memory_percent=1,
                disk_free_bytes=1,
                uptime_s=1,
            ),
        )

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, *_: object) -> None:
        self.connections += 1
        self._count += 1
        self._say(
            Channel.STATE,
            State(
                unit=self._disk.unit,
                status=Presence.ONLINE,
                boot_id=self._boot,
                nonce=secrets.token_hex(8),
                version="1",
                join_count=self._count,
                media=self._disk.media,
                box=self._box,
                at=datetime.now(UTC),
            ),
        )

    def _say(self, channel: Channel, message: Message) -> None:
        health = channel is Channel.HEALTH
        self._client.publish(
            topic(self._disk.unit, channel), encode(message), qos=0 if health else 1, retain=not health
        )
