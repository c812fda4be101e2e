"""What the authority refuses. Each text is a sentence that says what to do."""

from __future__ import annotations


class AuthorityError(RuntimeError):
    """The authority cannot do this as things are. What was changed until then, a second try goes on from."""


class NotOurs(ValueError):
    """A certificate or key that this authority did not make."""
