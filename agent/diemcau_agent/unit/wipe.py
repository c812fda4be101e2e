"""A unit that was replaced or revoked keeps nothing that is secret.

That it was, is written first (`identity/farewell.json`), then everything is removed; after a power cut the
rest goes at the next start. Files are removed, not overwritten: flash memory keeps old copies wherever it
likes, and what they are worth is over, because the controller trusts none of it any more.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

from .state_folder import StateFolder, remove, sync_folder

log = logging.getLogger(__name__)

_FIELDS = ("verdict", "unit", "site", "site_name", "at", "text", "whom", "phone")


def farewell(folder: StateFolder) -> dict[str, str] | None:
    """What was said to the unit that this was; None while nobody was sent away. Garbage counts: it was
    written whole, so something was said."""
    try:
        content = folder.farewell.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        log.error("the farewell cannot be read", extra={"error": str(error)})
        return {}
    try:
        said = json.loads(content)
        return {key: said[key][:200] for key in _FIELDS if isinstance(said.get(key), str)}
    except (ValueError, RecursionError, AttributeError):
        return {}


def wipe(folder: StateFolder) -> bool:
    """Remove every secret; True when nothing is left. Call it again until it is."""
    clean = True
    for path in _secrets(folder):
        try:
            remove(path)
        except OSError as error:
            clean = False
            log.error("a secret cannot be removed", extra={"path": str(path), "error": str(error)})
    return clean


def forget(folder: StateFolder) -> None:
    """Begin as a blank box: what is left of the unit that this was goes, too. Raises OSError."""
    # the farewell last: until it goes this is a unit that was sent away
    for path in (*_secrets(folder), folder.ca, folder.generation, folder.farewell):
        remove(path)
    if folder.identity.is_dir():
        sync_folder(folder.identity)


def _secrets(folder: StateFolder) -> Iterator[Path]:
    """The key first: without it the rest is of no use to anybody."""
    yield folder.unit_key
    for pattern in ("unit.*", "ssh_host_*", "*.new", "*.corrupt"):
        yield from sorted(folder.identity.glob(pattern))
    yield from (
        folder.reach,
        folder.ssh_users,
        folder.enrolment,
        folder.coordinator,
        folder.arriving,
        folder.joins,
    )
    for place, pattern in (
        (folder.desired, "*"),
        (folder.shared, "*"),
        (folder.run, "*.png"),
        (folder.run, "*.jpg"),
    ):
        yield from sorted(path for path in place.glob(pattern) if path.is_file())
    yield from sorted(folder.root.glob("outbox.sqlite*"))
    yield folder.janus_session
