"""Whether what a unit says of its connection counts, and when a connected unit counts as silent."""

from __future__ import annotations

from datetime import datetime, timedelta

SILENT_AFTER_INTERVALS = 3


def counts(status: str, nonce: str, current_nonce: str | None) -> bool:
    """False for a farewell or a will that is not of the unit's present connection.

    A broker publishes the will of a connection that a quick reconnect has already replaced; only the nonce
    tells that it is stale. An `online` always counts: it *is* the newest connection.
    """
    return status == "online" or current_nonce is None or nonce == current_nonce


def silent(last_health: datetime | None, interval_s: float, listening_since: datetime, now: datetime) -> bool:
    """True when a unit that is connected has missed several measurements while we listened all along."""
    patience = timedelta(seconds=SILENT_AFTER_INTERVALS * interval_s)
    heard = max(last_health, listening_since) if last_health else listening_since
    return now - heard > patience
