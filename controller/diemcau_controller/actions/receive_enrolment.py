"""A unit asks to be admitted: its request, the opening of its nonce, and how the request stands."""

from __future__ import annotations

import asyncio
import logging
import secrets
from datetime import datetime

from diemcau_wire.enrolment import (
    EnrolAnswer,
    EnrolRequest,
    EnrolState,
    EnrolStatus,
    code_of,
    commitment_of,
    ssh_proof_bytes,
    status_bytes,
)
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..adapters.authority import Authority
from ..adapters.proof import read_key, spki_of, verified, verified_by_ssh
from ..rules.enrolment import AT_ONCE, LIFE, OPEN_STATES, PER_SOURCE, State, Step
from ..rules.refusals import Conflict, Forbidden, Invalid
from ..store.tables import Enrolment, Site, Unit
from .admit import Admitted
from .bind_unit import need_not_ended
from .controller import Controller
from .doorkeeper import TooMany
from .enrolment_now import enrolment_for, over, step
from .use_voucher import admit_by_voucher

log = logging.getLogger(__name__)

POLL_S = 3.0


async def receive_enrolment(controller: Controller, asked: EnrolRequest, source: str) -> EnrolAnswer:
    """Take a request. One of a unit that is bound continues where it was: it need only fetch its certificate.

    Raises :class:`Invalid` for a request that its keys did not sign, :class:`Conflict` for the key of a unit
    that was replaced or revoked, `TooMany` when one address or all together ask too much.
    """
    try:
        key = await asyncio.to_thread(read_key, asked.csr)
    except ValueError as error:
        raise Invalid(f"csr: {error}: make the request anew", code="enrol.csr") from None
    await asyncio.to_thread(_need_own_ssh_key, asked)
    roots = await asyncio.to_thread(_roots, controller)
    now = controller.now()
    made = Enrolment(
        id=f"e-{secrets.token_hex(8)}",
        unit_id=key.unit,
        public_key=key.pem,
        serial=asked.serial,
        model=asked.model,
        version=asked.version,
        ssh_host_key=asked.ssh_host_key,
        commitment=asked.commitment,
        nonce=secrets.token_hex(16),
        state=State.ASKED.value,
        source=source,
        voucher=asked.voucher,
        created_at=now,
        expires_at=now + LIFE,
    )

    def change(session: Session) -> str | None:
        _need_room(session, source, now)
        unit = session.get(Unit, key.unit)
        if unit is not None:
            need_not_ended(unit)
        earlier = select(Enrolment).where(
            Enrolment.unit_id == key.unit, Enrolment.state.in_([state.value for state in OPEN_STATES])
        )
        for row in session.scalars(earlier):
            step(row, Step.ASK_ANEW)
        if unit is not None and unit.site_id is not None:
            made.state, made.site_id, made.epoch = State.APPROVED.value, unit.site_id, unit.epoch
            made.reason, made.decided_at = "known", now
            unit.ssh_host_key = asked.ssh_host_key or unit.ssh_host_key
        session.add(made)
        return made.site_id

    site = await controller.write(change)
    controller.news.tell("enrolment", unit=key.unit, site=site)
    return EnrolAnswer(
        request=made.id, nonce=made.nonce, roots=roots, expires_at=made.expires_at, now=now, poll_s=POLL_S
    )


async def open_enrolment(controller: Controller, request: str, nonce: str) -> None:
    """The unit opens its nonce: from now on there is a code. Again with the same nonce is fine.

    Raises :class:`Conflict` for a nonce it did not commit to, which ends the request.
    """
    roots = await asyncio.to_thread(_roots, controller)
    now = controller.now()

    def change(session: Session) -> tuple[Conflict | None, Admitted | None, str]:
        row = enrolment_for(session, request, now)
        if row.unit_nonce == nonce:
            return None, None, row.unit_id
        if row.state == State.APPROVED:  # it continues where it was
            row.unit_nonce = nonce
            return None, None, row.unit_id
        if row.state != State.ASKED:
            return over(row), None, row.unit_id
        if commitment_of(nonce) != row.commitment:
            step(row, Step.WRONG_OPENING, "wrong_opening")
            log.error("a unit opened another nonce than it committed to", extra={"source": row.source})
            refusal = Conflict(
                "that is not the nonce of the request: ask anew; if it happens again, somebody stands "
                "between unit and controller",
                code="enrol.wrong_opening",
            )
            return refusal, None, row.unit_id
        row.unit_nonce = nonce
        row.code = code_of(spki_of(row.public_key), roots, nonce, row.nonce)
        step(row, Step.OPEN)
        taken = select(Enrolment.id).where(
            Enrolment.code == row.code, Enrolment.state == State.WAITING.value, Enrolment.id != row.id
        )
        if session.scalars(taken).first() is not None:  # once in 10^9: nobody could say which is meant
            step(row, Step.ASK_ANEW, "same_code")
            return over(row), None, row.unit_id
        return None, admit_by_voucher(session, controller, row, now), row.unit_id

    refusal, admitted, unit = await controller.write(change)
    if admitted is not None:
        await admitted.follow(controller)
    controller.news.tell("enrolment", unit=unit, site=admitted.site if admitted is not None else None)
    if refusal is not None:
        raise refusal


def enrolment_status(controller: Controller, request: str, signature: str) -> EnrolStatus:
    """How it stands, for whoever holds the key. Reads the database: call it from a thread."""
    now = controller.now()
    with controller.database.read() as session:
        row = enrolment_for(session, request, now)
        if not verified(row.public_key, signature, status_bytes(row.id, row.nonce)):
            raise Forbidden("the proof does not hold: sign with the key of the request", code="enrol.proof")
        site = session.get(Site, row.site_id) if row.site_id is not None else None
        state = State(row.state)
        return EnrolStatus(
            state=EnrolState.WAITING if state is State.ASKED else EnrolState(state.value),
            site_name=site.name if site is not None else None,
            reason=row.reason or None,
            poll_s=POLL_S,
            expires_at=row.expires_at,
            now=now,
        )


def _need_own_ssh_key(asked: EnrolRequest) -> None:
    """Refuse an SSH host key that the unit only names: it would be certified under the unit's name."""
    if asked.ssh_host_key is None:
        return
    if asked.ssh_proof is None:
        raise Invalid(
            "ssh_host_key comes without ssh_proof: the program of the unit is too old, put a newer one on it",
            code="enrol.ssh_proof",
        )
    try:
        own = verified_by_ssh(asked.ssh_host_key, asked.ssh_proof, ssh_proof_bytes(asked))
    except ValueError as error:
        raise Invalid(f"ssh_host_key: {error}: make the request anew", code="enrol.csr") from None
    if not own:
        raise Invalid(
            "ssh_proof: that SSH host key did not sign this request: make the request anew",
            code="enrol.ssh_proof",
        )


def _roots(controller: Controller) -> list[str]:
    authority = Authority(controller.state.authority, controller.now)
    authority.ensure()
    return authority.roots()


def _need_room(session: Session, source: str, now: datetime) -> None:
    lately = select(func.count()).select_from(Enrolment).where(Enrolment.created_at > now - LIFE)
    of_source = session.scalar(lately.where(Enrolment.source == source)) or 0
    if of_source >= PER_SOURCE or (session.scalar(lately) or 0) >= AT_ONCE:
        raise TooMany(
            "too many requests to be admitted: wait a quarter of an hour, then ask anew",
            code="enrol.too_many",
            seconds=int(LIFE.total_seconds()),
        )
