"""What every page is made with: its template, its words, its headers, and messages across a redirect."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import urlencode, urlsplit

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from ..api.access import controller_of, known_to
from .environment import templates
from .words import LANGUAGES, Words

LANGUAGE_COOKIE = "diemcau_language"
_FLASH_COOKIE = "__Host-diemcau-message"
_LONGEST_FLASH = 1500
_YEAR_S = 365 * 86400
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer browsers hide the origin of our own forms
    "Cache-Control": "no-store",  # so that the back button after a change shows the truth
    "Vary": "Cookie, HX-Request",
}


def render(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page, or a part of one, from its template.

    Templates get `words`, `office`, `actor` (None: nobody is logged in), `csrf`, `messages`, `other_language`
    and the values.
    """
    core, words, known = controller_of(request), words_of(request), known_to(request)
    whole = not for_htmx(request)
    messages = _flashed(request) if whole else []
    text = templates.get_template(template).render(
        words=words,
        office=core.settings.coordinator.name,
        actor=known.who if known else None,
        csrf=known.csrf if known else "",
        messages=messages,
        other_language=_in_other_language(request, words),
        **values,
    )
    answer = HTMLResponse(text, status, _HEADERS)
    if messages:
        answer.delete_cookie(_FLASH_COOKIE, secure=True, httponly=True, samesite="lax")
    if whole and request.query_params.get("lang") in LANGUAGES:
        remember_language(answer, words.language)
    return answer


def redirect(path: str, text: str = "", tone: str = "good") -> RedirectResponse:
    """On to another page of ours after a change (303), with a message to show there."""
    answer = RedirectResponse(path, 303, {"Cache-Control": "no-store", "Referrer-Policy": "same-origin"})
    if text:
        flash(answer, text, tone)
    return answer


def flash(answer: Response, text: str, tone: str = "good") -> None:
    """Have the next page show a message. Tones: good, care, bad, none."""
    packed = base64.urlsafe_b64encode(
        json.dumps([tone, text[:_LONGEST_FLASH]], ensure_ascii=False).encode()
    ).decode()
    answer.set_cookie(_FLASH_COOKIE, packed, max_age=120, httponly=True, secure=True, samesite="lax")


def words_of(request: Request) -> Words:
    """The words of whoever looks: as asked for in the address, else as remembered, else as configured."""
    core = controller_of(request)
    asked = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE)
    language = asked if asked in LANGUAGES else core.settings.language
    return Words(language, core.settings.zone, core.now())


def remember_language(answer: Response, language: str) -> None:
    """Have this browser be spoken to in that language from now on."""
    answer.set_cookie(LANGUAGE_COOKIE, language, max_age=_YEAR_S, samesite="lax", secure=True)


def _in_other_language(request: Request, words: Words) -> str:
    """The address of the same view in the other language: with its filters, on the wall as on a desk."""
    query = [(name, text) for name, text in request.query_params.multi_items() if name != "lang"]
    return f"?{urlencode([*query, ('lang', words('page.other_code'))])}"


def for_htmx(request: Request) -> bool:
    """True when htmx asks for a part of a page."""
    return request.headers.get("hx-request") == "true"


def local_path(text: str | None) -> str:
    """An address within our own pages, or `/` for anything else: who follows it stays here."""
    if not text or len(text) > 2000 or not text.startswith("/") or text[1:2] in ("/", "\\"):
        return "/"
    if any(letter <= " " or letter == "\\" or letter == "\x7f" for letter in text):
        return "/"
    parts = urlsplit(text)
    return "/" if parts.scheme or parts.netloc else text


def came_from(request: Request) -> str:
    """The page of ours that the person was on, or `/`."""
    referer = urlsplit(request.headers.get("referer", ""))
    if referer.netloc != request.headers.get("host", ""):
        return "/"
    return local_path(f"{referer.path}?{referer.query}" if referer.query else referer.path)


def _flashed(request: Request) -> list[tuple[str, str]]:
    packed = request.cookies.get(_FLASH_COOKIE, "")
    if not packed:
        return []
    try:
        tone, text = json.loads(base64.urlsafe_b64decode(packed))
    except (ValueError, TypeError):
        return []
    return [(tone if tone in ("good", "care", "bad", "none") else "none", str(text))]
