"""What OpenSSH's programs need to log in to one unit, as files in a folder of their own: key, certificate,
and a configuration in which everything stands (`ssh -F FILE UNIT`)."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from .whole_file import write_secret

_KEY = "key"


class Reached(Protocol):
    """What of :class:`..actions.reach.Reached` is put down."""

    @property
    def unit(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def user(self) -> str: ...
    @property
    def certificate(self) -> str: ...
    @property
    def known_hosts(self) -> str: ...
    @property
    def revoked_hosts(self) -> str: ...


def new_key(folder: Path) -> str:
    """Make a key that lives as long as the folder; gives its public half as a line. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = ed25519.Ed25519PrivateKey.generate()
    encoding, private = serialization.Encoding, serialization.PrivateFormat.OpenSSH
    write_secret(folder / _KEY, key.private_bytes(encoding.PEM, private, serialization.NoEncryption()))
    public = serialization.PublicFormat.OpenSSH
    return key.public_key().public_bytes(encoding.OpenSSH, public).decode()


def write_ssh_files(folder: Path, reached: Reached) -> Path:
    """Put down the rest beside the key; gives the configuration. Raises OSError."""
    folder = folder.resolve()
    certificates = []  # one by each authority that a unit may know; OpenSSH reads one of a file
    for number, line in enumerate(reached.certificate.splitlines()):
        certificates.append(folder / f"certificate-{number}")
        write_secret(certificates[-1], f"{line}\n".encode())
    write_secret(folder / "known_hosts", reached.known_hosts.encode())
    options = {
        "HostName": reached.host,
        "Port": str(reached.port),
        "User": reached.user,
        "HostKeyAlias": reached.unit,
        "HostKeyAlgorithms": "ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256-cert-v01@openssh.com",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": _path(folder / "known_hosts"),
        "GlobalKnownHostsFile": "none",
        "RevokedHostKeys": _path(Path(reached.revoked_hosts)),
        "UpdateHostKeys": "no",
        "CheckHostIP": "no",
        "IdentityFile": _path(folder / _KEY),
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "PreferredAuthentications": "publickey",
        "BatchMode": "yes",
        "ConnectTimeout": "30",
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "4",
        "LogLevel": "ERROR",
    }
    lines = [f"Host {reached.unit}", *(f"  {name} {value}" for name, value in options.items())]
    lines += [f"  CertificateFile {_path(path)}" for path in certificates]
    config = folder / "ssh_config"
    write_secret(config, ("\n".join(lines) + "\n").encode())
    return config


def _path(path: Path) -> str:
    return '"{}"'.format(str(path).replace("%", "%%"))
