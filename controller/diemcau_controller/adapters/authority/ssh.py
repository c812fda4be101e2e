"""The authorities for SSH: one vouches for units (hosts), one for the people who work on them (users), one
for both ends of the line by which a unit dials in (tunnel).

Public keys and certificates are lines as OpenSSH writes them. Certificates of users are valid from the
beginning of time, because a unit's clock may be behind; their end is near. Which hosts are revoked is a file
(KRL, OpenSSH's PROTOCOL.krl) made anew from the whole list each time: a revoked key refuses its
certificates, too.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    SSHCertificateBuilder,
    SSHCertificateType,
    load_ssh_public_key,
)

from ..whole_file import write_secret, write_whole

HOST_LIFE = timedelta(days=2 * 365)
TUNNEL_LIFE = timedelta(days=3 * 365)  # longer than a unit's own: one that lay in a cupboard can be rescued
_AUTHORITIES = ("user_ca", "host_ca", "tunnel_ca")
_KRL_MAGIC, _KRL_FORMAT, _KRL_EXPLICIT_KEYS = b"SSHKRL\n\x00", 1, 2


class SshAuthority:
    """The authorities, kept in `folder`: `user_ca`, `host_ca`, `tunnel_ca` (each with its `.pub`) and
    `revoked_hosts`; after a change of the one for users also `user_ca.former`, for units that have not heard
    of it yet."""

    def __init__(self, folder: Path, now: Callable[[], datetime]) -> None:
        self._folder, self._now = folder, now
        self.revoked_hosts = folder / "revoked_hosts"
        """The KRL: `RevokedHostKeys` of whoever logs in to units, `RevokedKeys` where units log in."""

    def ensure(self) -> None:
        """Make what is not there yet. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in _AUTHORITIES:
            if not (self._folder / name).exists():
                self._make(name)
            self._publish(name)
        if not self.revoked_hosts.exists():
            self.write_revoked_hosts([])

    def _make(self, name: str) -> None:
        key, form = ed25519.Ed25519PrivateKey.generate(), serialization.PrivateFormat.OpenSSH
        pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        write_secret(self._folder / name, pem)

    def _publish(self, name: str) -> None:
        path, line = self._folder / f"{name}.pub", f"{_line(self._key(name))} diemcau-{name}\n".encode()
        if not path.exists() or path.read_bytes() != line:
            write_whole(path, line)

    def change_users(self) -> None:
        """Have a new key vouch for users; the one before goes on to, beside it, where it is still known.

        Cut short anywhere, either key vouches. Raises FileExistsError while there is one before, OSError.
        """
        if self.changes_users:
            raise FileExistsError(f"{self._former} still vouches for users")
        write_secret(self._former, (self._folder / "user_ca").read_bytes())
        self._make("user_ca")
        self._publish("user_ca")

    @property
    def changes_users(self) -> bool:
        """Whether the key from before still vouches for users."""
        return self._former.exists() and _line(self._key(self._former.name)) != self.user_ca()

    @property
    def users_changed_at(self) -> datetime | None:
        """Since when a new key vouches for users; None when the one before was forgotten."""
        return datetime.fromtimestamp(self._former.stat().st_mtime, UTC) if self.changes_users else None

    def forget_former_users(self) -> None:
        """The key from before vouches no more. Raises OSError."""
        self._former.unlink(missing_ok=True)

    @property
    def _former(self) -> Path:
        return self._folder / "user_ca.former"

    def user_ca(self) -> str:
        """The public key that vouches for users: units trust it (`TrustedUserCAKeys`)."""
        return _line(self._key("user_ca"))

    def host_ca(self) -> str:
        """The public key that vouches for units."""
        return _line(self._key("host_ca"))

    def tunnel_ca(self) -> str:
        """The public key that vouches for the coordinator's server to units, and for units there."""
        return _line(self._key("tunnel_ca"))

    def known_hosts(self, pattern: str = "*") -> str:
        """The line of `known_hosts` that trusts every unit's certificate."""
        return f"@cert-authority {pattern} {self.host_ca()}\n"

    def sign_host(self, public_key: str, principals: Collection[str]) -> str:
        """A host certificate under these names, as a line. Raises ValueError for what is no public key."""
        names = _names(principals)
        return self._sign("host_ca", public_key, SSHCertificateType.HOST, names, self._now() + HOST_LIFE)

    def sign_user(
        self,
        public_key: str,
        principals: Collection[str],
        valid: timedelta,
        *,
        permits: Iterable[str] = ("permit-pty",),
    ) -> str:
        """A user certificate for these accounts, until `valid` is over, as a line; `permits` are OpenSSH's
        extensions. While the key from before still vouches, a second line is its own. Raises ValueError."""
        names, end, permits = _names(principals), self._now() + valid, tuple(permits)
        keys = ("user_ca", self._former.name) if self.changes_users else ("user_ca",)
        kind = SSHCertificateType.USER
        return "\n".join(self._sign(key, public_key, kind, names, end, permits) for key in keys)

    def sign_tunnel(self, public_key: str, unit: str) -> str:
        """What a unit logs in with at the coordinator's, as a line: it may have a port passed on, no more.
        Raises ValueError."""
        permits, end = ("permit-port-forwarding",), self._now() + TUNNEL_LIFE
        return self._sign("tunnel_ca", public_key, SSHCertificateType.USER, _names([unit]), end, permits)

    def sign_tunnel_server(self, public_key: str, name: str) -> str:
        """A host certificate for the server that units dial, as a line. Raises ValueError."""
        end = self._now() + TUNNEL_LIFE
        return self._sign("tunnel_ca", public_key, SSHCertificateType.HOST, _names([name]), end)

    def write_revoked_hosts(self, public_keys: Iterable[str]) -> Path:
        """Write the KRL: the keys of all hosts that were ever revoked. Raises ValueError, OSError."""
        blobs = sorted({_blob(line) for line in public_keys})
        at = int(self._now().timestamp())
        data = _KRL_MAGIC + struct.pack(">IQQQ", _KRL_FORMAT, at, at, 0) + _string(b"") + _string(b"")
        if blobs:
            data += bytes([_KRL_EXPLICIT_KEYS]) + _string(b"".join(_string(blob) for blob in blobs))
        write_whole(self.revoked_hosts, data)
        return self.revoked_hosts

    def _sign(
        self,
        authority: str,
        public_key: str,
        kind: SSHCertificateType,
        principals: list[bytes],
        end: datetime,
        permits: Iterable[str] = (),
    ) -> str:
        builder = (
            SSHCertificateBuilder()
            .public_key(read_public_key(public_key))
            .serial(int(self._now().timestamp() * 1000))
            .type(kind)
            .key_id(b"diemcau " + principals[0])
            .valid_principals(principals)
            .valid_after(0)
            .valid_before(int(end.timestamp()))
        )
        for permit in sorted(permits):
            builder = builder.add_extension(permit.encode(), b"")
        return builder.sign(self._key(authority)).public_bytes().decode()

    def _key(self, name: str) -> ed25519.Ed25519PrivateKey:
        path = self._folder / name
        key = serialization.load_ssh_private_key(path.read_bytes(), password=None)
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise ValueError(f"{path} is not an Ed25519 key")
        return key


def read_public_key(line: str) -> ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey:
    """A plain public key from its line. Raises ValueError for a certificate and for other kinds of key."""
    if "-cert-" in line.split(" ", 1)[0]:
        raise ValueError("a certificate is not a public key")
    try:
        key = load_ssh_public_key(line.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("not an SSH public key") from None
    if not isinstance(key, ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey):
        raise ValueError("an SSH key is Ed25519 or ECDSA here")
    return key


def _names(principals: Collection[str]) -> list[bytes]:
    """Without a name a certificate would be good for every host or account."""
    names = [name.encode() for name in principals]
    if not names or not all(names):
        raise ValueError("a certificate needs the names it is for")
    return names


def _line(key: ed25519.Ed25519PrivateKey) -> str:
    public = key.public_key()
    return public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def _blob(line: str) -> bytes:
    read_public_key(line)
    try:
        return base64.b64decode(line.split()[1], validate=True)
    except (IndexError, binascii.Error):
        raise ValueError("not an SSH public key") from None


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data
