"""A unit asks who it still is: for a new certificate long before the old one ends, or after it has; and when
the broker will not have it any more.

Only a signed verdict changes anything. Whatever fails on the way leaves everything as it was.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from urllib.parse import urlsplit

from cryptography import x509
from diemcau_wire import Channel, Refused, decode_as
from diemcau_wire.enrolment import Roots, Verdict, fingerprint_of
from diemcau_wire.messages import DesiredConfig

from diemcau_agent.ipc import Line
from diemcau_agent.unit.fingerprints import Fingerprints
from diemcau_agent.unit.state_folder import Identity, NoIdentity, StateFolder, read_identity

from . import keys as unit_keys
from .admitted import FAREWELL, install, say_farewell, stored_roots
from .asking import ask
from .https import Coordinator, Refusal
from .statements import BadStatement
from .trouble import Trouble

log = logging.getLogger(__name__)

NOT_DUE, UNANSWERED, FOREIGN = "not_due", "unanswered", "foreign"


def renew(folder: StateFolder, marks: Fingerprints, *, anyway: bool, now: datetime | None = None) -> Line:
    """Ask when it is time to, or `anyway`. Gives the line `verdict`: the controller's word, or `not_due`,
    `unanswered` (nobody was reached), `foreign` (what came is not of our controller).

    `ahead_s` in it is how far our clock is ahead of the controller's, where it said its time.
    """
    try:
        identity = read_identity(folder)
        certificate = folder.unit_certificate.read_bytes()
        if not (anyway or due(certificate, now or datetime.now(UTC)) or _other_roots(folder, identity)):
            return _line(NOT_DUE)
        return _asked(folder, identity, marks)
    except (NoIdentity, Trouble, OSError) as error:
        return _line(UNANSWERED, str(error))
    except Refusal as refusal:
        return _line(UNANSWERED, str(refusal))
    except BadStatement as error:
        log.error("a verdict is not believed", extra={"error": str(error)})
        return _line(FOREIGN, str(error))


def due(certificate: bytes, now: datetime) -> bool:
    """True with less than a third of its life left, when it has not begun, and for what cannot be read."""
    try:
        leaf = x509.load_pem_x509_certificates(certificate)[0]
    except (ValueError, IndexError):
        return True
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    return not begin <= now < end - (end - begin) / 3


def _other_roots(folder: StateFolder, identity: Identity) -> bool:
    """True when the coordinator, for whom our roots vouch, names others now.

    One of them is to be retired then, and a unit that learns of it only when its certificate nears its end
    may sleep through two such changes and accept nobody any more.
    """
    try:
        known = stored_roots(folder)
        with Coordinator(_address(folder, identity), known) as coordinator:
            named = coordinator.get("/roots", Roots).roots
        return [fingerprint_of(pem) for pem in named] != [fingerprint_of(pem) for pem in known]
    except (Trouble, Refusal, ValueError):
        return False  # nothing is due, and it is looked at again


def _asked(folder: StateFolder, identity: Identity, marks: Fingerprints) -> Line:
    keys = unit_keys.read(folder)
    if keys is None:
        raise Trouble("approval", "no_key")
    roots = stored_roots(folder)
    with Coordinator(_address(folder, identity), roots) as coordinator:
        answer = ask(coordinator, folder, keys, roots, marks)
    ahead_s = round((datetime.now(UTC) - answer.now).total_seconds())
    if answer.verdict is Verdict.CERTIFICATE:
        install(folder, keys, answer, arriving=False)
    elif answer.verdict.value in FAREWELL:
        say_farewell(folder, answer)
    return {**_line(answer.verdict.value, answer.text), "ahead_s": ahead_s, "generation": answer.generation}


def _address(folder: StateFolder, identity: Identity) -> str:
    """The coordinator's web server; of an identity that does not name it, where our pictures go."""
    if identity.web_url:
        return identity.web_url
    try:
        path = folder.desired / "config.json"
        config = decode_as(Channel.DESIRED_CONFIG, path.read_bytes(), unit=identity.unit)
    except (OSError, Refused):
        config = None
    if not isinstance(config, DesiredConfig) or config.upload is None:
        raise Trouble("address", "not_found", detail="neither identity nor configuration names a web server")
    where = urlsplit(config.upload.url)
    return f"https://{where.netloc}"


def _line(verdict: str, text: str = "") -> Line:
    return {"type": "verdict", "verdict": verdict, "text": text[:300]}
