"""Every view as a PNG, to be looked at: `python -m diemcau_agent.screen.gallery FOLDER`.

The pictures in the meeting are plain gradients made here; everything else is what a hall would see.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from ..frames import Picture
from ..ipc import Line
from .canvas import Canvas
from .png import save
from .show import parse_show
from .theme import FONTS
from .views import compose

NOW = datetime(2026, 3, 12, 0, 48, tzinfo=UTC)
_START, _END = "2026-03-12T01:00:00Z", "2026-03-12T02:30:00Z"
_MAIN, _HERE, _THIRD = "UBND xã Quảng Phú", "Xã Ea M'Droh", "Xã Cuôr Đăng"
_TITLE = "Giao ban trực tuyến công tác phòng, chống thiên tai và tìm kiếm cứu nạn quý I"
_LONG = "Nhà văn hóa cộng đồng thôn Đồng Tâm, xã Nguyễn Nghiêm, tỉnh Quảng Ngãi (điểm cầu số 2)"

COMMON: Line = {
    "type": "show",
    "view": "idle",
    "language": "vi",
    "site": {"id": "ea-mdroh", "name": _HERE, "area": "tỉnh Đắk Lắk"},
    "coordinator": {"name": "Nguyễn Hữu Nghĩa", "phone": "0905 123 456"},
    "link": True,
    "readiness": {"verdict": "ready", "instruction": ""},
    "next": {"title": _TITLE, "starts_at": _START, "main_site_name": _MAIN},
    "meeting": None,
}


def _meeting(*slots: tuple[str, str], speaker: str | None, mic: str = "closed") -> Line:
    return {
        "id": "giao-ban-1",
        "title": _TITLE,
        "starts_at": _START,
        "ends_at": _END,
        "speaker": speaker,
        "slots": [{"site": site, "name": name} for site, name in slots],
        "mic": mic,
        "camera": True,
    }


_TWO = (("cuor-dang", _THIRD), ("main", _MAIN))
_ONE = (("main", _MAIN),)

_PHONE = "https://198.51.100.11:8443/h/m1a2b3c4d-20260312T080000/ea-mdroh/q0Zt3mYkR5w7vB2nXc8LsA"
_URGENT = {
    "title": "Họp khẩn: lũ trên sông Sêrêpốk",
    "joins_at": "2026-03-12T00:48:42Z",
    "main_site_name": _MAIN,
}
_HELD = {"title": _TITLE, "mode": "elsewhere", "starts_at": "2026-03-12T00:30:00Z", "ends_at": _END}

_STEPS = ("line", "address", "time", "approval", "configuration", "check", "ready")


def _way(step: str, at: str = "doing", **more: object) -> Line:
    """A box that is at `step`."""
    place = _STEPS.index(step)
    stands = ["done"] * place + [at] + ["ahead"] * (len(_STEPS) - place - 1)
    steps = [{"step": one, "at": how} for one, how in zip(_STEPS, stands, strict=True)]
    return {
        "view": "enrolling",
        "site": None,
        "coordinator": {"name": "", "phone": ""},
        "readiness": {"verdict": "unknown"},
        "next": None,
        "enrolling": {"steps": steps, "serial": "DC-2041-0177", **more},
    }


_CODE = {
    "code": "407913526",
    "until": "2026-03-12T01:03:00Z",
    "qr": "https://198.51.100.11:8443/e#407913526",
}
_SERVER = "https://hop.ea-kar.example:8443"


def _replaced(verdict: str, **more: object) -> Line:
    return {
        "view": "replaced",
        "site": None,
        "link": False,
        "next": None,
        "replaced": {"verdict": verdict, "site_name": _HERE, "serial": "DC-2041-0177", **more},
    }


_CHECKING = {"verdict": "checking", "checking_what": "camera"}
_FAULT = {"verdict": "not_ready", "instruction": "camera_missing"}
_NOTICE = {"opens_at": "2026-03-12T00:48:05Z", "reason": "check"}
_ELECTRICIAN = {"name": "Y Thuyên Niê, phụ trách điện và loa đài của xã", "phone": "0262 3 812 345"}

VIEWS: dict[str, Line] = {
    "idle": {},
    "idle-phone": {"phone": _PHONE},
    "idle-phone-not-ready": {
        "phone": _PHONE,
        "readiness": {"verdict": "not_ready", "instruction": "microphone_missing"},
    },
    "idle-elsewhere": {"next": {**COMMON["next"], "mode": "elsewhere"}},
    "idle-none": {"next": None, "readiness": {"verdict": "unknown"}},
    "idle-not-ready": {
        "readiness": {"verdict": "not_ready", "instruction": "camera_missing"},
        "link": False,
    },
    "idle-remark": {
        "readiness": {"verdict": "remark", "instruction": "microphone_silent"},
        "next": {"title": "Giao ban tuần", "starts_at": "2026-03-13T01:00:00Z", "main_site_name": _MAIN},
    },
    "idle-long": {
        "site": {"id": "duc-pho", "name": _LONG, "area": "Đức Phổ"},
        "readiness": {"verdict": "not_ready", "instruction": "microphone_missing"},
        "coordinator": {"name": f"Đơn vị quản trị hệ thống, {_LONG}", "phone": "0255 3 123 456"},
        "next": {"title": f"{_TITLE}, {_LONG}", "starts_at": "2026-03-20T01:00:00Z", "main_site_name": _LONG},
    },
    "idle-postponed": {"readiness": {"verdict": "unknown", "postponed_to": "2026-03-12T00:58:00Z"}},
    "idle-remark-phone": {
        "phone": _PHONE,
        "readiness": {"verdict": "remark", "instruction": "microphone_silent"},
    },
    "checking": {"readiness": _CHECKING, "privacy": {"camera": True}},
    "checking-postpone": {
        "readiness": {**_CHECKING, "checking_what": "sound", "postpone_until": "2026-03-12T00:55:00Z"},
        "privacy": {"camera": True, "microphone": True},
    },
    "checking-phone": {
        "phone": _PHONE,
        "readiness": {**_CHECKING, "checking_what": "line", "postpone_until": "2026-03-12T00:55:00Z"},
    },
    "checking-countdown": {
        "view": "countdown",
        "readiness": {**_CHECKING, "checking_what": "microphone"},
        "privacy": {"microphone": True},
    },
    "notice": {"readiness": {"verdict": "checking"}, "privacy": _NOTICE},
    "notice-phone": {"phone": _PHONE, "privacy": {**_NOTICE, "reason": "picture"}},
    "fault": {"readiness": _FAULT},
    "fault-phone": {"phone": _PHONE, "readiness": {"verdict": "not_ready", "instruction": "camera_black"}},
    "fault-whom": {
        "readiness": {"verdict": "not_ready", "instruction": "undervoltage", "whom": _ELECTRICIAN}
    },
    "fault-countdown": {
        "view": "countdown",
        "readiness": {"verdict": "not_ready", "instruction": "television_input"},
    },
    "fault-none-next": {
        "next": None,
        "readiness": {"verdict": "not_ready", "instruction": "disk_full"},
        "coordinator": {"name": "", "phone": ""},
    },
    "fault-long": {
        "phone": _PHONE,
        "site": {"id": "duc-pho", "name": _LONG, "area": "Đức Phổ"},
        "readiness": {"verdict": "not_ready", "instruction": "microphone_missing"},
        "coordinator": {"name": f"Đơn vị quản trị hệ thống, {_LONG}", "phone": "0255 3 123 456"},
        "next": {"title": f"{_TITLE}, {_LONG}", "starts_at": "2026-03-20T01:00:00Z", "main_site_name": _LONG},
    },
    "fault-en": {"language": "en", "readiness": {"verdict": "not_ready", "instruction": "television_off"}},
    "countdown-remark": {
        "view": "countdown",
        "readiness": {"verdict": "remark", "instruction": "camera_black"},
    },
    "meeting-hand": {
        "view": "meeting",
        "meeting": _meeting(*_TWO, speaker="cuor-dang"),
        "hand": True,
    },
    "meeting-muted": {
        "view": "meeting",
        "meeting": _meeting(*_ONE, speaker="ea-mdroh"),
        "privacy": {"muted": True, "camera": True},
    },
    "meeting-muted-hand": {
        "view": "meeting",
        "meeting": _meeting(*_TWO, speaker="main"),
        "privacy": {"muted": True},
        "hand": True,
    },
    "meeting-stopped": {
        "view": "meeting",
        "meeting": {**_meeting(*_TWO, speaker="main"), "camera": False},
        "privacy": {"stopped": True},
    },
    "countdown": {"view": "countdown"},
    "countdown-seconds": {
        "view": "countdown",
        "meeting": {**_meeting(speaker=None), "starts_at": "2026-03-12T00:48:42Z"},
    },
    "countdown-connecting": {"view": "countdown", "next": {**COMMON["next"], "starts_at": NOW.isoformat()}},
    "countdown-phone": {"view": "countdown", "phone": _PHONE},
    "urgent": {"view": "countdown", "urgent": _URGENT, "phone": _PHONE},
    "urgent-in-meeting": {
        "view": "countdown",
        "urgent": _URGENT,
        "meeting": _meeting(*_ONE, speaker="ea-mdroh", mic="open"),
    },
    "urgent-long": {
        "view": "countdown",
        "urgent": {**_URGENT, "title": f"{_TITLE}, {_LONG}", "main_site_name": _LONG},
        "phone": _PHONE,
    },
    "held-elsewhere": {"view": "held", "held": _HELD},
    "held-in-person": {"view": "held", "held": {**_HELD, "mode": "in_person", "title": f"{_TITLE}, {_LONG}"}},
    "meeting-phone-two": {
        "view": "meeting",
        "meeting": _meeting(*_TWO, speaker="cuor-dang"),
        "phone": _PHONE,
    },
    "meeting-phone-one": {"view": "meeting", "meeting": _meeting(*_ONE, speaker="main"), "phone": _PHONE},
    "meeting-phone-speaking": {
        "view": "meeting",
        "meeting": _meeting(*_ONE, speaker="ea-mdroh", mic="open"),
        "phone": _PHONE,
    },
    "meeting-phone-long": {
        "view": "meeting",
        "meeting": {
            **_meeting(("a", _LONG), ("b", _LONG), speaker="ea-mdroh", mic="open"),
            "title": f"{_TITLE}, {_LONG}",
        },
        "phone": _PHONE,
    },
    "urgent-en": {"language": "en", "view": "countdown", "urgent": _URGENT, "phone": _PHONE},
    "meeting-two": {"view": "meeting", "meeting": _meeting(*_TWO, speaker="cuor-dang")},
    "meeting-one": {"view": "meeting", "meeting": _meeting(*_ONE, speaker="main")},
    "meeting-mic-open": {"view": "meeting", "meeting": _meeting(*_ONE, speaker="ea-mdroh", mic="open")},
    "meeting-no-picture": {"view": "meeting", "meeting": _meeting(*_TWO, speaker="cuor-dang")},
    "meeting-long": {
        "view": "meeting",
        "meeting": {
            **_meeting(("a", _LONG), ("b", _LONG), speaker="a", mic="open"),
            "title": f"{_TITLE}, {_LONG}",
        },
    },
    "reconnecting": {"view": "reconnecting", "meeting": _meeting(*_TWO, speaker=None)},
    "goodbye": {"view": "goodbye"},
    "enrolling-line": {**_way("line", "failed", why="no_line"), "link": False},
    "enrolling-address": _way("address"),
    "enrolling-not-found": _way("address", "failed", why="not_found"),
    "enrolling-unreachable": {
        **_way("address", "failed", why="unreachable", where=_SERVER),
        "coordinator": COMMON["coordinator"],
    },
    "enrolling-boot-file": _way(
        "address", "failed", why="boot_file_broken", where="/boot/firmware/diemcau.toml", line="14"
    ),
    "enrolling-foreign": _way("address", "failed", why="foreign_authority", where=_SERVER),
    "enrolling-notice": {
        **_way("address", "failed", why="not_found"),
        "privacy": {"opens_at": "2026-03-12T00:48:05Z", "reason": "code"},
    },
    "enrolling-camera": {**_way("address", "failed", why="not_found"), "privacy": {"camera": True}},
    "enrolling-code": _way("approval", **_CODE),
    "enrolling-code-voucher": _way("approval", **_CODE, remark="voucher_expired"),
    "enrolling-refused": _way("approval", "failed", why="refused"),
    "enrolling-configuration": _way("configuration", site_name=_HERE),
    "enrolling-check": {
        **_way("check"),
        "site": COMMON["site"],
        "readiness": {"verdict": "checking", "checking_what": "sound"},
    },
    "enrolling-ready": {**_way("ready", "done"), "site": COMMON["site"]},
    "enrolling-long": _way("configuration", site_name=_LONG),
    "enrolling-en": {**_way("approval", **_CODE, remark="line_lost"), "language": "en"},
    "enrolling-unreachable-en": {
        **_way(
            "address", "failed", why="two_boot_files", where="/boot/diemcau.toml, /boot/firmware/diemcau.toml"
        ),
        "language": "en",
    },
    "replaced": _replaced("replaced"),
    "replaced-long": _replaced("replaced", site_name=_LONG),
    "revoked": _replaced("revoked"),
    "replaced-en": {**_replaced("replaced"), "language": "en"},
    "idle-en": {"language": "en", "readiness": {"verdict": "not_ready", "instruction": "camera_black"}},
    "meeting-en": {
        "language": "en",
        "view": "meeting",
        "meeting": _meeting(*_TWO, speaker="cuor-dang", mic="open"),
    },
}
_WITHOUT_PICTURE = {"meeting-no-picture"}


def gradient(width: int, height: int, u: int, v: int) -> Picture:
    """A picture that is brighter to the lower right, of one hue (chroma `u`, `v`)."""
    ramp = bytes(60 + 120 * x // (2 * width) for x in range(2 * width))
    luma = b"".join(ramp[width * y // height : width * y // height + width] for y in range(height))
    chroma = ((width + 1) // 2) * ((height + 1) // 2)
    return Picture(1, width, height, 0, luma + bytes([u]) * chroma + bytes([v]) * chroma)


def draw_all(folder: Path, width: int, height: int, fonts: Path) -> list[Path]:
    """Write each view as `folder/NAME.png`; gives the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    canvas = Canvas(width, height, fonts=fonts)
    canvas.take(0, gradient(640, 360, 150, 110))
    canvas.take(1, gradient(640, 360, 110, 150))
    paths = []
    for name, changes in {"starting": None, **VIEWS}.items():
        show = None if changes is None else parse_show({**COMMON, **changes})
        live = (False, True) if name in _WITHOUT_PICTURE else (True, True)
        canvas.paint(compose(show, NOW, live, width=width, height=height, measure=canvas.measure))
        path = folder.resolve() / f"{name}.png"
        save(path, canvas.snapshot())
        paths.append(path)
    canvas.close()
    return paths


def main() -> int:
    """Write the pictures and name them."""
    parser = argparse.ArgumentParser(prog="diemcau_agent.screen.gallery", description="Every view as a PNG.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--fonts", type=Path, default=Path(FONTS))
    arguments = parser.parse_args()
    for path in draw_all(arguments.folder, arguments.width, arguments.height, arguments.fonts):
        print(path)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
