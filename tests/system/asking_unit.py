"""A box that asks to be admitted, as the wire says, over an HTTP client of the test's."""

from __future__ import annotations

import base64
import secrets
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID
from diemcau_wire.enrolment import (
    PATH,
    Challenge,
    EnrolAnswer,
    EnrolRequest,
    EnrolStatus,
    IdentityAnswer,
    IdentityRequest,
    Roots,
    Statement,
    code_of,
    commitment_of,
    identity_bytes,
    ssh_proof_bytes,
    status_bytes,
    take,
    unit_id_of,
)


class AskingUnit:
    """`http` is anything that asks like httpx. `code` is what would be on its screen."""

    def __init__(self, http: Any, name: str = "whatever") -> None:
        self.http, self.name = http, name
        self.become(ec.generate_private_key(ec.SECP256R1()))
        self.ssh = ed25519.Ed25519PrivateKey.generate()
        self.nonce = secrets.token_hex(16)
        self.answer: EnrolAnswer | None = None
        self.held: str | None = None

    def become(self, key: ec.EllipticCurvePrivateKey) -> None:
        """The unit that holds this key."""
        self.key = key
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        self.spki = key.public_key().public_bytes(serialization.Encoding.DER, form)
        self.unit = unit_id_of(self.spki)

    @property
    def public_pem(self) -> str:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()

    @property
    def code(self) -> str:
        assert self.answer is not None
        return code_of(self.spki, self.answer.roots, self.nonce, self.answer.nonce)

    def roots(self) -> list[str]:
        """What it would pin."""
        return take(Roots, self.http.get(f"{PATH}/roots").content).roots

    def csr(self) -> str:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(self.key, hashes.SHA256())
        return request.public_bytes(serialization.Encoding.PEM).decode()

    def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        answer: httpx.Response = self.http.post(f"{PATH}/{path}", json=body)
        return answer

    @property
    def ssh_host_key(self) -> str:
        form = serialization.PublicFormat.OpenSSH
        return self.ssh.public_key().public_bytes(serialization.Encoding.OpenSSH, form).decode()

    def request(self, **more: Any) -> httpx.Response:
        """The request alone, its proof by the SSH key made last; takes the answer when there is one."""
        self.nonce = secrets.token_hex(16)
        body = {
            "csr": self.csr(),
            "commitment": commitment_of(self.nonce),
            "serial": "DC-2026-0117",
            "model": "N100",
            "version": "0.1.0",
            "ssh_host_key": self.ssh_host_key,
        }
        signed = ssh_proof_bytes(EnrolRequest.model_validate(body))
        body["ssh_proof"] = base64.b64encode(self.ssh.sign(signed)).decode()
        answer = self.post("requests", body | more)
        if answer.status_code == 201:
            self.answer = take(EnrolAnswer, answer.content)
        return answer

    def open(self, nonce: str | None = None) -> httpx.Response:
        assert self.answer is not None
        return self.post(f"requests/{self.answer.request}/reveal", {"nonce": nonce or self.nonce})

    def ask(self, **more: Any) -> str:
        """Ask to be admitted, and give the digits that are on the screen now."""
        asked = self.request(**more)
        assert asked.status_code == 201, asked.text
        opened = self.open()
        assert opened.status_code == 204, opened.text
        return self.code

    def status(self) -> EnrolStatus:
        assert self.answer is not None
        proof = self.sign(status_bytes(self.answer.request, self.answer.nonce))
        answer = self.post(f"requests/{self.answer.request}/status", {"signature": proof})
        assert answer.status_code == 200, answer.text
        return take(EnrolStatus, answer.content)

    def sign(self, said: bytes) -> str:
        return base64.b64encode(self.key.sign(said, ec.ECDSA(hashes.SHA256()))).decode()

    def identity_request(self, **more: Any) -> dict[str, Any]:
        nonce = take(Challenge, self.post("challenge", {}).content).nonce
        asked = IdentityRequest(
            public_key=self.public_pem,
            nonce=nonce,
            unit_nonce=secrets.token_hex(16),
            certificate=self.held,
            signature="AA==",
        ).model_copy(update=more)
        signed = asked.model_copy(update={"signature": self.sign(identity_bytes(asked))})
        return signed.model_dump(mode="json", exclude_none=True)

    def identity(self) -> IdentityAnswer:
        """What the controller says it is; keeps the certificate."""
        body = self.identity_request()
        answer = self.post("identity", body)
        assert answer.status_code == 200, answer.text
        statement = take(Statement, answer.content)
        leaf = x509.load_pem_x509_certificate(statement.chain[0].encode())
        public = leaf.public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        public.verify(
            base64.b64decode(statement.signature), statement.body.encode(), ec.ECDSA(hashes.SHA256())
        )
        said = take(IdentityAnswer, statement.body.encode())
        assert (said.unit, said.nonce, said.unit_nonce) == (self.unit, body["nonce"], body["unit_nonce"])
        self.held = said.certificate or self.held
        return said
