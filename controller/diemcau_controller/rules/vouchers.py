"""Papers that prepare a site: what is sealed, and when one does. Pure: key and time come in."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta

LONGEST = timedelta(days=60)
USUAL = timedelta(days=7)


def sealed(key: bytes, voucher: str, site: str, what: str, expires_at: datetime) -> str:
    """What stands on the paper: the voucher's id, and the seal over all it says."""
    return f"{voucher}.{_seal(key, voucher, site, what, expires_at)}"


def id_on(text: str) -> str:
    """The id of the voucher that a paper says it is; nothing is checked yet."""
    return text.strip().partition(".")[0]


def is_ours(key: bytes, text: str, site: str, what: str, expires_at: datetime) -> bool:
    """True if the paper was sealed with this key for that site, work and time."""
    voucher, _, seal = text.strip().partition(".")
    fitting = _seal(key, voucher, site, what, expires_at)
    return hmac.compare_digest(fitting.encode(), seal.encode())


def fault_of(
    unit: str,
    now: datetime,
    *,
    expires_at: datetime,
    withdrawn: bool,
    used_by: str | None,
    removed: bool,
    taken: bool,
) -> str:
    """Why a paper that is ours does not admit `unit` now, as the end of a code; "" when it does.

    `removed`: its site is. `taken`: it is for a first installation, but the site has another unit by now.
    """
    if withdrawn:
        return "withdrawn"
    if used_by is not None and used_by != unit:
        return "used"
    if now >= expires_at:
        return "expired"
    if removed or taken:
        return "other_site"
    return ""


def _seal(key: bytes, voucher: str, site: str, what: str, expires_at: datetime) -> str:
    said = "\n".join(("diemcau voucher 1", voucher, site, what, f"{expires_at.timestamp():.0f}"))
    return hmac.new(key, said.encode(), hashlib.sha256).hexdigest()[:32]
