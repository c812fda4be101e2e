"""From incidents as data to what their pages say: tones, sentences, the text for Zalo."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..actions.find_incident import View
from ..rules.csv_table import csv_table
from ..store.tables import Site, User
from .words import Words

_GRAVE = ("connection", "no_sound", "no_picture")
_SYSTEM = "system"


def tone_of(view: View) -> str:
    """`good` for a closed incident, `bad` for one that keeps a meeting from working, else `care`."""
    if view["closed_at"] is not None:
        return "good"
    return "bad" if view["kind"] in _GRAVE or view["in_meeting"] else "care"


def what(view: View, words: Words) -> str:
    """What went wrong, in a few words: the title somebody gave it, else its kind."""
    if view["site_count"] > 1 and not view["title"]:
        return words("incidents.many")
    return str(view["title"]) or words(f"incidents.kind_{view['kind']}")


def people(session: Session) -> dict[str, str]:
    """How users are called, by name."""
    return {user.name: user.display_name or user.name for user in session.scalars(select(User))}


def person(name: str | None, known: Mapping[str, str], words: Words) -> str:
    """Somebody who did something, as people call him; halls and the system are no users."""
    if name is None:
        return words("incidents.nobody")
    if name == _SYSTEM:
        return words("incidents.system")
    return known.get(name, name.removeprefix("hall:"))


def in_short(view: View, words: Words, known: Mapping[str, str]) -> View:
    """An incident as a row of a list."""
    return {
        **view,
        "tone": tone_of(view),
        "what": what(view, words),
        "who": person(view["assignee"], known, words),
        "reporter": person(view["opened_by"], known, words),
    }


def entry_part(session: Session, entry: View, words: Words, known: Mapping[str, str]) -> View:
    """A line of the history: its headline, what was said, technical details of evidence."""
    document = entry["document"] or {}
    headline = (
        words(f"incidents.entry_{entry['kind']}")
        if entry["kind"] != "assigned"
        else (
            words("incidents.entry_assigned", name=person(entry["text"], known, words))
            if entry["text"]
            else words("incidents.entry_unassigned")
        )
    )
    return {
        **entry,
        "headline": headline,
        "said": _cause(session, document, words)
        if entry["kind"] == "evidence"
        else ("" if entry["kind"] == "assigned" else entry["text"]),
        "by": person(entry["who"], known, words),
        "unit": document.get("unit"),
        "health": document.get("health") or {},
        "events": document.get("events", []),
    }


def zalo_text(view: View, zone: tzinfo, now: Any, known: Mapping[str, str]) -> str:
    """The incident as a short Vietnamese text, ready to paste into a group."""
    words = Words("vi", zone, now)

    def moment(key: str, at: str, **values: str) -> str:
        return words(key, time=words.time(at), day=f"{words.weekday(at)} {words.date(at)}", **values)

    site = view["site_name"]
    if view["site_count"] > 1:
        site = words.list([place["name"] for place in view["sites"]])
    lines = [
        words("incidents.zalo_head", id=view["id"], site=site, what=what(view, words)),
        moment("incidents.zalo_since", view["opened_at"]),
    ]
    if view["meeting_title"]:
        lines.append(words("incidents.zalo_meeting", title=view["meeting_title"]))
    if view["closed_at"]:
        lines.append(moment("incidents.zalo_closed", view["closed_at"], text=view["resolution"]))
    else:
        lines.append(words("incidents.zalo_open"))
        if view["assignee"]:
            lines.append(words("incidents.zalo_assigned", name=person(view["assignee"], known, words)))
        contacts = [
            f"{contact.get('name', '')} {contact.get('phone', '')}".strip()
            for contact in view["sites"][0]["contacts"]
        ]
        if any(contacts):
            lines.append(words("incidents.zalo_contact", contacts=", ".join(filter(None, contacts))))
    return "\n".join(lines)


def incidents_csv(views: list[View], words: Words, known: Mapping[str, str]) -> str:
    """Incidents as a table for a spreadsheet program."""
    heading = [
        words("incidents.column_id"),
        words("incidents.column_site"),
        words("incidents.column_kind"),
        words("incidents.column_title"),
        words("incidents.column_meeting"),
        words("incidents.column_opened"),
        words("incidents.assignee"),
        words("incidents.column_closed"),
        words("incidents.column_resolution"),
    ]
    rows = [
        [
            view["id"],
            _all_sites(view, words),
            words(f"incidents.kind_{view['kind']}"),
            view["title"],
            view["meeting_title"],
            words.exact(view["opened_at"]),
            person(view["assignee"], known, words) if view["assignee"] else "",
            words.exact(view["closed_at"]) if view["closed_at"] else "",
            view["resolution"],
        ]
        for view in views
    ]
    return csv_table(heading, rows)


def _all_sites(view: View, words: Words) -> str:
    more = view["site_count"] - 1
    return f"{view['site_name']} {words.n('incidents.more_sites', more)}" if more else str(view["site_name"])


def _cause(session: Session, document: View, words: Words) -> str:
    cause = str(document.get("cause", "snapshot"))
    if cause == "back":
        return words("incidents.cause_back", site=_names(session, [str(document.get("site"))], words))
    if cause in ("lost", "lost_together"):
        sites = [str(one["site"]) for one in document.get("sites", [])]
        return words(f"incidents.cause_{cause}", sites=_names(session, sites, words))
    key = f"incidents.cause_{cause}"
    return words(key) if words.has(key) else words("incidents.cause_snapshot")


def _names(session: Session, sites: list[str], words: Words) -> str:
    known = {row.id: row.name for row in session.scalars(select(Site).where(Site.id.in_(sites)))}
    return words.list([known.get(site, site) for site in sites])
