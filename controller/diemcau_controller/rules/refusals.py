"""Why something asked for is not done. The text is a sentence for whoever asked, saying what to do."""

from __future__ import annotations


class Refusal(ValueError):
    """What was asked cannot be done as asked."""


class Invalid(Refusal):
    """The request itself is wrong."""


class Conflict(Refusal):
    """The request is fine, but something that exists stands against it."""


class NotFound(Refusal):
    """What the request is about does not exist."""
