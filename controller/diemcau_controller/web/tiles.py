"""From what the API shows to what the pages say: words, tones and order."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ..actions.compose_report import Report
from ..api.views import WORST_FIRST, View
from ..store.tables import EventRow
from .words import Words

_TONES = {
    "not_ready": "bad",
    "lost": "bad",
    "silent": "bad",
    "offline": "bad",
    "remark": "care",
    "unknown": "none",
    "never": "none",
    "no_unit": "none",
    "in_meeting": "live",
    "ready": "good",
}
_PRESENT = ("in_meeting", "reconnecting")


def site_tile(site: View, words: Words, *, main: bool, speaking: bool) -> View:
    """A site as a tile: its state in words and tone, and the one thing to do."""
    state = site["state"] if site["state"] in _TONES else "unknown"
    instruction = ""
    if state in ("not_ready", "remark"):
        key = site["unit"]["readiness"]["instruction"]
        instruction = words.known("instruction", key, "other") if key else ""
    elif state in ("lost", "offline", "silent", "never", "no_unit"):
        instruction = words(f"instruction_by_state.{state}", site=site["id"])
    unit = site["unit"]
    picture = None
    if unit is not None and unit["picture_at"]:
        picture = f"/api/v1/units/{unit['id']}/picture?at={unit['picture_at']}"
    return {
        **site,
        "tone": _TONES[state],
        "state": state,
        "state_text": words(f"state.{state}"),
        "instruction": instruction,
        "picture": picture,
        "seen": unit["last_seen"] if unit is not None and _TONES[state] == "bad" else None,
        "main": main,
        "speaking": speaking and state == "in_meeting",
    }


def sort_worst_first(tiles: list[View]) -> list[View]:
    """Worst first, the main site before its equals, then by name."""
    return sorted(tiles, key=lambda tile: (WORST_FIRST.index(tile["state"]), not tile["main"], tile["name"]))


def meeting_part(view: View, words: Words, now: datetime) -> View:
    """A meeting: whether it runs, who is inside, who speaks, by name."""
    names = {one["site"]: one["name"] for one in view["attendance"]}
    opened = datetime.fromisoformat(view["opens_at"]) <= now
    attendance = [_presence(one, names, words) for one in view["attendance"]]
    return {
        **view,
        "running": opened and view["finished_at"] is None,
        "started": datetime.fromisoformat(view["starts_at"]) <= now,
        "inside": sum(one["inside"] for one in attendance),
        "speakers": [names.get(site, site) for site in view["floor"]["speakers"]],
        "attendance": attendance,
    }


def event_line(row: EventRow, names: dict[str, str], words: Words) -> View:
    """An event in one sentence."""
    text = words.known("event", row.kind, row.kind)
    if "{verdict}" in text:
        text = text.format(verdict=words.known("state", str(row.data.get("verdict")), "unknown").lower())
    return {
        "at": row.at.isoformat(),
        "site_name": names.get(row.site or "", row.site or row.unit),
        "text": text,
    }


def report_part(report: Report, words: Words) -> View:
    """A report with remarks in words."""
    sites = [{**site, "remarks": _remarks(site, words, report["final"])} for site in report["sites"]]
    return {**report, "sites": sites}


def _presence(one: View, names: dict[str, str], words: Words) -> View:
    state = one["session"]
    if state in _PRESENT or state in ("joining", "leaving", "countdown"):
        word, tone = state, "good" if state == "in_meeting" else "care"
        tone = "none" if state == "countdown" else tone
    elif one["left"]:
        word, tone = "left", "none"
    elif one["joined"]:
        word, tone = "lost", "bad"
    elif _TONES.get(one["state"]) in ("bad", "care"):
        word, tone = "", _TONES[one["state"]]
    else:
        word, tone = "absent", "none"
    watched = [slot["site"] for slot in one["slots"] if slot.get("site")]
    return {
        **one,
        "state_text": words(f"session.{word}") if word else words(f"state.{one['state']}"),
        "tone": tone,
        "inside": state == "in_meeting",
        "watches": [names.get(site, site) for site in watched],
    }


def _remarks(site: dict[str, Any], words: Words, final: bool) -> list[str]:
    if not site["joined"]:
        remarks = [words("report.absent")]
    else:
        remarks = [words("report.no_farewell")] if final and not site["left"] else []
    if site["join_failed"]:
        remarks.append(words.n("report.join_failed", site["join_failed"]))
    return remarks + [words.n(f"report.{kind}", count) for kind, count in site["faults"].items()]
