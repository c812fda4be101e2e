"""`diemcau demo --once`: a short meeting in which each site has the floor in turn, watched and judged."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .api import ApiFailed
from .halls import Hall
from .judge import Finding, Look, judge, look, seen
from .stage import Failed, Stage
from .voices import heard, read_raw

START_S, UNITS_S, JOIN_S, LEAVE_S, REPORT_S = 30.0, 40.0, 45.0, 15.0, 15.0
SETTLE_S = 2.0  # from the floor's grant until pictures and voices must have followed
TURN_S = 6.0  # what is judged of a turn
TURN_BYTES = int(TURN_S * 48_000) * 2
LOOKS = 3

Tell = Callable[[str], None]


@dataclass
class Turn:
    """What was gathered while `speaker` had the floor: per viewer the PNG files, and the bytes played."""

    speaker: str
    pictures: dict[str, list[Path]] = field(default_factory=dict)
    played: dict[str, tuple[int, int]] = field(default_factory=dict)


class Trial:
    """One judged meeting on a stage. `deadline` (monotonic) is when it ends whatever happened."""

    def __init__(self, stage: Stage, deadline: float, tell: Tell) -> None:
        self._stage, self._deadline, self._tell = stage, deadline, tell
        self._halls = {hall.id: hall for hall in stage.halls}
        self._absent: dict[str, str] = {}
        self._joined: dict[str, int] = {}
        self._left: set[str] = set()
        self._frames: dict[str, int] = dict.fromkeys(self._halls, 0)
        self._turns: list[Turn] = []
        self._report: str | None = None
        self._troubles: list[str] = []
        self._meeting = ""

    def run(self) -> dict[str, Any]:
        """Hold the meeting; gives the result as printed."""
        started = time.monotonic()
        try:
            self._hold()
        except (Failed, ApiFailed) as error:
            self._troubles.append(str(error))
        self._tell("judging what was seen and heard")
        result = self._result()
        result["seconds"] = round(time.monotonic() - started, 1)
        return result

    def _hold(self) -> None:
        stage = self._stage
        self._tell("starting broker, Janus and controller")
        stage.start_services(self._until(START_S))
        stage.add_sites()
        self._tell(f"page: {stage.page_url}")
        self._tell("starting three units")
        stage.start_units(self._until(UNITS_S))
        self._meeting = stage.add_meeting("Họp giao ban thử", 3, 600, opens_before_s=60)
        self._tell("the meeting is announced; units join by themselves")
        self._await_joining()
        for hall in self._halls.values():
            if time.monotonic() + SETTLE_S + TURN_S + LEAVE_S > self._deadline:
                raise Failed("there was no time left for every site's turn")
            self._give_turn(hall)
        self._close()

    def _until(self, seconds: float) -> float:
        return min(time.monotonic() + seconds, self._deadline)

    def _await_joining(self) -> None:
        def all_in() -> bool:
            for event in self._events("joined"):
                self._joined.setdefault(event["site"], int(event["data"].get("ms", 0)))
            return {*self._halls} <= {*self._joined}

        try:
            self._stage.wait("not every site joined", all_in, self._until(JOIN_S))
        except Failed:
            self._stage.tend()
            for site in {*self._halls} - {*self._joined}:
                self._miss(site, f"it did not join within {JOIN_S:.0f} s")
        if not self._joined:
            raise Failed("no site joined the meeting")

    def _give_turn(self, hall: Hall) -> None:
        """Give a site the floor, and gather what the others show and play."""
        stage = self._stage
        self._tell(f"{hall.name} has the floor")
        stage.api.post(f"/api/v1/meetings/{self._meeting}/floor", {"verb": "grant", "site": hall.id})
        stage.pause(SETTLE_S, self._deadline)
        turn = Turn(hall.id)
        self._turns.append(turn)
        viewers = [site for site in self._halls if site != hall.id]
        began = {site: _size(stage.playout(site)) for site in viewers}
        start = time.monotonic()
        for count in range(LOOKS):
            stage.pause(start + count * TURN_S / LOOKS - time.monotonic(), self._deadline)
            files = {
                site: stage.root / "screens" / f"{site}-sees-{hall.id}-{count + 1}.png" for site in viewers
            }
            stage.snapshots(files)
            for site, file in files.items():
                turn.pictures.setdefault(site, []).append(file)
        stage.pause(start + TURN_S - time.monotonic(), self._deadline)
        turn.played = {
            site: (began[site], min(_size(stage.playout(site)), began[site] + TURN_BYTES)) for site in viewers
        }
        self._roll_call(hall)

    def _roll_call(self, speaker: Hall) -> None:
        """Who is in the meeting at the end of this turn, and how much of it its screen showed."""
        for site in self._halls:
            status = self._stage.unit_status(site)
            if status is None:
                self._miss(site, "its unit does not answer")
                continue
            session = status["session"]
            if session["state"] != "in_meeting":
                self._miss(
                    site, f"it was not in the meeting in the turn of {speaker.name} ({session['state']})"
                )
            shown = {slot["site"]: slot["frames_shown"] for slot in session["slots"]}
            self._frames[site] += shown.get(speaker.id, 0)

    def _close(self) -> None:
        stage = self._stage
        self._tell("the chair closes the meeting")
        stage.api.post(f"/api/v1/meetings/{self._meeting}/close")

        def all_left() -> bool:
            self._left = {event["site"] for event in self._events("left")}
            return {*self._joined} - {*self._absent} <= self._left

        try:
            stage.wait("", all_left, self._until(LEAVE_S))
        except Failed:
            stage.tend()
        for site in {*self._joined} - self._left:
            self._miss(site, "it did not leave when the meeting was closed")

        def written() -> bool:
            files = stage.api.get(f"/api/v1/meetings/{self._meeting}/report")["files"]
            self._report = files["json"] if files else None
            return files is not None

        stage.wait("the report was not written", written, self._until(REPORT_S + 30 * bool(self._absent)))

    def _events(self, kind: str) -> list[dict[str, Any]]:
        return list(self._stage.api.get("/api/v1/events", meeting=self._meeting, kind=kind, limit=1000))

    def _miss(self, site: str, why: str) -> None:
        """Note that a site was not there; what its processes did tells more."""
        unit = self._stage.units.get(site)
        if unit is not None and unit.exits:
            why = f"its unit process ended ({unit.exits[-1]})"
        self._absent.setdefault(site, why)

    # ── judgement ────────────────────────────────────────────────────────────────────────────────

    def _result(self) -> dict[str, Any]:
        findings: list[Finding] = []
        for turn in self._turns:
            for viewer, pictures in turn.pictures.items():
                looks = [_look(picture) for picture in pictures if picture.exists()]
                findings.append(Finding("seen", turn.speaker, viewer, seen(turn.speaker, looks)))
            others = [hall.voice for hall in self._halls.values() if hall.id != turn.speaker]
            for viewer, (start, end) in turn.played.items():
                file = self._stage.playout(viewer)
                sound = read_raw(file, start, end) if file.exists() else read_raw(Path("/dev/null"), 0, 0)
                verdict = heard(sound, self._halls[turn.speaker].voice, others)
                findings.append(Finding("heard", turn.speaker, viewer, verdict))
        names = {hall.id: hall.name for hall in self._halls.values()}
        judgement = judge(names, self._absent, findings)
        problems = [*self._troubles, *judgement.problems]
        sites: dict[str, dict[str, Any]] = {
            site: {
                "name": hall.name,
                "joined": site in self._joined,
                "join_ms": self._joined.get(site),
                "seen": judgement.seen[site],
                "heard": judgement.heard[site],
                "frames_shown": self._frames[site],
                "left": site in self._left,
                "screen_png": self._screen_png(site),
            }
            for site, hall in self._halls.items()
        }
        everybody = len(self._halls)
        ok = not problems and all(
            site["joined"] and site["left"] and len(site["seen"]) == len(site["heard"]) == everybody - 1
            for site in sites.values()
        )
        return {
            "ok": ok,
            "sites": sites,
            "report": self._report,
            "blame": judgement.blame,
            "problems": problems,
        }

    def _screen_png(self, site: str) -> str | None:
        """The last picture of a site's screen in the meeting, under a plain name."""
        taken = [
            picture for turn in self._turns for picture in turn.pictures.get(site, []) if picture.exists()
        ]
        if not taken:
            return None
        return str(shutil.copy(taken[-1], self._stage.root / "screens" / f"{site}.png"))


def _look(picture: Path) -> Look:
    return look(picture, picture.stat().st_mtime_ns // 1_000_000)


def _size(path: Path) -> int:
    return path.stat().st_size // 2 * 2 if path.exists() else 0
