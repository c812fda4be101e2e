"""Part `faults`: faults are brought about below the drivers, several at a time, and the hall's own check must
name every one of them, and mend those that software can mend.

Faults of one round have nothing to do with each other; each is a row, the round's verdict its evidence.
"""

from __future__ import annotations

import itertools
import json
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.report import Evidence, NotShown, Report

from . import acts
from .acts import PULSE, SINK, SOURCE, Act, air, cable, once, outside, picture, sh, then
from .guest import GuestFailed
from .real_hall import SITE, RealHall

HEALTHY, PAIRS = "a healthy hall", "two faults at the same time, both named"
LEAST_PAIRS = 10


@dataclass(frozen=True)
class Fault:
    """How it is brought about and taken away again; `words`: what the check must name, all of them, one of
    those with a bar between them.

    `mends`: the agent takes it away by itself, and measures again that it is gone. `never` instead of words:
    no fault whose word begins like this, because the agent copes.
    """

    name: str
    words: tuple[str, ...]
    inject: Act
    restore: Act
    mends: bool = False
    never: tuple[str, ...] = ()


_NOTHING = sh("true")
_STRANGER = acts.NetworkCamera("hall:wrong@", "--user", "hall", "--password", "right", "--fps", "5")
_MIXED = acts.NetworkCamera("", "--fps", "5", "--sets", "inband", film=True)

_ROUNDS: tuple[tuple[Fault, ...], ...] = (
    (
        Fault("network camera: wrong password", ("camera_refused",), _STRANGER.plug, _STRANGER.unplug),
        # with few others: a tone that a busy guest plays with holes proves nothing
        Fault("amplifier off", ("sound_not_heard",), air(gain=0, noise=0.002), air()),
        Fault(
            "broker silent for a while (SIGSTOP)",
            ("line_down",),
            then(
                outside("mosquitto", signal.SIGSTOP),
                acts.cut_off,
                once("wait_line", outside("mosquitto", signal.SIGCONT)),
            ),
            then(outside("mosquitto", signal.SIGCONT), acts.linked),
            mends=True,
        ),
    ),
    (
        Fault("television does not answer", ("television_silent",), acts.SWITCH_OFF_CEC, acts.NEW_TELEVISION),
        Fault(
            "a microphone of 16 kHz: used like any other",
            (),
            acts.PLUG_16K,
            acts.UNPLUG_16K,
            never=("microphone_", "sound_m", "sound_n"),
        ),
        Fault(
            "Janus silent for a while (SIGSTOP)",
            ("janus_unreachable",),
            then(outside("janus", signal.SIGSTOP), once("wait_line", outside("janus", signal.SIGCONT))),
            outside("janus", signal.SIGCONT),
            mends=True,
        ),
    ),
    (
        Fault(
            "network camera: the size changes every second",
            (),
            _MIXED.plug,
            _MIXED.unplug,
            never=("camera_missing", "camera_frozen", "camera_unsupported"),
        ),
        Fault(
            "another microphone in its place",
            ("microphone_substituted|microphone_missing",),
            acts.LEAD_ASTRAY,
            acts.LEAD_BACK,
        ),
        Fault(
            "television's plug pulled: no screen", ("screen_missing",), acts.UNPLUG_SCREEN, acts.PLUG_SCREEN
        ),
    ),
    (
        Fault("media process hung (SIGSTOP)", ("media_hung",), acts.HANG_MEDIA, acts.END_HUNG, mends=True),
        Fault(
            "screen process killed: the next one draws before anybody asks",
            (),
            acts.KILL_SCREEN,
            _NOTHING,
            never=("screen_",),
        ),
    ),
    (
        Fault(
            "camera busy: another program films, and ends",
            ("camera_busy",),
            then(acts.HOLD_CAMERA, once("reopen_camera", acts.RELEASE_CAMERA)),
            acts.RELEASE_CAMERA,
            mends=True,
        ),
        Fault(
            "microphone turned down",
            ("microphone_quiet",),
            sh(f"{PULSE} set-source-volume {SOURCE} 5%"),
            sh(f"{PULSE} set-source-volume {SOURCE} 100%"),
            mends=True,
        ),
        Fault("undervoltage (a sensor file)", ("undervoltage",), acts.WEAK, acts.STRONG),
        Fault(
            "television on another input",
            ("television_input",),
            acts.OTHER_INPUT,
            acts.NEW_TELEVISION,
            mends=True,
        ),
    ),
    (
        Fault("camera unplugged", ("camera_missing",), acts.UNPLUG_CAMERA, acts.PLUG_CAMERA),
        Fault("microphone dead: nothing but zeros", ("microphone_silent",), air(gain=0, noise=0), air()),
    ),
    (
        Fault(
            "loudspeaker turned down to nothing",
            ("sound_muted",),
            sh(f"{PULSE} set-sink-volume {SINK} 0%"),
            sh(f"{PULSE} set-sink-volume {SINK} 100%"),
            mends=True,
        ),
        Fault(
            "camera frozen: the same picture until it is opened again",
            ("camera_frozen",),
            then(
                picture(test_pattern=acts.BARS, osd_text_mode=2),
                once("reopen_camera", picture(osd_text_mode=0)),
            ),
            picture(osd_text_mode=0),
            mends=True,
        ),
        # last: another display is a device plugged in, and brings a check of its own some seconds later
        Fault("display says garbage (EDID)", ("edid_missing",), acts.GARBLE_EDID, acts.CLEAR_EDID),
    ),
    (
        Fault(
            "microphone muted at the sound server",
            ("microphone_muted",),
            sh(f"{PULSE} set-source-mute {SOURCE} 1"),
            sh(f"{PULSE} set-source-mute {SOURCE} 0"),
            mends=True,
        ),
        Fault(
            "loudspeaker muted at the sound server",
            ("sound_muted",),
            sh(f"{PULSE} set-sink-mute {SINK} 1"),
            sh(f"{PULSE} set-sink-mute {SINK} 0"),
            mends=True,
        ),
        Fault("unit hot (a sensor file)", ("hot",), acts.HEAT, acts.COOL),
        Fault("television on standby", ("television_off",), acts.STANDBY, acts.NEW_TELEVISION, mends=True),
    ),
    (
        Fault(
            "disk full of what the agent once set aside",
            ("disk_full",),
            acts.FILL_DISK,
            acts.EMPTY_DISK,
            mends=True,
        ),
        Fault(
            "camera black: covered lens",
            ("camera_black",),
            picture(test_pattern=acts.BLACK, osd_text_mode=2),
            picture(test_pattern=acts.BARS, osd_text_mode=0),
        ),
        Fault(
            "clock an hour behind, nobody sets it",
            ("clock_wrong",),
            acts.LOSE_TIME,
            acts.FIND_TIME,
            mends=True,
        ),
    ),
    (
        Fault(
            "sound card unplugged",
            ("microphone_missing", "sound_missing"),
            acts.UNPLUG_SOUND,
            acts.PLUG_SOUND,
        ),
        Fault(
            "network cable pulled, and plugged in again",
            ("line_down",),
            then(cable("down"), acts.cut_off, once("wait_line", cable("up"))),
            then(cable("up"), acts.linked),
            mends=True,
        ),
    ),
)
ROUNDS = {f"round-{number}": faults for number, faults in enumerate(_ROUNDS, 1)}
ROWS = [HEALTHY, *(fault.name for one in ROUNDS.values() for fault in one), PAIRS]


def run(report: Report, hall: Callable[[], RealHall]) -> list[str]:
    """Show every row; gives their names. The hall is asked for only when there is something to show."""
    if report.done(*ROWS):
        return ROWS
    report.show(HEALTHY, lambda evidence: healthy(hall(), evidence))
    for name, faults in ROUNDS.items():
        if report.done(*(fault.name for fault in faults)):
            print(f"  kept   {', '.join(fault.name for fault in faults)}", flush=True)
        else:
            bring_about(report, hall(), name)
    report.show(PAIRS, lambda evidence: pairs(report, evidence))
    return ROWS


def bring_about(report: Report, hall: RealHall, name: str) -> None:
    """One round, whose faults are a row each."""
    attempt = Round(hall, ROUNDS[name], report.folder, name)
    for fault in ROUNDS[name]:
        report.show(fault.name, lambda evidence, one=fault: attempt.judge(one, evidence))


def healthy(hall: RealHall, evidence: Evidence) -> str:
    """No fault in a hall that has none; remarks about slowness are this machine's, and said."""
    hall.at_rest()
    verdict = hall.preflight()
    evidence.json("verdict", verdict)
    words = [finding["what"] for finding in verdict["findings"]]
    hall.guest.screendump(evidence.path("png"))
    if verdict["verdict"] not in ("ready", "remark"):
        raise NotShown(f"{verdict['verdict']}: {verdict['findings']}")
    return f"{verdict['verdict']} {' '.join(words)} after {verdict['took_s']} s"


class Round:
    """Some faults at the same time, one check, and the hall as it was."""

    def __init__(self, hall: RealHall, faults: tuple[Fault, ...], folder: Path, name: str) -> None:
        self._verdict: dict[str, Any] | None = None
        self._failed: dict[str, str] = {}
        self.name, self.problem = name, ""
        broken: list[Fault] = []
        try:
            hall.at_rest()
            acts.AWAKE(hall)
            before = max((one["number"] for one in _verdicts(hall)), default=0)
            for fault in faults:
                broken.append(fault)
                try:
                    fault.inject(hall)
                except (GuestFailed, OSError) as failed:
                    self._failed[fault.name] = str(failed)
            self._verdict = hall.preflight()
        except (GuestFailed, OSError) as failed:
            self.problem = str(failed)
        acts.let_be(hall)
        for look in (self._picture, self._journal):
            try:
                look(hall, folder)
            except (GuestFailed, OSError) as failed:
                print(f"    ({failed})", flush=True)
        for fault in reversed(broken):
            try:
                fault.restore(hall)
            except (GuestFailed, OSError) as failed:
                print(f"    ({fault.name} is not taken away: {failed})", flush=True)
        if self._verdict is not None:
            self._verdict["before"] = self._by_itself(hall, before)
            (folder / f"{name}.json").write_text(json.dumps(self._verdict, ensure_ascii=False, indent=1))

    def _by_itself(self, hall: RealHall, before: int) -> list[dict[str, Any]]:
        """What checks found that the hall began by itself meanwhile, because a device came or went: those
        take a fault away before anybody asks."""
        try:
            hall.until(lambda: hall.status()["outbox"]["pending"] == 0, 60, "the hall has more to tell")
        except GuestFailed as failed:
            print(f"    ({failed})", flush=True)
        told = [one["data"] for one in _verdicts(hall, before)]
        return [finding for one in told if one.get("asked_by") == "plugged" for finding in one["findings"]]

    def _picture(self, hall: RealHall, folder: Path) -> None:
        """None where the screen itself is away."""
        hall.guest.screendump(folder / f"{self.name}.png")

    def _journal(self, hall: RealHall, folder: Path) -> None:
        (folder / f"{self.name}.journal.txt").write_text(hall.log(600))

    def judge(self, fault: Fault, evidence: Evidence) -> str:
        """Whether this one was named, and mended. Raises :class:`NotShown`."""
        if fault.name in self._failed:
            raise NotShown(f"not brought about: {self._failed[fault.name]}")
        if self._verdict is None:
            raise NotShown(f"no verdict: {self.problem}")
        evidence.share(f"{self.name}.json")
        findings = [*self._verdict["before"], *self._verdict["findings"]]
        found = {one["what"]: one for one in sorted(findings, key=lambda one: one["mended"] is True)}
        seen = f"the verdict names {', '.join(sorted(found)) or 'nothing'}"
        if harmed := [word for word in found if word.startswith(fault.never)] if fault.never else []:
            raise NotShown(f"{', '.join(harmed)}: {found[harmed[0]]['text']}")
        named = [next((w for w in words.split("|") if w in found), None) for words in fault.words]
        if None in named:
            raise NotShown(seen)
        ours = [found[word] for word in named if word is not None]
        if fault.mends and any(one["mended"] is not True for one in ours):
            raise NotShown(f"named, not mended: {ours}")
        return "; ".join(_say(one) for one in ours) or seen


def pairs(report: Report, evidence: Evidence) -> str:
    """Which two faults were there at the same time and both named."""
    both = [
        f"{a.name} + {b.name}"
        for one in ROUNDS.values()
        for a, b in itertools.combinations([fault for fault in one if fault.words], 2)
        if _shown(report, a) and _shown(report, b)
    ]
    evidence.text("pairs", "\n".join(both))
    if len(both) < LEAST_PAIRS:
        raise NotShown(f"{len(both)} pairs")
    return f"{len(both)} pairs"


def _verdicts(hall: RealHall, after: int | None = None) -> list[dict[str, Any]]:
    """What the controller heard of checks of the hall, those after an event's number or the newest."""
    since = "" if after is None else f"&after={after}"
    return list(hall.stage.api.get(f"/api/v1/events?site={SITE}&kind=verdict&limit=100{since}"))


def _shown(report: Report, fault: Fault) -> bool:
    row = report.rows.get(fault.name)
    return row is not None and row.shown


def _say(finding: dict[str, Any]) -> str:
    remedy = finding["remedy"]
    tried = {True: f", mended by {remedy}", False: f", {remedy} did not help"}.get(finding["mended"], "")
    return f"{finding['what']} ({finding['text']}){tried}"
