"""Why something asked for is not done. The text is a sentence for whoever asked, saying what to do."""

from __future__ import annotations


class Refusal(ValueError):
    """What was asked cannot be done as asked.

    The text is English, for API and command line. Pages look up `refusal.<code>` in their own language and
    fill in `values`; `field` names the field of a form that is wrong.
    """

    code = "refused"

    def __init__(self, text: str, /, *, code: str = "", field: str = "", **values: object) -> None:
        super().__init__(text)
        self.code = code or type(self).code
        self.field = field
        self.values = values


class Invalid(Refusal):
    """The request itself is wrong."""

    code = "invalid"


class Conflict(Refusal):
    """The request is fine, but something that exists stands against it."""

    code = "conflict"


class NotFound(Refusal):
    """What the request is about does not exist, or not for whoever asks."""

    code = "not_found"


class Forbidden(Refusal):
    """Whoever asks may see this, but not do it."""

    code = "forbidden"
