"""From a report to what its page, its tables and its text for Zalo say."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any

from ..actions.compose_report import Report
from ..rules.csv_table import csv_table
from .incident_parts import tone_of, what
from .words import Words

View = dict[str, Any]


def report_part(report: Report, words: Words) -> View:
    """A report with remarks in words, with who was absent, with each hall's people."""
    here = report["mode"] == "here"
    people: dict[str, list[View]] = {}
    for one in report["people"]:
        people.setdefault(one["site"], []).append(one)
    sites = [
        {
            **site,
            "remarks": _remarks(site, words, report["final"]) if here else _said(site, words),
            "list": people.get(site["id"], []),
            "spans": _spans(site, words),
        }
        for site in report["sites"]
    ]
    return {
        **report,
        "sites": sites,
        "here": here,
        "attended": sum(site["joined"] for site in sites),
        "absent": [site for site in sites if not site["joined"]] if here and report["final"] else [],
        "incidents": [{**one, "what": what(one, words), "tone": tone_of(one)} for one in report["incidents"]],
        "people_total": _people_total(report, words),
    }


def zalo_text(report: Report, zone: tzinfo, now: datetime) -> str:
    """The result as a short Vietnamese text, ready to paste into a group."""
    words = Words("vi", zone, now)
    until = report["finished_at"] or report["ends_at"]
    lines = [
        words(
            "report.zalo_head",
            title=report["title"],
            day=f"{words.weekday(report['starts_at'])} {words.date(report['starts_at'])}",
            from_=words.time(report["starts_at"]),
            to=words.time(until),
        )
    ]
    sites = report["sites"]
    if report["mode"] == "here":
        lines.append(words("report.zalo_attended", n=sum(site["joined"] for site in sites), all=len(sites)))
        absent = [site["name"] for site in sites if not site["joined"]]
        lines.append(
            words("report.zalo_absent", sites=words.list(absent)) if absent else words("report.zalo_all")
        )
    dropped = [
        words("report.zalo_times", site=site["name"], n=site["drop_outs"])
        for site in sites
        if site["drop_outs"]
    ]
    if dropped:
        lines.append(words("report.zalo_dropped", sites=words.list(dropped)))
    if any(report["people_totals"].values()):
        lines.append(words("report.zalo_people", text=_people_total(report, words)))
    if report["floor_turns"]:
        lines.append(words("report.zalo_floor", n=len(report["floor_turns"])))
    incidents = [
        words(
            "report.zalo_incident",
            site=one["site_name"],
            what=what(one, words).lower() if not one["title"] else one["title"],
            state=words("report.zalo_resolved") if one["closed_at"] else words("report.still_open"),
        )
        for one in report["incidents"]
    ]
    if incidents:
        lines.append(words("report.zalo_incidents", list="; ".join(incidents)))
    return "\n".join(lines)


def sites_csv(report: Report, words: Words) -> str:
    """A row for each site."""
    part = report_part(report, words)
    heading = [
        words("report.column_code"),
        words("report.site"),
        words("report.column_joined"),
        words("report.column_first"),
        words("report.column_last"),
        words("report.column_minutes"),
        words("report.column_drop_outs"),
        words("report.column_floor"),
        words("report.column_floor_minutes"),
        words("report.column_median"),
        words("report.column_p95"),
        words("report.column_present"),
        words("report.column_substitute"),
        words("report.column_excused"),
        words("report.column_absent"),
        words("report.column_remarks"),
        words("report.column_note"),
    ]
    rows = [
        [
            site["id"],
            site["name"],
            "x" if site["joined"] else "",
            _exact(site["first_joined_at"], words),
            _exact(site["last_seen_at"], words),
            _minutes(site["present_s"]),
            site["drop_outs"],
            site["floor_taken"],
            _minutes(site["floor_s"]),
            site["line"]["median_ms"] if site["line"] else None,
            site["line"]["p95_ms"] if site["line"] else None,
            *site["people"].values(),
            "; ".join(site["remarks"]),
            site["note"],
        ]
        for site in part["sites"]
    ]
    return csv_table(heading, rows)


def people_csv(report: Report, words: Words) -> str:
    """A row for each person."""
    names = {site["id"]: site["name"] for site in report["sites"]}
    heading = [
        words("report.site"),
        words("report.name"),
        words("report.position"),
        words("report.status"),
        words("report.stands_for"),
        words("report.reason"),
    ]
    rows = [
        [
            names[one["site"]],
            one["name"],
            one["position"],
            words(f"report.status_{one['status']}"),
            one["stands_for"],
            one["reason"],
        ]
        for one in report["people"]
    ]
    return csv_table(heading, rows)


def floor_csv(report: Report, words: Words) -> str:
    """A row for each turn, in order."""
    heading = [words("report.clock"), words("report.site"), words("report.column_floor_minutes")]
    rows = [
        [_exact(turn["since"], words), turn["name"], _minutes(turn["seconds"])]
        for turn in report["floor_turns"]
    ]
    return csv_table(heading, rows)


def totals_csv(totals: list[View], words: Words) -> str:
    """A month by site."""
    heading = [
        words("report.column_code"),
        words("report.site"),
        words("report.area"),
        words("report.totals_meetings"),
        words("report.totals_absent"),
        words("report.column_minutes"),
        words("report.column_drop_outs"),
    ]
    rows = [
        [
            one["site"],
            one["name"],
            one["area"],
            one["meetings"],
            one["absent"],
            _minutes(one["present_s"]),
            one["drop_outs"],
        ]
        for one in totals
    ]
    return csv_table(heading, rows)


def _said(site: View, words: Words) -> list[str]:
    """What the hall itself said."""
    declined = site["declined_at"]
    return [words("report.declined", time=words.time(declined))] if declined else []


def _remarks(site: View, words: Words, final: bool) -> list[str]:
    if not site["joined"]:
        remarks = [words("report.absent")]
    else:
        remarks = [words("report.no_farewell")] if final and not site["left"] else []
    remarks += _said(site, words)
    if site["join_failed"]:
        remarks.append(words.n("report.join_failed", site["join_failed"]))
    return remarks + [words.n(f"report.fault_{kind}", count) for kind, count in site["faults"].items()]


def _spans(site: View, words: Words) -> list[str]:
    """When it was present, if not all along: `08:31–08:36` and so on."""
    if len(site["intervals"]) < 2:
        return []
    return [
        f"{words.time(one['since'])}–{words.time(one['until']) if one['until'] else ''}"
        for one in site["intervals"]
    ]


def _people_total(report: Report, words: Words) -> str:
    """`24 có mặt, 1 dự thay`: what there is."""
    counts = {status: n for status, n in report["people_totals"].items() if n}
    return ", ".join(f"{words.number(n)} {words(f'report.status_{status}')}" for status, n in counts.items())


def _exact(moment: str | None, words: Words) -> str:
    return words.exact(moment) if moment else ""


def _minutes(seconds: float) -> float:
    return round(seconds / 60, 1)
