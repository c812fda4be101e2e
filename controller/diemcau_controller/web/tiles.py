"""From a report to what its page says: remarks in words."""

from __future__ import annotations

from typing import Any

from ..actions.compose_report import Report
from ..api.views import View
from .words import Words


def report_part(report: Report, words: Words) -> View:
    """A report with remarks in words."""
    sites = [{**site, "remarks": _remarks(site, words, report["final"])} for site in report["sites"]]
    return {**report, "sites": sites}


def _remarks(site: dict[str, Any], words: Words, final: bool) -> list[str]:
    if not site["joined"]:
        remarks = [words("report.absent")]
    else:
        remarks = [words("report.no_farewell")] if final and not site["left"] else []
    if site["join_failed"]:
        remarks.append(words.n("report.join_failed", site["join_failed"]))
    return remarks + [words.n(f"report.{kind}", count) for kind, count in site["faults"].items()]
