"""Why an update cannot go on."""

from __future__ import annotations

from diemcau_agent.rules.updating import Why


class Trouble(Exception):
    """`why` is the stable word, the text says more, for whoever looks into it."""

    def __init__(self, why: Why, text: str) -> None:
        super().__init__(text)
        self.why = why
