"""What travels under /enrol/v1, pinned by golden files; and what both sides compute of it.

Files lie in enrolment/valid/<model>/<case>.json and enrolment/invalid/<model>/<reason>.<case>.json.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from diemcau_controller.adapters.proof import verified_by_ssh
from diemcau_wire import Refused, enrolment
from diemcau_wire.enrolment import (
    code_of,
    commitment_of,
    identity_bytes,
    in_threes,
    read_code,
    ssh_proof_bytes,
    status_bytes,
    take,
    unit_id_of,
)
from diemcau_wire.messages import Part
from hypothesis import given
from hypothesis import strategies as st

HERE = Path(__file__).parent / "enrolment"
VALID, INVALID = sorted((HERE / "valid").glob("*/*.json")), sorted((HERE / "invalid").glob("*/*.json"))
MODELS = {
    name: model
    for name, model in vars(enrolment).items()
    if isinstance(model, type) and issubclass(model, Part) and model.__module__ == enrolment.__name__
}
PIECES = {"CoordinatorAddress"}  # parts of others
VECTOR = json.loads((HERE / "vectors/code.json").read_text())


def spki() -> bytes:
    key = serialization.load_pem_public_key(VECTOR["public_key"].encode())
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.DER, form)


@pytest.mark.parametrize("file", VALID, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_valid_is_taken_and_comes_back_the_same(file: Path) -> None:
    taken = take(MODELS[file.parent.name], file.read_bytes())
    assert take(MODELS[file.parent.name], taken.model_dump_json(exclude_none=True).encode()) == taken


@pytest.mark.parametrize("file", INVALID, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_invalid_is_refused_for_the_reason_in_its_name(file: Path) -> None:
    with pytest.raises(Refused) as refused:
        take(MODELS[file.parent.name], file.read_bytes())
    assert refused.value.reason == file.name.split(".")[0]


def test_every_model_has_both_kinds_of_golden_file() -> None:
    whole = MODELS.keys() - PIECES
    assert {file.parent.name for file in VALID} == whole == {file.parent.name for file in INVALID}


@pytest.mark.parametrize("file", VALID, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_damaged_is_taken_or_refused_and_nothing_else(file: Path) -> None:
    whole, chance = file.read_bytes(), random.Random(file.name)
    for _ in range(60):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            take(MODELS[file.parent.name], bytes(damaged))
        except Refused:
            continue


def test_both_sides_compute_the_same_code() -> None:
    code = code_of(spki(), VECTOR["roots"], VECTOR["nonce_unit"], VECTOR["nonce_controller"])
    assert code == VECTOR["code"]
    assert unit_id_of(spki()) == VECTOR["unit"]
    assert commitment_of(VECTOR["nonce_unit"]) == VECTOR["commitment"]


def test_whoever_stands_between_has_other_digits() -> None:
    def code(key: bytes = b"", roots: int = 0, unit: str = "", controller: str = "") -> str:
        mine = VECTOR["roots"][::-1] if roots else VECTOR["roots"]
        return code_of(
            spki() + key, mine, unit or VECTOR["nonce_unit"], controller or VECTOR["nonce_controller"]
        )

    changed = [code(key=b"x"), code(roots=1), code(unit="0" * 32), code(controller="0" * 32)]
    assert VECTOR["code"] not in changed and len(set(changed)) == 4


@pytest.mark.parametrize(
    "typed",
    ["123456789", "123 456 789", " 123-456.789\n", "https://a.vn:8443/e#123456789", "123\u00a0456\u00a0789"],
)
def test_a_code_is_read_as_people_type_it(typed: str) -> None:
    assert read_code(typed) == "123456789"
    assert in_threes("123456789") == "123 456 789"


@pytest.mark.parametrize(
    "typed", ["", "12345678", "1234567890", "12345678a", "１２３４５６７８９", "https://a/e#"]
)
def test_what_is_no_code_is_none(typed: str) -> None:
    assert read_code(typed) is None


@given(st.text(max_size=40))
def test_whatever_is_typed_is_a_code_or_none(typed: str) -> None:
    code = read_code(typed)
    assert code is None or (len(code) == 9 and code.isdigit())


def test_what_is_signed_says_each_part_apart() -> None:
    request = take(enrolment.IdentityRequest, (HERE / "valid/IdentityRequest/renewal.json").read_bytes())
    one = request.model_copy(update={"boot_media": "ab", "box": "c"})
    other = request.model_copy(update={"boot_media": "a", "box": "bc"})
    assert identity_bytes(one) != identity_bytes(other)
    assert identity_bytes(request.model_copy(update={"signature": "BB=="})) == identity_bytes(request)
    assert status_bytes("e-1", "0a") != status_bytes("e-10", "a")


def test_an_ssh_key_vouches_for_one_request_of_one_unit() -> None:
    asked = take(enrolment.EnrolRequest, (HERE / "valid/EnrolRequest/blank-unit.json").read_bytes())
    assert asked.ssh_host_key is not None and asked.ssh_proof is not None
    assert verified_by_ssh(asked.ssh_host_key, asked.ssh_proof, ssh_proof_bytes(asked))
    for other in (
        {"csr": asked.csr + "\n"},
        {"commitment": "0" * 64},
        {"ssh_host_key": asked.ssh_host_key + "x"},
    ):
        said = ssh_proof_bytes(asked.model_copy(update=other))
        assert not verified_by_ssh(asked.ssh_host_key, asked.ssh_proof, said)
    with pytest.raises(ValueError, match="not an SSH public key"):
        verified_by_ssh("ssh-ed25519 AAAA", asked.ssh_proof, b"")
