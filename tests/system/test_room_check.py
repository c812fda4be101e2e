"""The check in real unit and media processes: every fault is named, pairs of them too, and what software can
mend is mended and measured again. Some halls are checked at the same time, the longest first."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
from diemcau_agent.checks import FAULTS

from . import janus_for_tests
from .faulty_halls import Hall, LateDoor, hang_media, when
from .small_disk import leave_the_mounts_alone, small_disk
from .unit_side import PORT, Broker, until

pytestmark = pytest.mark.namespace

LATE_BROKER, LATE_JANUS = 28899, 8999
AT_A_TIME = 4
Faults = dict[str, bool | None]


def healthy(hall: Hall) -> None:
    """Nothing is wrong."""


def muted(hall: Hall) -> None:
    hall.device("microphone", muted=True)
    hall.device("speaker", muted=True)
    hall.device("television", power="standby", lag_s=3.0)
    hall.kernel("class/thermal/thermal_zone0/temp", "91000")


def busy(hall: Hall) -> None:
    hall.device("camera", holders=1)
    hall.device("microphone", volume_percent=5)
    hall.device("television", shows=2)
    hall.kernel("class/hwmon/hwmon3/in0_lcrit_alarm", "1")
    when(lambda: "reopen_camera" in hall.logged(), lambda: hall.device("camera", holders=0))


def hung(hall: Hall) -> None:
    def screen_hangs() -> None:
        hall.unit.ask("screen-hangs")
        until(lambda: not (hall.folder / "screen-hangs").exists(), why="it does not hang")

    hall.at_check = screen_hangs
    hang_media(hall)


def unplugged(hall: Hall) -> None:
    for device in ("camera", "microphone", "speaker"):
        hall.device(device, plugged=False)
    hall.kernel("class/drm/card1-HDMI-A-1/status", "connected\n")
    hall.kernel("class/drm/card1-HDMI-A-1/edid", "garbage")


def dark(hall: Hall) -> None:
    hall.device("camera", luma=16, contrast=0, noise=0.3)
    hall.device("microphone", opens="Webcam microphone")
    hall.device("television", answers=False)
    stored = hall.unit.state / "desired" / "config.json"
    later = time.time() + 3600
    when(stored.exists, lambda: os.utime(stored.parent, (later, later)))


def frozen(hall: Hall) -> None:
    hall.device("camera", repeats=True)
    hall.device("speaker", sounds=False)
    when(lambda: "camera_closed" in hall.logged(), lambda: hall.device("camera", repeats=False))


def cut_off(hall: Hall) -> None:
    hall.broker_at(LATE_BROKER)
    hall.check_room = {**hall.check_room, "url": f"wss://{janus_for_tests.ADDRESS}:{LATE_JANUS}"}
    hall.device("camera", lets_in=False)
    doors = LateDoor(LATE_BROKER, PORT), LateDoor(LATE_JANUS, janus_for_tests.PORT)
    when(lambda: "wait_line" in hall.logged(), lambda: [door.open() for door in doors])


def full(hall: Hall) -> None:
    hall.device("microphone", noise_db=-100, hears="")
    (hall.unit.state / "run").mkdir(exist_ok=True)
    (hall.unit.state / "run" / "old.png").write_bytes(bytes(30 << 20))


HALLS: dict[str, tuple[Callable[[Hall], None], Faults]] = {
    "dark": (
        dark,
        {
            **{"camera_black": False, "microphone_substituted": False},
            **{"television_silent": False, "clock_wrong": None},
        },
    ),
    "hung": (hung, {"media_hung": True, "screen_missing": True}),
    "frozen": (frozen, {"camera_frozen": True, "sound_not_heard": False}),
    "cut-off": (cut_off, {"line_down": True, "janus_unreachable": True, "camera_refused": None}),
    "busy": (
        busy,
        {"camera_busy": True, "microphone_quiet": True, "television_input": True, "undervoltage": None},
    ),
    "muted": (
        muted,
        {"microphone_muted": True, "sound_muted": True, "television_off": True, "hot": None},
    ),
    "full": (full, {"disk_full": True, "microphone_silent": False}),
    "healthy": (healthy, {}),
    "unplugged": (
        unplugged,
        {"camera_missing": False, "microphone_missing": False, "sound_missing": False, "edid_missing": None},
    ),
}


@pytest.fixture(scope="module")
def halls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Hall]]:
    """Every hall after its check."""
    folder = tmp_path_factory.mktemp("halls")
    leave_the_mounts_alone()
    with ExitStack() as stack:
        janus = janus_for_tests.start(folder / "janus")
        stack.callback(janus.stop)
        broker = Broker(folder / "broker")
        stack.callback(broker.kill)
        made = {name: Hall(folder / name, broker.authority, janus) for name in HALLS}
        stack.enter_context(small_disk(made["full"].unit.state, 80))
        for name, hall in made.items():
            HALLS[name][0](hall)
            hall.start()
            stack.callback(hall.stop)
        for hall in made.values():
            until(lambda hall=hall: (hall.unit.state / "run" / "unit.sock").exists(), 30)
        time.sleep(3)
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            list(pool.map(Hall.check, made.values()))
        yield made


@pytest.mark.parametrize("name", HALLS)
def test_all_faults_of_a_hall_are_named_and_what_can_be_is_mended(name: str, halls: dict[str, Hall]) -> None:
    hall, expected = halls[name], HALLS[name][1]
    assert hall.found() == expected, f"{hall.said}\n{hall.logged()[-3000:]}"
    left = [what for what, mended in expected.items() if not mended]
    verdict = "ready" if not left else None
    if verdict:
        assert hall.said["verdict"] == verdict
    else:
        assert hall.said["verdict"] in ("not_ready", "remark") and hall.said["instruction"] in left
    (told,) = hall.events("verdict")
    assert told["data"]["asked_by"] == "hall" and told["data"]["findings"] == hall.said["findings"]
    tried = {(event["data"]["what"], event["data"]["done"]) for event in hall.events("remedy")}
    for what, mended in expected.items():
        if mended is not None:
            assert (what, mended) in tried, "each attempt is an event"


def test_rows_pairs_and_mended_are_enough() -> None:
    """The fault matrix of the real processes: at least 14 rows, 10 pairs, 10 mended alone."""
    rows = [what for _, faults in HALLS.values() for what in faults]
    pairs = sum(len(faults) * (len(faults) - 1) // 2 for _, faults in HALLS.values())
    mended = [what for _, faults in HALLS.values() for what, alone in faults.items() if alone]
    assert len(set(rows)) >= 24 and pairs >= 10 and len(set(mended)) >= 10 and set(rows) <= set(FAULTS)


def test_the_hall_is_told_five_seconds_before_camera_and_microphone_open(halls: dict[str, Hall]) -> None:
    hall = halls["healthy"]
    opened = datetime.fromisoformat(hall.events("camera_opened")[0]["at"])
    assert len(hall.events("camera_closed")) == 1 and len(hall.events("microphone_closed")) == 1
    shown = [line for line in hall.unit.told("screen") if line["type"] == "show"]
    notice = next(line for line in shown if line["privacy"]["opens_at"])
    assert notice["privacy"]["reason"] == "check" and notice["readiness"]["verdict"] == "checking"
    assert (opened - datetime.fromtimestamp(notice["heard_at"], UTC)).total_seconds() > 4.5
    at = {line["readiness"]["checking_what"] for line in shown}
    assert {"camera", "sound"} & at
