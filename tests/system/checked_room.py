"""A site whose page has everything to show: devices found and missing, a check with all kinds of findings, a
month of days and hours, what is open in the hall, and notices about it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from diemcau_controller.actions.ingest import Taken
from diemcau_controller.store.tables import CheckDay, FaultDay, Notice, SiteHour
from diemcau_wire.messages import Event, EventKind, ReportedDevices
from diemcau_wire.topics import Channel
from sqlalchemy.orm import Session

from tests.system.served_office import ServedOffice

DEVICES = [
    ("camera", "v4l2:usb-046d_HD_Pro_Webcam_C920_1A2B3C4D-video-index0", "HD Pro Webcam C920"),
    ("camera", "v4l2:path-pci-0000:00:14.0-usb-0:2:1.0-video-index0", "USB 2.0 Camera"),
    ("microphone", "pulse:alsa_input.usb-Jabra_SPEAK_510-00.mono-fallback", "Jabra SPEAK 510 Mono"),
    ("speaker", "pulse:alsa_output.usb-Jabra_SPEAK_510-00.analog-stereo", "Jabra SPEAK 510 Analog Stereo"),
    ("television", "cec:card0-HDMI-A-1", "SONY TV"),
    ("buttons", "evdev:usb-Logitech_R400", "Logitech R400"),
]
FINDINGS: list[dict[str, Any]] = [
    {
        "what": "camera_black",
        "text": "mean luma 2 of 255 over 4 s",
        "remedy": "reopen_camera",
        "mended": False,
    },
    {"what": "sound_muted", "text": "sink muted", "remedy": "unmute_sound", "mended": True},
    {"what": "hot", "text": "81 °C", "remedy": "", "mended": None, "weight": "remark"},
]


def checked_room(office: ServedOffice, site: str) -> None:
    """Make that site such a one; it must have a unit."""
    row = office.controller.fleet.now().by_id[site]
    assert row.unit is not None
    unit, now = row.unit.id, office.controller.now()
    change = {"camera": "rtsp://admin:x@10.0.0.20/1", "microphone": "pulse:gone", "room_pictures": True}
    assert office.http.patch(f"/api/v1/sites/{site}", json=change).is_success
    found = [{"device": device, "source": source, "name": name} for device, source, name in DEVICES]
    devices = ReportedDevices.model_validate({"unit": unit, "at": now, "devices": found})
    verdict = {"verdict": "not_ready", "instruction": "camera_black", "findings": FINDINGS}
    events = [
        (EventKind.VERDICT, verdict),
        (EventKind.CAMERA_OPENED, {}),
        (EventKind.LOCAL_MUTE, {"on": True}),
    ]
    office.say(
        [
            Taken(Channel.REPORTED_DEVICES, devices),
            *(
                Taken(
                    Channel.EVENT,
                    Event(
                        id=f"{unit}:room:{seq}",
                        unit=unit,
                        boot_id="b",
                        stream="room",
                        seq=seq,
                        at=now,
                        kind=kind,
                        site=site,
                        data=data,
                    ),
                )
                for seq, (kind, data) in enumerate(events, 1)
            ),
        ]
    )

    def month(session: Session) -> None:
        for back in range(1, 30):
            day = (now - timedelta(days=back)).date().isoformat()
            bad = back % 7 == 0
            session.merge(CheckDay(site_id=site, day=day, ready=3, remark=0, not_ready=int(bad)))
            if bad:
                session.merge(
                    FaultDay(site_id=site, day=day, what="line_down", not_ready=1, remark=0, mended=back % 2)
                )
        hour = now.replace(minute=0, second=0, microsecond=0)
        for back in (*range(90), *range(120, 700)):
            session.merge(
                SiteHour(
                    site_id=site,
                    hour=hour - timedelta(hours=back),
                    rtt_count=10,
                    rtt_sum_ms=400.0 + back % 50,
                    rtt_most_ms=180.0,
                    hottest_c=50.0 + back % 12,
                )
            )
        for sent in (now, None):
            session.add(
                Notice(
                    at=now,
                    fault="camera_black",
                    sites=[site],
                    target="0",
                    shown_as="json://gateway.example.org/sms",
                    title=f"{row.name} chưa sẵn sàng họp",
                    body="",
                    tries=4,
                    next_try_at=None,
                    sent_at=sent,
                    error="" if sent else "Failed to send JSON POST notification: Internal Server Error.",
                )
            )

    office.writer.submit(month, urgent=True).result()
