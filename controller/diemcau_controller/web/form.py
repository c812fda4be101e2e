"""Forms as browsers send them: read within bounds, normalised, and kept when the session has just ended."""

from __future__ import annotations

import secrets
import unicodedata
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from fastapi import HTTPException, Request
from starlette.datastructures import FormData, UploadFile

from ..api.access import changes, from_own_page

_FIELDS, _FILES, _PART_BYTES = 25_000, 20, 256 * 1024
_KEPT_FOR = timedelta(minutes=30)
_KEPT_BYTES = 64 * 1024 * 1024


class Form:
    """The fields of a form. Text is NFC, without blanks around it, and `\\n` ends its lines."""

    def __init__(self, data: FormData) -> None:
        self._texts: dict[str, list[str]] = {}
        self._files: dict[str, list[UploadFile]] = {}
        for name, value in data.multi_items():
            if isinstance(value, UploadFile):
                if value.filename:
                    self._files.setdefault(name, []).append(value)
            else:
                self._texts.setdefault(name, []).append(_normal(value))

    def __getitem__(self, name: str) -> str:
        """The text of a field; "" when it was not sent."""
        return self._texts.get(name, [""])[0]

    def __contains__(self, name: str) -> bool:
        """True when the field was sent: a box that is ticked, a button that was pressed."""
        return name in self._texts

    def all(self, name: str) -> list[str]:
        """Every value of a field that may come several times, without empty ones."""
        return [text for text in self._texts.get(name, []) if text]

    def numbered(self, name: str) -> list[str]:
        """Every value of a field that may come several times, empty ones too: rows of one table."""
        return list(self._texts.get(name, []))

    def file(self, name: str) -> UploadFile | None:
        """The file of a field, None when none was chosen."""
        return self._files.get(name, [None])[0]

    def files(self, name: str) -> list[UploadFile]:
        """Every file of a field."""
        return list(self._files.get(name, []))

    @property
    def size(self) -> int:
        """How much was sent, in bytes; what separates the fields does not count."""
        texts = sum(len(text.encode()) for some in self._texts.values() for text in some)
        return texts + sum(file.size or 0 for some in self._files.values() for file in some)

    @property
    def values(self) -> dict[str, str]:
        """Field → text, to show what was typed once more; `csrf` is not among it."""
        return {name: texts[0] for name, texts in self._texts.items() if name != "csrf"}


async def form(request: Request) -> Form:
    """The form that was sent. Pages with an actor had its CSRF token checked before; on those that ask
    nobody's name (log-in, links) it must come from a page of ours.
    """
    known = getattr(request.state, "form", None)
    if isinstance(known, Form):
        return known
    if changes(request) and not from_own_page(request):
        raise HTTPException(403, "this form was not sent by a page of ours")
    return await read(request)


async def read(request: Request) -> Form:
    """Read the form of a request, whoever sent it. Files beyond 1 MB lie on the disk, not in memory; the
    application bounds the size of all of it."""
    return Form(await request.form(max_files=_FILES, max_fields=_FIELDS, max_part_size=_PART_BYTES))


@dataclass(frozen=True, slots=True)
class _Sent:
    at: datetime
    path: str
    form: Form


@dataclass
class Kept:
    """Forms whose session had ended, for half an hour, so that nobody types them twice."""

    _forms: OrderedDict[str, _Sent] = field(default_factory=OrderedDict)

    async def keep(self, request: Request, now: datetime) -> str:
        """Keep what the request sends; gives the key to it."""
        return self.keep_form(request.url.path, await read(request), now)

    def keep_form(self, path: str, form: Form, now: datetime) -> str:
        """Keep a form that was read already, as sent to that path; gives the key to it."""
        key = secrets.token_urlsafe(24)
        self._forms[key] = _Sent(now, path, form)
        while sum(one.form.size for one in self._forms.values()) > _KEPT_BYTES:
            self._forms.popitem(last=False)
        return key

    def path(self, key: str, now: datetime) -> str | None:
        """Where a kept form was sent to; None when it is no longer kept."""
        for old in [one for one, sent in self._forms.items() if now - sent.at > _KEPT_FOR]:
            del self._forms[old]
        sent = self._forms.get(key)
        return None if sent is None else sent.path

    def take(self, key: str, path: str, now: datetime) -> Form | None:
        """The kept form, if it was sent to that path. It can be taken once."""
        return self._forms.pop(key).form if self.path(key, now) == path else None


def kept_of(request: Request) -> Kept:
    """The forms this application keeps."""
    kept = request.app.state.kept
    assert isinstance(kept, Kept)
    return kept


def _normal(text: str) -> str:
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    return "".join(letter for letter in text if letter in "\n\t" or unicodedata.category(letter) != "Cc")
