"""Tell a unit, by proof of its key alone, what it is to us: its certificate, or that it has ended."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from diemcau_wire.enrolment import (
    Challenge,
    CoordinatorAddress,
    IdentityAnswer,
    IdentityRequest,
    Reach,
    Statement,
    Verdict,
    identity_bytes,
)
from sqlalchemy import select
from sqlalchemy.orm import Session

from ..adapters.authority import Authority, IssuedCertificate, NotOurs, certificates, statements
from ..adapters.proof import read_key, verified
from ..adapters.sshd_config import tunnel_user
from ..rules.refusals import Conflict, Forbidden, Invalid
from ..store.tables import Certificate, Enrolment, Unit
from .certificates import record_certificate, revoke_certificates
from .controller import Controller
from .enrolment_now import enrolment_for
from .installation import generation_of
from .later_binding import Claim, note_later_binding
from .reach import port_of

VALID = timedelta(minutes=2)
RENEW_AT = 1 / 3  # of its life left: from then on a unit gets a new one
_KEY = secrets.token_bytes(32)  # challenges need not outlive the process


def challenge(now: datetime) -> Challenge:
    """A nonce that says itself when it was made, so that nothing is kept for whoever asks for one."""
    made = int(now.timestamp()).to_bytes(8) + secrets.token_bytes(8)
    return Challenge(nonce=(made + _seal(made)).hex(), now=now)


@dataclass(frozen=True, slots=True)
class _Found:
    """What the database says of a unit. `fresh` is its certificate, for as long as it is worth having."""

    verdict: Verdict
    site: str | None = None
    site_name: str | None = None
    epoch: int = 0
    fresh: str | None = None
    ssh_host_key: str | None = None
    generation: int = 1
    tunnel_port: int | None = None


async def identity_answer(controller: Controller, asked: IdentityRequest) -> Statement:
    """The signed answer. Raises :class:`Conflict` for an old challenge and :class:`Forbidden` for a wrong
    proof: neither says anything about the unit."""
    now = controller.now()
    try:
        key = await asyncio.to_thread(read_key, asked.public_key)
    except ValueError as error:
        raise Invalid(f"public_key: {error}", code="enrol.csr") from None
    if not _ours(asked.nonce, now):
        raise Conflict("the challenge is old: ask for another", code="enrol.challenge")
    if not await asyncio.to_thread(verified, asked.public_key, asked.signature, identity_bytes(asked)):
        raise Forbidden("the proof does not hold: sign with the unit's key", code="enrol.proof")
    authority = Authority(controller.state.authority, controller.now)
    held = await asyncio.to_thread(_held, authority, asked, key.unit)

    def look(session: Session) -> tuple[_Found, bool]:
        found = _find(session, authority, key.unit, held, now)
        claim = Claim(held.unit, held.serial, held.site, held.epoch) if held and held.site else None
        later = claim is not None and note_later_binding(session, claim, controller.settings.language, now)
        return (replace(found, verdict=Verdict.WAITING) if later and found.site is None else found), later

    found, later = await controller.write(look)
    if later:
        controller.news.tell("enrolment", unit=key.unit, site=None)
    if found.verdict is Verdict.CERTIFICATE and found.fresh is None:
        found = await controller.write(lambda session: _issue(session, authority, key.unit, key.pem, now))
    if found.verdict is Verdict.CERTIFICATE:
        controller.news.tell("enrolment", unit=key.unit, site=found.site)
    return await asyncio.to_thread(_signed, controller, authority, asked, key.unit, found, now)


def _find(
    session: Session, authority: Authority, unit_id: str, held: IssuedCertificate | None, now: datetime
) -> _Found:
    generation = generation_of(session)
    unit = session.get(Unit, unit_id)
    if unit is not None and unit.ended is not None:
        verdict = Verdict.REPLACED if unit.ended == "replaced" else Verdict.REVOKED
        return _Found(verdict, generation=generation)
    if unit is None or unit.site is None:
        waits = _waits(session, unit_id, now)
        return _Found(Verdict.WAITING if waits else Verdict.UNKNOWN, generation=generation)
    newest = session.scalars(
        select(Certificate)
        .where(Certificate.unit_id == unit_id, Certificate.revoked_at.is_(None), Certificate.pem != "")
        .order_by(Certificate.issued_at.desc())
    ).first()
    fresh = newest.pem if newest is not None and _worth_having(authority, newest, now) else None
    if newest is not None and held is not None and held.serial == newest.serial:
        revoke_certificates(session, unit_id, now, "renewed", but=newest.serial)
    _note_fetched(session, unit_id, now)
    return _Found(
        Verdict.CERTIFICATE,
        unit.site.id,
        unit.site.name,
        unit.epoch,
        fresh,
        unit.ssh_host_key,
        generation,
        port_of(session, unit) if unit.ssh_host_key is not None else None,
    )


def _issue(session: Session, authority: Authority, unit_id: str, pem: str, now: datetime) -> _Found:
    """The same with a new certificate, unless the unit has just lost its site."""
    found = _find(session, authority, unit_id, None, now)
    if found.verdict is not Verdict.CERTIFICATE or found.fresh is not None:
        return found
    issued = authority.sign_unit(pem, site=found.site, epoch=found.epoch)
    record_certificate(session, unit_id, issued.serial, now, issued.not_after, issued.pem_chain)
    return _Found(
        found.verdict,
        found.site,
        found.site_name,
        found.epoch,
        issued.pem_chain,
        found.ssh_host_key,
        found.generation,
        found.tunnel_port,
    )


def _worth_having(authority: Authority, row: Certificate, now: datetime) -> bool:
    """Not near its end, and signed by the authority that signs now."""
    chain = certificates.pem_of(*authority.intermediate().chain).decode()
    return row.not_after - now > (row.not_after - row.issued_at) * RENEW_AT and row.pem.endswith(chain)


def _note_fetched(session: Session, unit_id: str, now: datetime) -> None:
    approved = select(Enrolment).where(
        Enrolment.unit_id == unit_id, Enrolment.state == "approved", Enrolment.fetched_at.is_(None)
    )
    for row in session.scalars(approved):
        row.fetched_at = now


def _waits(session: Session, unit_id: str, now: datetime) -> bool:
    rows = select(Enrolment.id).where(Enrolment.unit_id == unit_id).order_by(Enrolment.created_at.desc())
    newest = session.scalars(rows).first()
    return newest is not None and enrolment_for(session, newest, now).state in ("asked", "waiting")


def _held(authority: Authority, asked: IdentityRequest, unit_id: str) -> IssuedCertificate | None:
    """The certificate the unit says it holds, if it is its own and ours."""
    if asked.certificate is None:
        return None
    try:
        held = authority.recognise(asked.certificate)
    except NotOurs:
        return None
    return held if held.unit == unit_id else None


def _signed(
    controller: Controller,
    authority: Authority,
    asked: IdentityRequest,
    unit_id: str,
    found: _Found,
    now: datetime,
) -> Statement:
    settings = controller.settings
    host = found.ssh_host_key
    principals = [name for name in (unit_id, found.site) if name]
    answer = IdentityAnswer(
        unit=unit_id,
        nonce=asked.nonce,
        unit_nonce=asked.unit_nonce,
        now=now,
        verdict=found.verdict,
        site=found.site,
        site_name=found.site_name,
        epoch=found.epoch,
        certificate=found.fresh,
        ssh_host_certificate=authority.ssh.sign_host(host, principals) if host is not None else None,
        reach=_reach(controller, authority, unit_id, found),
        roots=authority.roots(),
        coordinator=CoordinatorAddress(
            mqtt_host=settings.public_address, mqtt_port=settings.mqtt.port, web_url=settings.web_url
        ),
        generation=found.generation,
    )
    body = answer.model_dump(mode="json", exclude_none=True)
    return Statement.model_validate(statements.sign(authority, body))


def _reach(controller: Controller, authority: Authority, unit_id: str, found: _Found) -> Reach | None:
    if found.ssh_host_key is None or found.tunnel_port is None:
        return None
    ssh = authority.ssh
    return Reach(
        host=controller.settings.public_address,
        port=controller.settings.tunnel.port,
        user=tunnel_user(),
        listen=found.tunnel_port,
        certificate=ssh.sign_tunnel(found.ssh_host_key, unit_id),
        coordinator_ca=ssh.tunnel_ca(),
        user_ca=ssh.user_ca(),
    )


def _ours(nonce: str, now: datetime) -> bool:
    given = bytes.fromhex(nonce)
    made, seal = given[:16], given[16:]
    age_s = now.timestamp() - int.from_bytes(made[:8])
    return hmac.compare_digest(_seal(made), seal) and 0 <= age_s + 1 <= VALID.total_seconds()


def _seal(made: bytes) -> bytes:
    return hmac.new(_KEY, made, hashlib.sha256).digest()[:16]
