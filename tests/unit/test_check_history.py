"""What units say of their rooms: read whatever it holds, counted by day, and what is open in a hall."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from diemcau_controller.actions.ingest import Taken, ingest
from diemcau_controller.rules.room import Room, read_room, room_after
from diemcau_controller.rules.sources import MASK, checked, masked, masked_change, unmasked
from diemcau_controller.rules.verdicts import device_of, read_verdict
from diemcau_controller.store.tables import ROOM, Binding, CheckDay, FaultDay, Newest, Site, SiteHour, Unit
from diemcau_wire.messages import Event, EventKind, Health
from diemcau_wire.topics import Channel
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.empty_database import empty_database

UNIT = "u0123456789ab"
NOW = datetime(2026, 3, 12, 0, 30, tzinfo=UTC)  # 07:30 at the hall
HALL = ZoneInfo("Asia/Ho_Chi_Minh")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    database = empty_database(tmp_path / "controller.sqlite", tmp_path / "health.sqlite")
    with database.session() as made:
        made.add(Site(id="ea-kiet", name="Xã Ea Kiết"))
        made.add(Unit(id=UNIT, site_id="ea-kiet", epoch=1, status="online"))
        made.flush()
        made.add(Binding(site_id="ea-kiet", epoch=1, unit_id=UNIT, bound_at=NOW))
        made.flush()
        yield made
    database.close()


def say(session: Session, seq: int, kind: EventKind, at: datetime = NOW, **data: Any) -> None:
    event = Event(
        id=f"{UNIT}:s:{seq}",
        unit=UNIT,
        boot_id="b",
        stream="s",
        seq=seq,
        at=at,
        kind=kind,
        site="ea-kiet",
        data=data,
    )
    ingest(session, [Taken(Channel.EVENT, event)], NOW, HALL)


def test_checks_and_faults_are_counted_by_day_of_the_hall(session: Session) -> None:
    black = {"what": "camera_black", "text": "luma 2", "remedy": "", "mended": None}
    muted = {"what": "sound_muted", "text": "", "remedy": "unmute_sink", "mended": True}
    hot = {"what": "hot", "text": "81 °C", "weight": "remark"}
    say(
        session,
        1,
        EventKind.VERDICT,
        verdict="not_ready",
        instruction="camera_black",
        findings=[black, muted, hot],
    )
    say(session, 2, EventKind.VERDICT, NOW - timedelta(hours=8), verdict="remark", findings=[hot])
    say(session, 3, EventKind.VERDICT, datetime(1970, 1, 1, tzinfo=UTC), verdict="ready")
    say(session, 4, EventKind.VERDICT, verdict=["nonsense"], findings="all of them")
    days = {(one.day, one.ready, one.remark, one.not_ready) for one in session.scalars(select(CheckDay))}
    assert days == {("2026-03-12", 1, 0, 1), ("2026-03-11", 0, 1, 0)}
    faults = {
        (one.day, one.what): (one.not_ready, one.remark, one.mended)
        for one in session.scalars(select(FaultDay))
    }
    assert faults == {
        ("2026-03-12", "camera_black"): (1, 0, 0),
        ("2026-03-12", "sound_muted"): (0, 0, 1),
        ("2026-03-12", "hot"): (0, 1, 0),
        ("2026-03-11", "hot"): (0, 1, 0),
    }


def test_an_hour_of_measurements_is_summed(session: Session) -> None:
    for seq, (rtt, heat) in enumerate([(20.0, 55.0), (60.0, 61.5), (None, None)], 1):
        health = Health(
            unit=UNIT,
            boot_id="b",
            seq=seq,
            at=NOW,
            interval_s=10,
            cpu_percent=1,
            memory_percent=1,
            disk_free_bytes=1,
            temperature_c=heat,
            uptime_s=1,
            link_rtt_ms=rtt,
        )
        ingest(session, [Taken(Channel.HEALTH, health)], NOW + timedelta(seconds=seq), HALL)
    (hour,) = session.scalars(select(SiteHour))
    assert (hour.site_id, hour.hour) == ("ea-kiet", NOW.replace(minute=0))
    assert (hour.rtt_count, hour.rtt_sum_ms, hour.rtt_most_ms, hour.hottest_c) == (2, 80.0, 60.0, 61.5)


def test_what_is_open_in_the_hall(session: Session) -> None:
    def room() -> Room:
        row = session.get(Newest, (UNIT, ROOM))
        return read_room(row.document if row is not None else {})

    assert room() == Room()
    say(session, 1, EventKind.CAMERA_OPENED)
    say(session, 2, EventKind.MICROPHONE_OPENED)
    say(session, 3, EventKind.LOCAL_MUTE, on=True)
    assert room().open == ("camera", "microphone") and room().muted
    say(session, 4, EventKind.CAMERA_LOST)
    say(session, 5, EventKind.LOCAL_MUTE, on=False)
    assert room().open == ("microphone",) and not room().muted
    say(session, 6, EventKind.LOCAL_STOP, on=True)
    say(session, 7, EventKind.LEFT)
    assert not room().stopped
    say(session, 8, EventKind.BOOTED)
    assert room() == Room()


@given(st.dictionaries(st.text(max_size=12), JSON, max_size=6), JSON, JSON)
def test_a_verdict_may_hold_anything(data: dict[str, Any], verdict: Any, findings: Any) -> None:
    read = read_verdict({**data, "verdict": verdict, "findings": findings})
    assert read.verdict in ("", "ready", "remark", "not_ready")
    assert read.fault and all(one.what.isidentifier() for one in read.findings)
    room_after({}, "local_mute", data, "")


def test_faults_belong_to_devices() -> None:
    words = ("camera_gop", "microphone_quiet", "sound_echo", "edid_missing", "janus_unreachable", "hot", "?")
    assert [device_of(word) for word in words] == [
        *("camera", "microphone", "sound", "television", "line", "machine", "machine")
    ]


@pytest.mark.parametrize(
    "source",
    [
        "rtsp://admin:b%40d@10.0.0.2:554/main",
        "onvif://admin:x@[fe80::1]",
        "v4l2:usb-046d_HD_Pro-video-index0",
        "v4l2:/dev/video0",
        "synthetic",
    ],
)
def test_cameras_that_can_be(source: str) -> None:
    assert checked("camera", source) == source


@pytest.mark.parametrize(
    "source",
    [
        *(
            "webcam",
            "rtsp://",
            "rtsp://u:p@",
            "rtsp://h:port/",
            "rtsp://h:99999/",
            "rtsp://a/b@c:d\n",
            "v4l2:",
        ),
        *(f"rtsp://u:{MASK}@h/1", "onvif://[::1", "v4l2: x"),
    ],
)
def test_cameras_that_cannot(source: str) -> None:
    with pytest.raises(ValueError, match="write"):
        checked("camera", source)


def test_passwords_are_covered() -> None:
    source = "rtsp://admin:pass@word@10.0.0.2/main"
    assert masked(source) == f"rtsp://admin:{MASK}@10.0.0.2/main"
    assert (
        masked(f"cannot open {source}: refused") == f"cannot open rtsp://admin:{MASK}@10.0.0.2/main: refused"
    )
    assert unmasked(masked(source), source) == source
    assert unmasked(f"rtsp://admin:{MASK}@evil/main", source) is None
    assert unmasked("none", source) == "none"
    was, now = masked_change({"camera": source}, {"camera": source.replace("pass", "new")})
    assert was != now and "word" not in f"{was}{now}".replace("password", "")
