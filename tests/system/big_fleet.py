"""A database as a large coordinator has it: provinces, communes, sites, units and what they last said.

Written in bulk, past the actions, because 3,321 sites by single actions would take minutes. Numbers repeat:
the same count gives the same fleet.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from diemcau_controller.actions.ingest import Taken
from diemcau_controller.rules.naming import slug
from diemcau_controller.store.database import Database
from diemcau_controller.store.tables import (
    VERDICT,
    Area,
    Base,
    Binding,
    Desired,
    EventRow,
    Group,
    GroupMember,
    Newest,
    Site,
    Unit,
)
from diemcau_wire.messages import Event, EventKind, Health
from diemcau_wire.topics import Channel
from sqlalchemy import insert


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.replace("\n", " ").split(",") if word.strip()]


PROVINCES = _words("""
Thành phố Hà Nội, Thành phố Huế, Tỉnh Lai Châu, Tỉnh Điện Biên, Tỉnh Sơn La, Tỉnh Lạng Sơn,
Tỉnh Quảng Ninh, Tỉnh Thanh Hóa, Tỉnh Nghệ An, Tỉnh Hà Tĩnh, Tỉnh Cao Bằng, Tỉnh Tuyên Quang,
Tỉnh Lào Cai, Tỉnh Thái Nguyên, Tỉnh Phú Thọ, Tỉnh Bắc Ninh, Tỉnh Hưng Yên, Thành phố Hải Phòng,
Tỉnh Ninh Bình, Tỉnh Quảng Trị, Thành phố Đà Nẵng, Tỉnh Quảng Ngãi, Tỉnh Gia Lai, Tỉnh Khánh Hòa,
Tỉnh Lâm Đồng, Tỉnh Đắk Lắk, Thành phố Hồ Chí Minh, Tỉnh Đồng Nai, Tỉnh Tây Ninh,
Thành phố Cần Thơ, Tỉnh Vĩnh Long, Tỉnh Đồng Tháp, Tỉnh Cà Mau, Tỉnh An Giang
""")
_FIRST = _words("""
Ea, Cư, Krông, Tân, Phú, Bình, Hòa, Vĩnh, Mường, Nậm, Đông, Tây, Quảng, Yên, Đại, Thượng, Hương,
Sơn
""")
_SECOND = _words("""
Kiết, M'gar, Nô, Lợi, Thành, Mỹ, Khánh, Hội, Xén, Cắn, Giang, Lộc, Điền, Phong, Nghĩa, Ngọc, Trạch,
Đường, Kuêh, Drơng
""")
_KINDS = ("Xã", "Xã", "Xã", "Xã", "Phường", "Phường")
_PEOPLE = ("Y Bhin Niê", "Nguyễn Thị Hạnh", "H'Lan Ayun", "Trần Văn Đức", "Lê Thị Mỹ Duyên", "Lò Văn Ứng")
_FAULTS = ("camera_missing", "microphone_silent", "screen_missing", "camera_black", "janus_unreachable")
_GIGABYTE = 10**9
_CHECKED_BEFORE = timedelta(minutes=40)


def unit_id(number: int) -> str:
    """The id of the unit of site `number`."""
    return f"u{number:012x}"


def rtt_ms(number: int) -> float:
    """The round trip on the line of site `number`: mostly short, one in ten slow, one in twenty poor."""
    return 520.0 if number % 20 == 11 else 180.0 if number % 10 == 5 else 15.0 + number % 70


def fill(database: Database, count: int, now: datetime, *, provinces: int | None = None) -> list[str]:
    """Add `count` sites with their areas, units and newest documents; gives the sites' ids.

    Of a hundred sites about 86 are ready, 3 ready with a remark, 3 not, 2 lost, 2 off, 1 silent, 1 never seen
    and 2 without a unit. `provinces`: how many areas at the top (default: one per hundred sites, 34 at most).
    """
    chance = random.Random(count)
    tops = provinces or max(1, min(len(PROVINCES), count // 97))
    rows: dict[type[Base], list[dict[str, Any]]] = {
        kind: []
        for kind in (
            Area,
            Site,
            Unit,
            Binding,
            Newest,
            Desired,
            EventRow,
            Group,
            GroupMember,
        )  # parents first
    }
    for name in PROVINCES[:tops]:
        rows[Area].append({"id": slug(name), "name": name, "tier": "tỉnh", "parent_id": None})
    sites = []
    for number in range(count):
        sites.append(_site(rows, number, rows[Area][number % tops]["id"], now, chance))
    rows[Group].append({"id": "vung-sau", "name": "Vùng sâu"})
    rows[GroupMember] += [{"group_id": "vung-sau", "site_id": site} for site in sites[::7]]
    with database.session() as session:
        for kind, values in rows.items():
            if values:
                session.execute(insert(kind), values)
        session.commit()
    return sites


def _site(
    rows: dict[type[Base], list[dict[str, Any]]], number: int, area: str, now: datetime, chance: random.Random
) -> str:
    kind, first, second = chance.choice(_KINDS), chance.choice(_FIRST), chance.choice(_SECOND)
    name = f"{kind} {first} {second}" + ("" if number % 3 else f" {number}")
    site = f"s{number:05d}"
    who = {"name": _PEOPLE[number % len(_PEOPLE)], "phone": f"09{number % 10**8:08d}", "task": "kỹ thuật"}
    rows[Site].append(
        {
            "id": site,
            "name": name,
            "area_id": area,
            "is_centre": number == 0,
            "contacts": [] if number % 40 == 39 else [who],
            "epoch": 1,
        }
    )
    dice = chance.random() if number else 0.5
    if dice < 0.02:
        return site
    unit = unit_id(number)
    status = "lost" if dice < 0.04 else "offline" if dice < 0.06 else "silent" if dice < 0.07 else "online"
    if dice > 0.99:
        status = "never"
    seen = None if status == "never" else now - timedelta(seconds=chance.uniform(0, 9))
    if status in ("lost", "offline") and seen is not None:
        seen -= timedelta(minutes=chance.uniform(2, 3000))
    rows[Unit].append(
        {
            "id": unit,
            "site_id": site,
            "epoch": 1,
            "status": status,
            "last_seen": seen,
            "nonce": "n",
            "version": "1",
        }
    )
    rows[Binding].append({"site_id": site, "epoch": 1, "unit_id": unit, "bound_at": now})
    if status == "never":
        return site
    verdict = {"verdict": "ready", "instruction": ""}
    if dice < 0.13:
        word = "not_ready" if dice < 0.10 else "remark"
        verdict = {"verdict": word, "instruction": chance.choice(_FAULTS)}
    for channel, document in (
        (Channel.HEALTH, health(number, 1, now).model_dump(mode="json", exclude={"v", "unit"})),
        (VERDICT, verdict),
        (Channel.REPORTED_CONFIG, {"rev": 3, "epoch": 1, "error": None, "at": now.isoformat()}),
        (Channel.REPORTED_SCHEDULE, {"rev": 9, "epoch": 1, "error": None, "at": now.isoformat()}),
        (Channel.REPORTED_SESSION, {"state": "idle", "meeting": None, "slots": [], "mic": "closed"}),
    ):
        at = now - _CHECKED_BEFORE if channel == VERDICT else now
        rows[Newest].append({"unit": unit, "channel": str(channel), "at": at, "document": document})
    for channel, rev in ((Channel.DESIRED_CONFIG, 3), (Channel.DESIRED_SCHEDULE, 9)):
        rows[Desired].append({"unit": unit, "channel": str(channel), "rev": rev, "document": {"rev": rev}})
    rows[EventRow].append(
        {
            "unit": unit,
            "stream": "s",
            "seq": 1,
            "id": f"{unit}:s:1",
            "boot_id": "b",
            "at": now,
            "kind": "verdict",
            "site": site,
            "data": verdict,
            "received_at": now,
        }
    )
    return site


def health(number: int, seq: int, at: datetime, line_ms: float | None = None) -> Health:
    """An ordinary measurement of the unit of site `number`; `line_ms` in place of its usual round trip."""
    return Health(
        unit=unit_id(number),
        boot_id="b",
        seq=seq,
        at=at,
        interval_s=10,
        cpu_percent=7.5,
        memory_percent=31.0,
        disk_free_bytes=20 * _GIGABYTE,
        temperature_c=51.0,
        uptime_s=3600.0 + seq,
        link_rtt_ms=rtt_ms(number) if line_ms is None else line_ms,
    )


def verdict(number: int, seq: int, at: datetime, word: str, instruction: str = "") -> Event:
    """The result of a self-check of the unit of site `number`."""
    unit = unit_id(number)
    return Event(
        id=f"{unit}:s:{seq}",
        unit=unit,
        boot_id="b",
        stream="s",
        seq=seq,
        at=at,
        kind=EventKind.VERDICT,
        site=f"s{number:05d}",
        data={"verdict": word, "instruction": instruction},
    )


def rounds_of_health(count: int, at: datetime, batch: int) -> Iterator[list[Taken]]:
    """Measurements as ingest takes them, `batch` at a time, unit after unit, round after round, for ever."""
    seq = 1
    while True:
        seq += 1
        for start in range(0, count, batch):
            numbers = range(start, min(start + batch, count))
            yield [Taken(Channel.HEALTH, health(number, seq, at)) for number in numbers]
