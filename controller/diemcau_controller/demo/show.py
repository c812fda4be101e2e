"""`diemcau demo` without `--once`: a meeting two minutes away, and the terminal shows it happening."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from .api import ApiFailed
from .halls import MAIN
from .stage import Failed, Stage

TURN_S = 40.0
CLOSE_S = 8.0
_FOREVER = float("inf")
_ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
_STATES = {
    "idle": "rảnh",
    "countdown": "sắp họp",
    "joining": "đang vào",
    "in_meeting": "đang họp",
    "reconnecting": "đang kết nối lại",
    "leaving": "đang rời",
    "ready": "sẵn sàng",
    "remark": "sẵn sàng, cần lưu ý",
    "not_ready": "chưa sẵn sàng",
    "unknown": "chưa kiểm tra",
    "lost": "mất kết nối",
    "silent": "mất kết nối",
    "offline": "đã tắt",
    "never": "chưa kết nối",
    "no_unit": "chưa có thiết bị",
}

Tell = Callable[[str], None]


def show(stage: Stage, tell: Tell, *, in_s: int, lasts_s: int) -> dict[str, Any]:
    """Hold a meeting in `in_s` seconds and show it until Ctrl-C. Gives `ok`, `report`, `problems`."""
    watch: _Watch | None = None
    problems: list[str] = []
    try:
        tell("starting broker, Janus and controller")
        stage.start_services(time.monotonic() + 40)
        stage.add_sites()
        tell("starting three units")
        stage.start_units(time.monotonic() + 60)
        watch = _Watch(stage, stage.add_meeting("Họp giao ban tuần", in_s, lasts_s, opens_before_s=60))
        tell(f"the page: {stage.page_url}")
        if sys.stdout.isatty():
            _live(watch)
        else:
            _lines(watch, tell)
    except KeyboardInterrupt:
        if watch is not None:
            watch.close(tell)
    except (Failed, ApiFailed) as error:
        problems.append(str(error))
        tell(str(error))
    report = watch.report if watch is not None else None
    if report is not None:
        tell(f"the report: {report}")
    return {"ok": not problems, "report": report, "problems": problems}


class _Watch:
    """What the terminal shows, and the chair: the floor goes round while the meeting runs."""

    def __init__(self, stage: Stage, meeting: str) -> None:
        self.stage, self.id = stage, meeting
        self.meeting: dict[str, Any] = {}
        self.sites: list[dict[str, Any]] = []
        self.report: str | None = None
        self.remark = ""
        self._round = [hall.id for hall in stage.halls]
        self._next_turn_at = 0.0

    def look(self) -> None:
        """Read anew, and let the chair do his part."""
        try:
            self.meeting = self.stage.api.get(f"/api/v1/meetings/{self.id}")
            self.sites = self.stage.api.get("/api/v1/sites")
            if self.meeting["finished_at"] and self.report is None:
                self.report = _report(self.stage, self.id)
            self._chair()
            self.remark = ""
        except ApiFailed as error:
            self.remark = str(error)

    def _chair(self) -> None:
        now = datetime.now(UTC)
        if self.meeting["finished_at"] or now < _time(self.meeting["starts_at"]):
            return
        if time.monotonic() >= self._next_turn_at:
            self._next_turn_at = time.monotonic() + TURN_S
            site = self._round[0]
            self._round.append(self._round.pop(0))
            self.stage.api.post(f"/api/v1/meetings/{self.id}/floor", {"verb": "grant", "site": site})

    def close(self, tell: Tell) -> None:
        """A meeting that was interrupted ends as every meeting does: the units leave, a report is written."""
        self.look()
        if self.report is None and any(one["joined"] for one in self.meeting.get("attendance", [])):
            tell("the chair closes the meeting; Ctrl-C again ends at once")
            with suppress(KeyboardInterrupt, Failed, ApiFailed):
                self.stage.api.post(f"/api/v1/meetings/{self.id}/close")
                self.stage.wait("", self._has_report, time.monotonic() + CLOSE_S)

    def _has_report(self) -> bool:
        self.report = _report(self.stage, self.id)
        return self.report is not None

    def headline(self) -> str:
        """Where the meeting stands, in one line."""
        if not self.meeting:
            return ""
        now = datetime.now(UTC)
        starts, ends = _time(self.meeting["starts_at"]), _time(self.meeting["ends_at"])
        if self.meeting["finished_at"]:
            return "cuộc họp đã kết thúc" + (f" – báo cáo: {self.report}" if self.report else "")
        if now < starts:
            return f"bắt đầu sau {_span((starts - now).total_seconds())}"
        names = {site["id"]: site["name"] for site in self.sites}
        speakers = self.meeting["floor"]["speakers"] or [MAIN]
        floor = ", ".join(names.get(site, site) for site in speakers)
        return f"đang họp, còn {_span((ends - now).total_seconds())} – phát biểu: {floor}"

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """Per site: name, state, joined, whom its screen shows (frames), microphone."""
        attendance = {one["site"]: one for one in self.meeting.get("attendance", [])}
        rows = []
        for hall in self.stage.halls:
            site = next((site for site in self.sites if site["id"] == hall.id), None)
            here = attendance.get(hall.id, {})
            shown = [slot for slot in here.get("slots", []) if slot.get("site")]
            slots = ", ".join(f"{slot['site']} ({slot['frames_shown']})" for slot in shown) or "–"
            joined = "đã rời" if here.get("left") else "đã vào" if here.get("joined") else "–"
            mic = {"open": "mở", "closed": "tắt"}.get(here.get("mic") or "", "–")
            state = here.get("session") or (site or {}).get("state", "")
            rows.append((hall.name, _STATES.get(state, state), joined, slots, mic))
        return rows


def _live(watch: _Watch) -> None:
    with Live(console=Console(), auto_refresh=False) as live:
        while True:
            watch.look()
            live.update(_picture(watch), refresh=True)
            watch.stage.pause(1, _FOREVER)


def _lines(watch: _Watch, tell: Tell) -> None:
    """No terminal: a line whenever something changed."""
    last: object = None
    while True:
        watch.look()
        rows = [row[:3] for row in watch.rows()]
        stands = watch.headline().partition(",")[0].partition(" sau ")[0]  # without the time that is left
        speakers = watch.meeting.get("floor", {}).get("speakers")
        now = (rows, stands, speakers, watch.report, watch.remark)
        if now != last:
            last = now
            states = "; ".join(f"{name}: {state}, {joined}" for name, state, joined in rows)
            tell(f"{watch.headline() or watch.remark} | {states}")
        watch.stage.pause(1, _FOREVER)


def _picture(watch: _Watch) -> RenderableType:
    table = Table(expand=True)
    for heading in ("Điểm cầu", "Trạng thái", "Tham dự", "Trên màn hình", "Mic"):
        table.add_column(heading)
    for row in watch.rows():
        table.add_row(*row)
    clock = datetime.now(_ZONE).strftime("%H:%M:%S")
    title = watch.meeting.get("title", "Điểm Cầu")
    parts: list[RenderableType] = [
        Text(f"{clock}   {watch.headline()}", style="bold"),
        table,
        Text(f"Trang theo dõi: {watch.stage.page_url}", overflow="fold"),
        Text("Ctrl-C kết thúc tất cả", style="dim"),
    ]
    if watch.remark:
        parts.insert(1, Text(watch.remark, style="yellow"))
    return Panel(Group(*parts), title=title)


def _report(stage: Stage, meeting: object) -> str | None:
    try:
        files = stage.api.get(f"/api/v1/meetings/{meeting}/report")["files"]
    except ApiFailed:
        return None
    return files["html"] if files else None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _span(seconds: float) -> str:
    return f"{int(max(0, seconds)) // 60}:{int(max(0, seconds)) % 60:02d}"
