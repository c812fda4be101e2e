"""Part `faults`: each row is brought about below the driver, and the hall's own check must name it.

Nothing here tells the agent what is wrong: a device is unbound, a register turned, a process stopped.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.report import Evidence, NotShown, Report

from .real_hall import CAMERA, RealHall, real_hall

PULSE = "runuser -u diemcau-unit -- env PULSE_SERVER=unix:/run/diemcau-sound/native pactl"
SOURCE = "alsa_input.platform-snd_aloop.0.analog-stereo"
SINK = "alsa_output.platform-snd_aloop.0.analog-stereo"
TV = (
    'for d in /dev/cec*; do cec-ctl -d $d 2>/dev/null | grep -q "Adapter Name.*vid-cap" && tv=$d || unit=$d;'
    " done;"
)
HEALTHY = "a healthy hall"
RED, BLACK, BARS = 7, 5, 0
Act = Callable[[RealHall], object]


@dataclass(frozen=True)
class Fault:
    """How it is brought about and taken away again; `words`: what the check must name, all of them.

    `mends`: the agent takes it away by itself, and measures again that it is gone.
    """

    name: str
    words: tuple[str, ...]
    inject: Act
    restore: Act
    mends: bool = False


def sh(command: str, limit_s: float = 120) -> Act:
    """Run this in the guest."""
    return lambda hall: hall.guest.run(command, limit_s=limit_s)


def picture(**controls: int) -> Act:
    return lambda hall: hall.camera_control(**controls)


def air(**setting: float) -> Act:
    return lambda hall: hall.air(**setting)


def outside(service: str, number: signal.Signals) -> Act:
    """Signal the broker or Janus, which run outside."""

    def act(hall: RealHall) -> None:
        found = json.loads((hall.stage.root / "run/launcher.json").read_text())
        os.kill(int(found["children"][service]["pid"]), number)

    return act


def line(state: str) -> Act:
    """Pull the network cable: QEMU takes the carrier away."""
    return lambda hall: hall.guest.qmp("set_link", {"name": "uplink", "up": state == "up"})


def linked(hall: RealHall) -> None:
    hall.until(lambda: hall.status()["link"], 180, "the unit does not come back to its broker")


def then(*acts: Act) -> Act:
    def act(hall: RealHall) -> None:
        for one in acts:
            one(hall)

    return act


REBIND = (
    "cd /sys/bus/platform/drivers/vivid; [ ! -e vivid.0 ] || echo vivid.0 >unbind; sleep 1; "
    "echo vivid.0 >bind; udevadm settle; systemctl restart lab-television; sleep 3"
)
HOLD = (
    "setsid v4l2-ctl -d {camera} --stream-mmap --stream-count=100000 >/dev/null 2>&1 </dev/null & "
    "echo $! >/run/holder; sleep 2"
)
STOP_MEDIA = (
    "setsid sh -c 'for i in $(seq 600); do pid=$(pgrep -n -f diemcau_agent.media) && "
    "sleep 1 && kill -STOP $pid && exit; sleep 0.1; done' >/dev/null 2>&1 </dev/null &"
)
FILL = (
    "cd /var/tmp; fallocate -l $(( $(stat -f -c %f /) * 4096 / 100 * 98 )) fill || true; "
    "dd if=/dev/zero of=fill2 bs=1M 2>/dev/null || true"
)

FAULTS = (
    Fault("camera unplugged", ("camera_missing",), picture(disconnect=1), sh(REBIND)),
    Fault(
        "camera busy: another program films",
        ("camera_busy",),
        sh(HOLD.format(camera=CAMERA)),
        sh("kill $(cat /run/holder); sleep 1"),
    ),
    Fault(
        "camera black: covered lens",
        ("camera_black",),
        picture(test_pattern=BLACK, osd_text_mode=2),
        picture(test_pattern=BARS, osd_text_mode=0),
    ),
    Fault(
        "camera frozen: the same picture for ever",
        ("camera_frozen",),
        picture(test_pattern=BARS, osd_text_mode=2),
        picture(osd_text_mode=0),
    ),
    Fault(
        "microphone muted at the sound server",
        ("microphone_muted",),
        sh(f"{PULSE} set-source-mute {SOURCE} 1"),
        sh(f"{PULSE} set-source-mute {SOURCE} 0"),
        mends=True,
    ),
    Fault(
        "microphone turned down",
        ("microphone_quiet",),
        sh(f"{PULSE} set-source-volume {SOURCE} 5%"),
        sh(f"{PULSE} set-source-volume {SOURCE} 100%"),
        mends=True,
    ),
    Fault("microphone dead: nothing but zeros", ("microphone_silent",), air(gain=0, noise=0), air()),
    Fault(
        "loudspeaker muted at the sound server",
        ("sound_muted",),
        sh(f"{PULSE} set-sink-mute {SINK} 1"),
        sh(f"{PULSE} set-sink-mute {SINK} 0"),
        mends=True,
    ),
    Fault(
        "loudspeaker turned down to nothing",
        ("sound_muted",),
        sh(f"{PULSE} set-sink-volume {SINK} 0%"),
        sh(f"{PULSE} set-sink-volume {SINK} 100%"),
        mends=True,
    ),
    Fault("amplifier off", ("sound_not_heard",), air(gain=0, noise=0.002), air()),
    Fault(
        "sound card unplugged",
        ("microphone_missing", "sound_missing"),
        sh("systemctl stop lab-air; echo snd_aloop.0 >/sys/bus/platform/drivers/snd_aloop/unbind; sleep 2"),
        sh(
            "echo snd_aloop.0 >/sys/bus/platform/drivers/snd_aloop/bind; sleep 3; "
            "systemctl start lab-air; sleep 3"
        ),
    ),
    Fault(
        "television on standby",
        ("television_off",),
        sh(f"{TV} cec-ctl -d $unit --to 0 --standby >/dev/null; sleep 2"),
        sh("systemctl restart lab-television"),
        mends=True,
    ),
    Fault(
        "television on another input",
        ("television_input",),
        sh(f"{TV} cec-ctl -d $tv --active-source phys-addr=0.0.0.0 >/dev/null; sleep 2"),
        sh("systemctl restart lab-television"),
        mends=True,
    ),
    Fault(
        "television does not answer",
        ("television_silent",),
        sh(f"systemctl stop lab-television; {TV} cec-ctl -d $tv --clear >/dev/null"),
        sh("systemctl start lab-television; sleep 3"),
    ),
    Fault("disk full", ("disk_full",), sh(FILL, 300), sh("rm -f /var/tmp/fill /var/tmp/fill2")),
    Fault(
        "clock an hour ahead",
        ("clock_wrong",),
        sh("systemctl stop systemd-timesyncd; date -s '+1 hour' >/dev/null"),
        lambda hall: hall.guest.run(
            f"date -s @{int(time.time()) + 1} >/dev/null; systemctl start systemd-timesyncd"
        ),
    ),
    Fault("media process hung", ("media_hung",), sh(STOP_MEDIA), sh("true"), mends=True),
    Fault(
        "screen process killed",
        ("screen_missing",),
        sh("systemctl kill --signal=KILL diemcau-screen"),
        sh("sleep 15"),
        mends=True,
    ),
    Fault(
        "television's plug pulled: no screen",
        ("screen_missing",),
        sh("echo off >/sys/class/drm/card0-Virtual-1/status; sleep 3"),
        sh("echo detect >/sys/class/drm/card0-Virtual-1/status; sleep 3"),
    ),
    Fault(
        "Janus does not answer",
        ("janus_unreachable",),
        outside("janus", signal.SIGSTOP),
        outside("janus", signal.SIGCONT),
    ),
    Fault("network cable pulled", ("line_down",), line("down"), then(line("up"), linked)),
    Fault(
        "two at once: camera unplugged, television on standby",
        ("camera_missing", "television_off"),
        then(picture(disconnect=1), sh(f"{TV} cec-ctl -d $unit --to 0 --standby >/dev/null; sleep 2")),
        sh(REBIND),
    ),
    Fault(
        "two at once: camera black, microphone dead",
        ("camera_black", "microphone_silent"),
        then(picture(test_pattern=BLACK, osd_text_mode=2), air(gain=0, noise=0)),
        then(picture(test_pattern=BARS, osd_text_mode=0), air()),
    ),
)
ROWS = [HEALTHY, *(fault.name for fault in FAULTS)]


def run(report: Report, folder: Path) -> list[str]:
    """Show every row; gives their names."""
    if report.done(*ROWS):
        return ROWS
    with real_hall(folder) as hall:
        report.show(HEALTHY, lambda evidence: healthy(hall, evidence))
        for fault in FAULTS:
            report.show(fault.name, lambda evidence, fault=fault: named(hall, fault, evidence))
        (report.folder / "journal.txt").write_text(hall.log(6000))
    return ROWS


def healthy(hall: RealHall, evidence: Evidence) -> str:
    """No fault in a hall that has none; remarks about slowness are this machine's, and said."""
    verdict = check(hall, evidence, "verdict")
    words = [finding["what"] for finding in verdict["findings"]]
    hall.guest.screendump(evidence.path("png"))
    if verdict["verdict"] not in ("ready", "remark"):
        raise NotShown(f"{verdict['verdict']}: {verdict['findings']}")
    return f"{verdict['verdict']} {' '.join(words)} after {verdict.get('took_s')} s"


def named(hall: RealHall, fault: Fault, evidence: Evidence) -> str:
    """Bring the fault about, check, take it away. Raises :class:`NotShown`."""
    try:
        fault.inject(hall)
        verdict = check(hall, evidence, "verdict")
        hall.guest.screendump(evidence.path("png"))
    finally:
        fault.restore(hall)
    found = {finding["what"]: finding for finding in verdict["findings"]}
    if missing := set(fault.words) - found.keys():
        raise NotShown(f"{', '.join(missing)} not named: {verdict}"[:500])
    if fault.mends and any(found[word].get("mended") is not True for word in fault.words):
        raise NotShown(f"named, not mended: {verdict}"[:500])
    said = [_say(found[word]) for word in fault.words]
    others = sorted(found.keys() - set(fault.words))
    return f"{verdict['verdict']}: {'; '.join(said)}" + (f" (besides: {', '.join(others)})" if others else "")


def check(hall: RealHall, evidence: Evidence, name: str) -> dict[str, Any]:
    hall.until(lambda: hall.status()["session"]["state"] == "idle", 120, "the hall is not idle")
    verdict = hall.preflight()
    evidence.json(name, verdict)
    return verdict


def _say(finding: dict[str, Any]) -> str:
    mended = {True: f", mended by {finding.get('remedy')}", False: f", {finding.get('remedy')} did not help"}
    return finding["what"] + mended.get(finding.get("mended"), "")
