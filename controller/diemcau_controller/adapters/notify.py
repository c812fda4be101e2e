"""Messages to people, by whatever way the office has: e-mail, a webhook, an SMS gateway … (Apprise).

An address is an Apprise URL, such as `mailto://name:password@example.org`. It holds passwords: it is shown
by :func:`shown_as` only.
"""

from __future__ import annotations

from typing import Any

MOST_TEXT = 300


class NotSent(OSError):
    """The message could not be handed over; the text says why, without the address's passwords."""


def shown_as(url: str) -> str:
    """The address as people may see it. Raises ValueError for one that is none."""
    made = _service(url)
    return str(made.url(privacy=True)).partition("?")[0]


def send(url: str, title: str, body: str) -> None:
    """Hand a message over; blocks, at most some tens of seconds. Raises :class:`NotSent`."""
    from apprise import Apprise

    service = Apprise()
    if not service.add(_service(url)):
        raise NotSent("the address cannot be used")
    result = service.notify(body=body, title=title)
    if not result:
        said = [entry.message for one in result for attempt in one for entry in attempt.logs]
        raise NotSent((said[-1] if said else "it was refused")[:MOST_TEXT])


def _service(url: str) -> Any:
    from apprise import Apprise  # half a second, and only who notifies needs it

    made = Apprise.instantiate(url)
    if made is None:
        raise ValueError("is no address Apprise knows: write mailto://…, json://… or another one")
    return made
