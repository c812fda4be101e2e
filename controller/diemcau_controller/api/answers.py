"""What an operation may answer beside its success, as the schema tells it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

_MEANINGS = {
    401: "No valid token.",
    403: "The role is too small, or what this is about is beyond its area.",
    404: "There is none, or none that this role may see.",
    409: "Something that exists stands against it.",
    413: "It is too large.",
    422: "The request cannot be read, or asks for what cannot be.",
    429: "Too many tries: the sentence says how long to wait.",
    503: "The database is busy or cannot store it: try again.",
}


class Refused(BaseModel):
    """Why not, in a sentence that says what to do. `code` is a stable word for it, `values` its details."""

    detail: str
    code: str | None = None
    values: dict[str, Any] | None = None


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an operation: these, and what every operation may answer (401, 403, 503)."""
    return {
        status: {"model": Refused, "description": _MEANINGS[status]}
        for status in sorted({401, 403, 503, *statuses})
    }
