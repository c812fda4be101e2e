"""Pass phrases of keys on a medium: asked for, or read from a file by whoever has nobody to ask."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Annotated

import typer

from .client import Failed

PhraseOption = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="File with the pass phrase of the keys; without it, asked."),
]
UnlockedOption = Annotated[
    bool, typer.Option("--unlocked", help="No pass phrase: whoever finds the medium has the keys.")
]
SHORTEST_PHRASE = 12


def known_phrase(file: Path | None, what: str) -> str:
    """The pass phrase of keys that are locked; `what` asks for it."""
    return _read(file) if file is not None else _asked(what, again=False)


def new_phrase(file: Path | None, what: str) -> str:
    """A pass phrase for keys that are to be locked; asked for twice."""
    phrase = _read(file) if file is not None else _asked(what, again=True)
    if len(phrase) < SHORTEST_PHRASE:
        raise Failed(
            f"a pass phrase has at least {SHORTEST_PHRASE} letters: take four words that nobody would guess"
        )
    return phrase


def _asked(what: str, *, again: bool) -> str:
    try:
        given = typer.prompt(what, hide_input=True, confirmation_prompt=again, err=True)
    except typer.Abort:
        raise Failed(
            "there is nobody to ask for the pass phrase: name a file with --passphrase-file"
        ) from None
    return _normal(str(given))


def _read(file: Path) -> str:
    """The first line of a file."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise Failed(f"the pass phrase cannot be read from {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Failed(f"{file} is not UTF-8: write the pass phrase as its first line") from None
    phrase = _normal(text.lstrip("\ufeff").partition("\n")[0].rstrip("\r"))
    if not phrase:
        raise Failed(f"{file} is empty: write the pass phrase as its first line")
    return phrase


def _normal(phrase: str) -> str:
    """One spelling, however the keyboard writes accents."""
    return unicodedata.normalize("NFC", phrase)
