"""What the controller signs, checked as a unit checks it; the vector beside it is what units test with."""

import base64
import itertools
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ExtendedKeyUsage
from diemcau_controller.adapters.authority import Authority, statements
from diemcau_controller.adapters.authority import certificates as made
from diemcau_wire.enrolment import Statement, take

from tests.unit.old_authority import old_authority

BODY = {"v": 1, "unit": "u0123456789ab", "site_name": "Xã Ea Kiết", "text": 'a "b"\n', "site": None}
VECTOR = Path(__file__).parent / "statement.json"


def believed(statement: dict[str, Any], roots: list[str]) -> dict[str, Any]:
    """The body, if the chain leads from a certificate for statements to one of the roots."""
    took = take(Statement, json.dumps(statement).encode())
    chain = [made.read_chain(pem.encode())[0] for pem in took.chain]
    trusted = [made.read_chain(pem.encode())[0] for pem in roots]
    for certificate, issuer in itertools.pairwise(chain):
        assert made.signed(certificate, issuer)
    assert any(made.signed(chain[-1], root) for root in trusted)
    use = chain[0].extensions.get_extension_for_class(ExtendedKeyUsage)
    assert use.critical and list(use.value) == [made.STATEMENTS]
    key = chain[0].public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(base64.b64decode(took.signature), took.body.encode(), ec.ECDSA(hashes.SHA256()))
    said: dict[str, Any] = json.loads(took.body)
    return said


def test_a_statement_is_believed_and_a_changed_one_is_not(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    statement = statements.sign(authority, BODY)
    assert statement["body"].startswith('{"site_name":"Xã Ea Kiết","text":"a \\"b\\"\\n","unit"')
    assert believed(statement, authority.roots()) == {k: v for k, v in BODY.items() if v is not None}
    changed = {**statement, "body": statement["body"].replace("Ea Kiết", "Ea Tar")}
    with pytest.raises(InvalidSignature):
        believed(changed, authority.roots())
    with pytest.raises(AssertionError):
        believed(statement, another(tmp_path).roots())


def another(tmp_path: Path) -> Authority:
    other = Authority(tmp_path / "other")
    other.ensure()
    return other


def test_a_unit_from_before_there_were_two_roots_believes_it(tmp_path: Path) -> None:
    old_authority(tmp_path / "ca")
    known = (tmp_path / "ca/ca.crt").read_text()
    assert believed(statements.sign(Authority(tmp_path / "ca"), BODY), [known])["unit"] == BODY["unit"]


def test_its_certificate_is_renewed_in_time(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    first = statements.sign(authority, BODY)["chain"][0]
    assert statements.sign(authority, BODY)["chain"][0] == first
    later = authority.now() + timedelta(days=600)
    assert statements.sign(Authority(tmp_path / "ca", lambda: later), BODY)["chain"][0] != first


def test_the_vector_units_test_with_is_believed() -> None:
    vector = json.loads(VECTOR.read_text())
    assert believed(vector["statement"], vector["roots"]) == vector["body"]
