"""Which certificates of units count: written down when issued, crossed out when revoked.

The first gate is the binding of a unit to a site, this is the second. A serial nobody wrote down is one that
our authority signed before there was this list, or after the backup this database comes from: it counts, or
every hall would be locked out by a restored backup.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..rules.rollout import UNSETTLED, At
from ..rules.serials import read_serial
from ..store.tables import Certificate, Rollout, RolloutUnit, Unit

Standing = Literal["good", "revoked", "unknown"]
Why = Literal["replaced", "revoked", "renewed"]


def record_certificate(
    session: Session, unit_id: str, serial: str, issued_at: datetime, not_after: datetime, pem: str = ""
) -> None:
    """Write down what was issued to a unit that is known; again is no change."""
    if session.get(Certificate, serial) is None:
        session.add(
            Certificate(serial=serial, unit_id=unit_id, issued_at=issued_at, not_after=not_after, pem=pem)
        )
        session.flush()


def revoke_certificates(
    session: Session, unit_id: str, now: datetime, why: Why, *, but: str | None = None
) -> list[str]:
    """Cross out every certificate of a unit (`but` one), and give the serials that counted until now."""
    standing_ones = select(Certificate).where(
        Certificate.unit_id == unit_id, Certificate.revoked_at.is_(None), Certificate.serial != (but or "")
    )
    revoked = []
    for certificate in session.scalars(standing_ones):
        certificate.revoked_at, certificate.why = now, why
        revoked.append(certificate.serial)
    session.flush()
    return revoked


def standing(session: Session, serial: str) -> Standing:
    """What we know of a serial that TLS has checked to be ours; however it is spelled."""
    known = read_serial(serial)
    certificate = session.get(Certificate, known) if known is not None else None
    if certificate is None:
        return "unknown"
    return "good" if certificate.revoked_at is None else "revoked"


def is_good(session: Session, serial: str) -> bool:
    """True unless the certificate was revoked; the caller looks at the unit's binding, too."""
    return standing(session, serial) != "revoked"


def not_updated_since(session: Session, since: datetime) -> list[str]:
    """Units that serve a site and have come to the end of no rollout that began since then: what rollouts
    bring beside the release, such as whose log-ins count, they may not have. A run is told of it at its
    beginning, so one that was under way may have brought what was so before."""
    begun = select(Rollout.id).where(Rollout.created_at >= since)
    updated = select(RolloutUnit.unit_id).where(
        RolloutUnit.rollout_id.in_(begun),
        RolloutUnit.state == At.DONE,
        RolloutUnit.why != UNSETTLED,
        RolloutUnit.kept_at >= since,
    )
    late = select(Unit.id).where(Unit.site_id.is_not(None), Unit.id.not_in(updated)).order_by(Unit.id)
    return list(session.scalars(late))


def not_renewed_since(session: Session, since: datetime) -> list[str]:
    """Units that serve a site and hold no certificate issued since then: they know no newer roots."""
    renewed = select(Certificate.unit_id).where(
        Certificate.revoked_at.is_(None), Certificate.issued_at >= since
    )
    late = select(Unit.id).where(Unit.site_id.is_not(None), Unit.id.not_in(renewed)).order_by(Unit.id)
    return list(session.scalars(late))
