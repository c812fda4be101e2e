"""What is told of a room that is not ready: a short text for people, without addresses and codes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from ..actions.fleet import SiteNow
from ..store.tables import VERDICT
from .words import Words

_NAMED = 12  # so many sites are named in one message


def instruction_of(site: SiteNow, words: Words) -> str:
    """The one thing to do at a site after its last check, or ""."""
    fault = site.verdict.fault if site.verdict.open else site.instruction
    return words.known("instruction", fault, "other") if fault else ""


def zalo_text(site: SiteNow, zone: tzinfo, now: datetime) -> str:
    """The state of a room, to be pasted into a group: Vietnamese, whatever language the page is in."""
    words = Words("vi", zone, now)
    checked = str(site.newest.get(VERDICT, {}).get("at", ""))
    said = [words(f"notice.state_{site.state}", site=site.name)]
    if checked and site.state in ("not_ready", "remark", "ready"):
        said.append(words("notice.checked", time=words.time(checked), day=_day(words, checked)))
    todo = instruction_of(site, words) if site.state in ("not_ready", "remark") else ""
    if todo:
        said.append(words("notice.todo", text=todo))
    contacts = _contacts(site)
    if contacts:
        said.append(words("notice.contact", contacts=contacts))
    return "\n".join(said)


def message(sites: Sequence[SiteNow], fault: str, words: Words) -> tuple[str, str]:
    """Title and text of a message about a fault that these sites have."""
    todo = words.known("instruction", fault, "other")
    if len(sites) == 1:
        (site,) = sites
        lines = [words("notice.todo", text=todo)]
        if contacts := _contacts(site):
            lines.append(words("notice.contact", contacts=contacts))
        return words("notice.one", site=site.name), "\n".join(lines)
    names = [site.name for site in sites[:_NAMED]]
    if len(sites) > _NAMED:
        names.append(words("notice.and_more", n=words.number(len(sites) - _NAMED)))
    lines = [words("notice.todo", text=todo), words("notice.where", sites=", ".join(names))]
    return words("notice.many", n=words.number(len(sites))), "\n".join(lines)


def _contacts(site: SiteNow) -> str:
    said = (f"{one.get('name', '')} {one.get('phone', '')}".strip() for one in site.row.contacts[:2])
    return ", ".join(one for one in said if one)


def _day(words: Words, at: str) -> str:
    return f"{words.weekday(at)} {words.date(at)}"
