"""Asking the coordinator who we are to it, by proof of our key alone."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from diemcau_wire.enrolment import Challenge, IdentityAnswer, IdentityRequest, Statement, identity_bytes

from diemcau_agent.unit import joins
from diemcau_agent.unit.fingerprints import Fingerprints
from diemcau_agent.unit.state_folder import StateFolder

from .https import Coordinator
from .keys import Keys
from .statements import believed


def ask(
    coordinator: Coordinator,
    folder: StateFolder,
    keys: Keys,
    roots: Sequence[str],
    marks: Fingerprints,
) -> IdentityAnswer:
    """What the controller signs about us. Raises `Trouble`, `Refusal` and `BadStatement`."""
    challenge = coordinator.post("/challenge", None, Challenge)
    question = IdentityRequest(
        public_key=keys.public_pem,
        nonce=challenge.nonce,
        unit_nonce=secrets.token_hex(16),
        certificate=_held(folder),
        join_count=joins.read(folder.joins),
        boot_media=marks.media,
        box=marks.box,
        signature="AAAA",  # takes the place of the one that is made over the rest
    )
    signed = question.model_copy(update={"signature": keys.sign(identity_bytes(question))})
    statement = coordinator.post("/identity", signed, Statement)
    return believed(statement, roots, unit=keys.unit, nonces=(question.nonce, question.unit_nonce))


def _held(folder: StateFolder) -> str | None:
    """The certificate we have, however old; None without one that could be shown."""
    try:
        content = folder.unit_certificate.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return content if 0 < len(content) <= 16_000 else None
