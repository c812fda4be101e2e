"""What the authority's certificates look like: who may sign what, for how long, under which name.

All keys are P-256. Certificates begin a day in the past, because a hall's clock may be behind, and none
outlives the one that signed it. A certificate is renewed when a third of its life is left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ROOT_LIFE = timedelta(days=20 * 365)
INTERMEDIATE_LIFE = timedelta(days=10 * 365)
LEAF_LIFE = timedelta(days=2 * 365)
BACKDATE = timedelta(days=1)

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
STATEMENTS = x509.ObjectIdentifier("2.25.226656233817616471992424129174284365070")
"""The only use of the key that signs what the controller says of a unit: a UUID of our own (X.667)."""

Key = ec.EllipticCurvePrivateKey
PublicKey = ec.EllipticCurvePublicKey


def new_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def root(key: Key, common: str, now: datetime) -> x509.Certificate:
    """A root, signed by itself; it signs intermediates only."""
    name = name_of(common)
    builder = _builder(name, name, key.public_key(), now, now + ROOT_LIFE)
    return _may_sign(builder, path_length=1).sign(key, hashes.SHA256())


def intermediate(
    public_key: PublicKey, common: str, root: x509.Certificate, root_key: Key, now: datetime
) -> x509.Certificate:
    """The online authority, signed by a root; it signs no further authorities."""
    end = min(now + INTERMEDIATE_LIFE, root.not_valid_after_utc)
    builder = _builder(name_of(common), root.subject, public_key, now, end)
    return _may_sign(_signed_by(builder, root_key), path_length=0).sign(root_key, hashes.SHA256())


def leaf(
    subject: x509.Name,
    public_key: PublicKey,
    use: x509.ObjectIdentifier,
    issuer: x509.Certificate,
    issuer_key: Key,
    now: datetime,
    names: Sequence[x509.GeneralName] = (),
) -> x509.Certificate:
    """A certificate that signs nothing. Its `use` is critical unless it is a usual one of TLS."""
    end = min(now + LEAF_LIFE, issuer.not_valid_after_utc)
    builder = (
        _signed_by(_builder(subject, issuer.subject, public_key, now, end), issuer_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=use == STATEMENTS)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def name_of(common: str, *more: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    attributes = [(NameOID.COMMON_NAME, common), *more]
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in attributes])


def common_name(certificate: x509.Certificate) -> str:
    """The CN, or nothing."""
    return in_name(certificate.subject, NameOID.COMMON_NAME) or ""


def in_name(name: x509.Name, kind: x509.ObjectIdentifier) -> str | None:
    found = name.get_attributes_for_oid(kind)
    return str(found[0].value) if found else None


def signed(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """True if `issuer`, which may sign certificates, signed this one. Time is not looked at."""
    try:
        certificate.verify_directly_issued_by(issuer)
        return issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False


def fresh_enough(certificate: x509.Certificate, now: datetime) -> bool:
    """True while more than a third of its life is left, by a clock that is not before its beginning."""
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return certificate.not_valid_after_utc - now > life / 3


def same_key(certificate: x509.Certificate, public_key: object) -> bool:
    return isinstance(public_key, PublicKey) and spki(certificate.public_key()) == spki(public_key)


def unit_id(public_key: PublicKey) -> str:
    """The id of the unit that holds the key to `public_key`."""
    return "u" + hashlib.sha256(spki(public_key)).hexdigest()[:12]


def spki(public_key: object) -> bytes:
    """SubjectPublicKeyInfo, DER. Raises ValueError unless it is an elliptic-curve key."""
    if not isinstance(public_key, PublicKey):
        raise ValueError("not an elliptic-curve key")
    return public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


# ── as PEM ───────────────────────────────────────────────────────────────────────────────────────


def key_pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_pem(key: Key) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def read_key(pem: bytes) -> Key:
    """A private key. Raises ValueError for anything else."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError:  # it is encrypted
        raise ValueError("a key with a password") from None
    if not isinstance(key, Key) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("not a P-256 key")
    return key


def pem_of(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def read_chain(pem: bytes) -> list[x509.Certificate]:
    """At least one certificate. Raises ValueError."""
    return x509.load_pem_x509_certificates(pem)


def read_public_key(pem: str) -> PublicKey:
    """The P-256 key of a signing request, whose own signature must hold, or a bare public key, as PEM.

    The name a request asks for is not looked at. Raises ValueError.
    """
    data = pem.encode()
    key: object
    if "CERTIFICATE REQUEST" in pem:
        request = x509.load_pem_x509_csr(data)
        if not request.is_signature_valid:
            raise ValueError("the request is not signed by the key it is for")
        key = request.public_key()
    else:
        key = serialization.load_pem_public_key(data)
    if not isinstance(key, PublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("not a P-256 key")
    return key


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: PublicKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _signed_by(builder: x509.CertificateBuilder, issuer_key: Key) -> x509.CertificateBuilder:
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return builder.add_extension(identifier, critical=False)


def _may_sign(builder: x509.CertificateBuilder, path_length: int) -> x509.CertificateBuilder:
    return builder.add_extension(
        x509.BasicConstraints(ca=True, path_length=path_length), critical=True
    ).add_extension(_usage(signs_certificates=True), critical=True)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
