"""What the controller says and signs: believed only when its chain leads to a root that is pinned here.

The signer's certificate carries a use of its own, so that no server or unit can make statements. Times are
not looked at, since the clock may be wrong; that an answer is fresh is shown by the nonce in it.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from diemcau_wire import Refused
from diemcau_wire.enrolment import IdentityAnswer, Statement, take

STATEMENTS = x509.ObjectIdentifier("2.25.226656233817616471992424129174284365070")


class BadStatement(Exception):
    """Not a statement of our controller; the text says why, for the log."""


def believed(
    statement: Statement, roots: Sequence[str], *, unit: str, nonces: tuple[str, str]
) -> IdentityAnswer:
    """What is said about `unit` in answer to the question with these nonces, the controller's and ours.

    Raises :class:`BadStatement`, and nothing else.
    """
    try:
        signer = _chained(statement.chain, roots)
        body = statement.body.encode()
        signer.verify(base64.b64decode(statement.signature), body, ec.ECDSA(hashes.SHA256()))
        answer = take(IdentityAnswer, body)
    except InvalidSignature:
        raise BadStatement("a signature is wrong") from None
    except (Refused, ValueError, TypeError, x509.ExtensionNotFound) as error:
        raise BadStatement(str(error)[:200]) from None
    if answer.unit != unit:
        raise BadStatement(f"it is about {answer.unit}")
    if (answer.nonce, answer.unit_nonce) != nonces:
        raise BadStatement("it answers another question")
    return answer


def _chained(chain: Sequence[str], roots: Sequence[str]) -> ec.EllipticCurvePublicKey:
    """The signer's key, when each certificate is signed by the next and the last one by a root."""
    certificates = [x509.load_pem_x509_certificate(pem.encode()) for pem in chain]
    anchors = [x509.load_pem_x509_certificate(pem.encode()) for pem in roots]
    leaf = certificates[0]
    use = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    if STATEMENTS not in use:
        raise BadStatement("the signer may not make statements")
    for below, above in itertools.pairwise(certificates):
        _signed(below, above)
    last = certificates[-1]
    root = next(
        (anchor for anchor in anchors if anchor.subject == last.issuer and _is_signed(last, anchor)), None
    )
    if root is None:
        raise BadStatement("the chain leads to no root that is pinned here")
    key = leaf.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise BadStatement("the signer's key is of another kind")
    return key


def _is_signed(certificate: x509.Certificate, by: x509.Certificate) -> bool:
    try:
        _signed(certificate, by)
    except (InvalidSignature, BadStatement, ValueError, TypeError):
        return False
    return True


def _signed(certificate: x509.Certificate, by: x509.Certificate) -> None:
    if not by.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
        raise BadStatement("a certificate in the chain may not sign others")
    certificate.verify_directly_issued_by(by)
