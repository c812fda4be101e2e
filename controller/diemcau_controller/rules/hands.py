"""What a hall says when it asks for the floor."""

from __future__ import annotations

import unicodedata

from .refusals import Invalid

LONGEST_QUESTION = 300  # letters


def question(text: str) -> str:
    """A hall's question as it is kept: one line, NFC. Raises :class:`Invalid` for one that is too long."""
    line = " ".join(
        "".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in text).split()
    )
    line = unicodedata.normalize("NFC", line)
    if len(line) > LONGEST_QUESTION:
        raise Invalid(
            f"the question has {len(line)} letters: write at most {LONGEST_QUESTION}",
            code="hands.too_long",
            field="text",
            n=len(line),
            most=LONGEST_QUESTION,
        )
    return line
