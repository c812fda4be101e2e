"""How a unit is admitted and proves who it is: what travels under `/enrol/v1`, before there is MQTT.

The nine digits are a short authentication string. The unit commits to a nonce, hears the controller's, then
opens its own; both sides compute :func:`code_of` from the unit's key, the controller's roots and both nonces.
Whoever stands between them has another key or other roots, and could not choose a nonce until the digits
agree: his chance is 1 in 10^9 for each try, and tries are few. The code never travels to the unit.

This module holds no cryptography but SHA-256: signatures are made over :func:`status_bytes` and
:func:`identity_bytes` by whoever holds a key (ECDSA, P-256, SHA-256, DER, in base64), and checked there;
over :func:`ssh_proof_bytes` by an SSH key (Ed25519, or ECDSA as above).
"""

from __future__ import annotations

import base64
import hashlib
import json
import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field, ValidationError

from .messages import Name, Nfc, Part, Rev, SiteId, Text, Token, UnitId, Utc
from .parse import Reason, Refused, load_document

PATH = "/enrol/v1"
CODE_DIGITS = 9


def _label(value: str) -> str:
    if any(unicodedata.category(letter) == "Cc" for letter in value):
        raise ValueError("no control characters")
    return value.strip()


Hex16 = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]  # 16 bytes
Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]  # 32 bytes
Pem = Annotated[str, Field(pattern=r"^-----BEGIN [A-Z ]+-----\r?\n", max_length=8000)]
Bundle = Annotated[list[Pem], Field(min_length=1, max_length=6)]  # roots: active, asleep, former
Signature = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]+={0,2}$", max_length=200)]
_SSH_KEY = r"^(ssh-ed25519|ecdsa-sha2-nistp256) [A-Za-z0-9+/]+={0,2}( [!-~]{0,80})?$"
SshKey = Annotated[str, Field(pattern=_SSH_KEY, max_length=500)]
Label = Annotated[str, Field(max_length=64), Nfc, AfterValidator(_label)]
WebUrl = Annotated[str, Field(pattern=r"^https://[A-Za-z0-9.:\[\]-]{1,260}$")]


class What(StrEnum):
    """install: the site has no unit yet. replace: in the place of the one it has."""

    INSTALL = "install"
    REPLACE = "replace"


class Roots(Part):
    """What a unit fetches first, before it can verify anything: the certificates to pin, and whose they are.
    A boot file or a paper that names their fingerprints is compared; otherwise the code is what vouches."""

    v: Literal[1] = 1
    roots: Bundle
    name: Label = ""
    now: Utc


class EnrolRequest(Part):
    """A unit asks to be admitted. `csr` is a PKCS#10 request for a P-256 key, signed with it: proof that the
    unit holds the key; whatever name it asks for is ignored. `commitment` is the SHA-256 of the unit's
    16-byte nonce. `serial` is what is printed on the box, or what its firmware says. `voucher` is what
    stands under that name on a site's paper (docs/interfaces.md). `ssh_proof` comes with `ssh_host_key`: by
    that key, over :func:`ssh_proof_bytes`, or anybody could name the key of another machine as his."""

    v: Literal[1] = 1
    csr: Pem
    commitment: Hex32
    serial: Label = ""
    model: Label = ""
    version: Token
    ssh_host_key: SshKey | None = None
    ssh_proof: Signature | None = None
    voucher: Annotated[str, Field(max_length=200)] | None = None
    join_count: Rev = 0


class EnrolAnswer(Part):
    """The request is taken. `roots` are the certificates to pin, in the order in which the code counts them;
    after `expires_at` a new request is needed."""

    v: Literal[1] = 1
    request: Token
    nonce: Hex16
    roots: Bundle
    expires_at: Utc
    now: Utc
    poll_s: Annotated[float, Field(ge=1, le=300)] = 3


class EnrolReveal(Part):
    """The unit opens its commitment. Another nonce than it committed to ends the request."""

    v: Literal[1] = 1
    nonce: Hex16


class Proof(Part):
    """That the holder of the key asks: `signature` is over :func:`status_bytes`."""

    v: Literal[1] = 1
    signature: Signature


class EnrolState(StrEnum):
    """waiting: for somebody to approve. approved: ask for the identity. refused, expired: ask anew; `over`:
    ended by a wrong opening or by a newer request of the same unit."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"
    EXPIRED = "expired"
    OVER = "over"


class EnrolStatus(Part):
    """How the request stands. `reason` is a stable word for why it is refused, or why its voucher did not
    do (the request then waits for somebody like any other), `text` an English sentence for logs."""

    v: Literal[1] = 1
    state: EnrolState
    site_name: Name | None = None
    reason: Token | None = None
    text: Text = ""
    poll_s: Annotated[float, Field(ge=1, le=300)] = 3
    expires_at: Utc | None = None
    now: Utc


class Challenge(Part):
    """A nonce to sign within two minutes, and the controller's time."""

    v: Literal[1] = 1
    nonce: Hex32
    now: Utc


class IdentityRequest(Part):
    """Who am I to you? By proof of the key alone: an expired certificate does not matter. `signature` is over
    :func:`identity_bytes`. `unit_nonce` is the unit's own, so that no old answer can be told again;
    `certificate` what it holds, leaf first, also when that has ended. `boot_media` and `box` are fingerprints
    of the disk or card the unit started from and of the machine it started in."""

    v: Literal[1] = 1
    public_key: Pem
    nonce: Hex32
    unit_nonce: Hex16
    certificate: Annotated[str, Field(max_length=16_000)] | None = None
    join_count: Rev = 0
    boot_media: Token | None = None
    box: Token | None = None
    signature: Signature


class Verdict(StrEnum):
    """certificate: here is yours. replaced: another unit serves the site now. revoked: this unit is not to
    serve any. waiting: a request of this unit waits for approval. unknown: no such unit here."""

    CERTIFICATE = "certificate"
    REPLACED = "replaced"
    REVOKED = "revoked"
    WAITING = "waiting"
    UNKNOWN = "unknown"


class CoordinatorAddress(Part):
    """Where the unit finds the coordinator: as it is stored in the unit's `identity/coordinator.json`."""

    mqtt_host: Annotated[str, Field(min_length=1, max_length=253)]
    mqtt_port: Annotated[int, Field(ge=1, le=65535)]
    mqtt_protocol: Literal["5", "3.1.1"] = "5"
    web_url: WebUrl


COORDINATOR_SSH = "diemcau.coordinator"
"""The name in the certificate of the coordinator's SSH server: no unit and no site can have it."""

_SSH_CERTIFICATE = r"^(ssh-ed25519|ecdsa-sha2-nistp256)-cert-v01@openssh\.com [A-Za-z0-9+/]+={0,2}$"
SshCertificate = Annotated[str, Field(pattern=_SSH_CERTIFICATE, max_length=4000)]


class Reach(Part):
    """How the unit dials the coordinator by SSH, so that it can be worked on though it listens on nothing.

    At `host`, `port` it logs in as `user`, with its SSH host key as a user's and the line `certificate`, and
    has connections to `listen` of that machine's loopback address passed on to its own sshd.
    `coordinator_ca` is the key that vouches for the server, under the name :data:`COORDINATOR_SSH`; `user_ca`
    the one that vouches for whoever logs in at the unit.
    """

    v: Literal[1] = 1
    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9:][A-Za-z0-9.:-]{0,252}$")]
    port: Annotated[int, Field(ge=1, le=65535)]
    user: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]
    listen: Annotated[int, Field(ge=1024, le=65535)]
    certificate: SshCertificate
    coordinator_ca: SshKey
    user_ca: SshKey


class IdentityAnswer(Part):
    """What the controller says of a unit: the body of a signed :class:`Statement`, good for the question with
    these two nonces only.

    `certificate` is leaf and intermediate, `ssh_host_certificate` one line; both come with the verdict
    `certificate` only, as do site, epoch and `reach` (None for a unit without an SSH host key). `roots` is
    the bundle to trust from now on.
    """

    v: Literal[1] = 1
    unit: UnitId
    nonce: Hex32
    unit_nonce: Hex16
    now: Utc
    verdict: Verdict
    site: SiteId | None = None
    site_name: Name | None = None
    epoch: Rev = 0
    certificate: Annotated[str, Field(max_length=16_000)] | None = None
    ssh_host_certificate: Annotated[str, Field(max_length=4000)] | None = None
    reach: Reach | None = None
    roots: Bundle
    coordinator: CoordinatorAddress
    generation: Rev = 1
    text: Text = ""


class Statement(Part):
    """Something the controller says and signs: `body` exactly as it was signed, `chain` from the certificate
    of the signer upwards, without the roots."""

    v: Literal[1] = 1
    body: Annotated[str, Field(max_length=60_000)]
    signature: Signature
    chain: Annotated[list[Pem], Field(min_length=1, max_length=4)]


# ── what is computed on both sides ───────────────────────────────────────────────────────────────


def commitment_of(nonce: str) -> str:
    """The commitment to a nonce (hex), in hex."""
    return hashlib.sha256(bytes.fromhex(nonce)).hexdigest()


def unit_id_of(spki: bytes) -> str:
    """The id of the unit that holds this public key (SubjectPublicKeyInfo, DER)."""
    return "u" + hashlib.sha256(spki).hexdigest()[:12]


def fingerprint_of(pem: str) -> str:
    """SHA-256 (hex) of a certificate in PEM. Raises ValueError for what is none."""
    return hashlib.sha256(_der(pem)).hexdigest()


def code_of(spki: bytes, roots: Sequence[str], nonce_unit: str, nonce_controller: str) -> str:
    """The nine digits, without spaces. `spki` is the unit's public key (DER), `roots` the PEMs of
    :class:`EnrolAnswer` in their order, nonces are hex. Raises ValueError for a root that is no PEM."""
    bundle = hashlib.sha256(b"".join(_der(pem) for pem in roots)).digest()
    nonces = bytes.fromhex(nonce_unit) + bytes.fromhex(nonce_controller)
    mixed = hashlib.sha256(b"diemcau enrolment 1" + spki + bundle + nonces).digest()
    return f"{int.from_bytes(mixed) % 10**CODE_DIGITS:0{CODE_DIGITS}}"


def in_threes(code: str) -> str:
    """The digits as they are shown and read out: `123 456 789`."""
    return " ".join(code[start : start + 3] for start in range(0, len(code), 3))


def read_code(typed: str) -> str | None:
    """The nine digits of what somebody typed, pasted or scanned (`123 456 789`, `https://…/e#123456789`);
    None when there are not exactly nine."""
    digits = "".join(letter for letter in typed.rpartition("#")[2] if letter not in " .-\u00a0\u2009\t\n\r")
    return digits if len(digits) == CODE_DIGITS and digits.isascii() and digits.isdigit() else None


def status_bytes(request: str, nonce_controller: str) -> bytes:
    """What a unit signs to ask how its request stands; the nonce is that of :class:`EnrolAnswer`."""
    return _joined(b"diemcau status 1", request, nonce_controller)


def ssh_proof_bytes(request: EnrolRequest) -> bytes:
    """What an SSH host key signs in an :class:`EnrolRequest`: that its holder holds the unit's key, too, and
    asks this once."""
    return _joined(b"diemcau ssh host 1", request.csr, request.commitment, request.ssh_host_key or "")


def identity_bytes(request: IdentityRequest) -> bytes:
    """What a unit signs in an :class:`IdentityRequest` (whatever its `signature` holds yet)."""
    return _joined(
        b"diemcau identity 1",
        request.nonce,
        request.unit_nonce,
        request.public_key,
        request.certificate or "",
        str(request.join_count),
        request.boot_media or "",
        request.box or "",
    )


M = TypeVar("M", bound=Part)


def take(model: type[M], payload: bytes) -> M:
    """What arrived, as one of these models. Raises :class:`Refused`, and nothing else, for whatever bytes."""
    document = load_document(payload)
    version = document.get("v", 1)
    if version != 1 or isinstance(version, bool):
        raise Refused(Reason.VERSION, f"version {str(version)[:20]} is not known here")
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise Refused(Reason.FIELDS, f"{model.__name__}: {where}: {first['msg']}"[:300]) from None


def canonical(body: dict[str, object]) -> str:
    """JSON as it is signed: keys sorted, no spaces, UTF-8 letters as they are, no null."""
    said = {key: value for key, value in body.items() if value is not None}
    return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _joined(label: bytes, *parts: str) -> bytes:
    """Each part after its length, so that none can run into the next."""
    said = bytearray(label)
    for part in parts:
        data = part.encode()
        said += len(data).to_bytes(4) + data
    return bytes(said)


def _der(pem: str) -> bytes:
    lines = [line.strip() for line in pem.strip().splitlines()]
    if len(lines) < 3 or not lines[0].startswith("-----BEGIN ") or not lines[-1].startswith("-----END "):
        raise ValueError("not PEM")
    return base64.b64decode("".join(lines[1:-1]), validate=True)
