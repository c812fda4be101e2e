"""What the controller says and signs: the answer to a unit that asks who it is.

A statement is {`body`, `signature`, `chain`}: the body as the very text that was signed (JSON, keys sorted,
no spaces, UTF-8), the signature ECDSA with SHA-256 over its bytes (DER, base64), the chain from the signer's
certificate upwards without the root, each PEM. The signer's certificate is for statements alone
(:data:`.certificates.STATEMENTS`), so neither a server's nor a unit's key can make one.
"""

from __future__ import annotations

import base64
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from diemcau_wire.enrolment import canonical

from . import certificates as made
from .authority import Authority


def sign(authority: Authority, body: dict[str, Any]) -> dict[str, Any]:
    """A statement, JSON-ready. What is None in the body is left out. Raises what the authority raises."""
    key_path, certificate_path = authority.statement_files()
    key, chain = made.read_key(key_path.read_bytes()), made.read_chain(certificate_path.read_bytes())
    said = canonical(body)
    signature = key.sign(said.encode(), ec.ECDSA(hashes.SHA256()))
    return {
        "body": said,
        "signature": base64.b64encode(signature).decode(),
        "chain": [made.pem_of(certificate).decode() for certificate in chain],
    }
