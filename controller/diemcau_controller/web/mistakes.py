"""Refusals and wrong fields, as sentences in the language of the page."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ..rules.refusals import Refusal
from .words import Words

Mistakes = dict[str, str]
"""Field → sentence; "" is what belongs to no single field. For `form_errors` and `field(error=…)`."""


def sentence(words: Words, error: Refusal) -> str:
    """What a refusal says: `refusal.<code>` with its values, or what its kind says in general."""
    values = {key: _shown(words, value) for key, value in error.values.items()}
    for code in (error.code, type(error).code, "refused"):
        if words.has(f"refusal.{code}"):
            try:
                return words(f"refusal.{code}", **values)
            except KeyError:  # raised without a value the sentence names: say less
                continue
    return str(error)


def mistakes(words: Words, error: Refusal | ValidationError) -> Mistakes:
    """What is wrong with a form, by field: of a refusal the field it names, of a model every wrong one.

    A field inside another is named as forms do: `contacts.0.phone`.
    """
    if isinstance(error, Refusal):
        return {error.field: sentence(words, error)}
    return field_sentences(words, error.errors())


def field_sentences(words: Words, errors: Iterable[ErrorDetails]) -> Mistakes:
    """The sentences for pydantic's errors, by field; the first one of each."""
    found: Mistakes = {}
    for one in errors:
        found.setdefault(".".join(str(step) for step in one["loc"]), _field_sentence(words, one))
    return found


def _field_sentence(words: Words, error: ErrorDetails) -> str:
    values = {key: _shown(words, value) for key, value in error.get("ctx", {}).items()}
    for kind in (error["type"], error["type"].partition("_")[0]):
        if words.has(f"refusal.field_{kind}"):
            return words(f"refusal.field_{kind}", **values)
    return words("refusal.field_wrong")


def _shown(words: Words, value: object) -> object:
    if isinstance(value, datetime):
        return f"{words.time(value)} {words.date(value)}" if value.tzinfo else f"{value:%H:%M %d/%m/%Y}"
    if isinstance(value, list | tuple):
        return words.list([str(one) for one in value]) if value else ""
    return words.number(value) if type(value) is int else value
