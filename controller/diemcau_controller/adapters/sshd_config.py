"""The configuration of the sshd at which units dial in, and how it is run without privileges.

Each connection has an sshd of its own (`sshd -i`). Nobody gets a shell, a command or a file there, nor a
connection to anything: a unit may listen on the one loopback port that its line in `principals` names.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from diemcau_wire.enrolment import COORDINATOR_SSH

from .authority.ssh import SshAuthority
from .whole_file import write_secret, write_whole

_ROOT_BECOMES = "daemon"
_KEYS = "ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256-cert-v01@openssh.com"


@dataclass(frozen=True, slots=True)
class TunnelFiles:
    """Where things lie below one folder."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "sshd_config"

    @property
    def host_key(self) -> Path:
        return self.folder / "host_key"

    @property
    def host_certificate(self) -> Path:
        return self.folder / "host_key-cert.pub"

    @property
    def authority(self) -> Path:
        return self.folder / "authority.pub"

    @property
    def principals(self) -> Path:
        return self.folder / "principals"


def tunnel_user() -> str:
    """The user units log in as: an sshd without privileges can let in nobody but its own user. Root is no
    such user and becomes another for it. Raises KeyError for a user without a name."""
    uid = os.geteuid()
    return _ROOT_BECOMES if uid == 0 else pwd.getpwuid(uid).pw_name


def sshd_command(sshd: str, files: TunnelFiles) -> list[str]:
    """How it is run for one connection, which is its standard input and output."""
    command = [sshd, "-i", "-e", "-f", str(files.config)]
    if os.geteuid() != 0:
        return command
    user = pwd.getpwnam(_ROOT_BECOMES)
    return ["unshare", "--user", f"--map-user={user.pw_uid}", f"--map-group={user.pw_gid}", *command]


def write_sshd_config(files: TunnelFiles, ssh: SshAuthority) -> None:
    """Write all but `principals`; the server's key is made once, its certificate anew. Raises OSError."""
    files.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_host_certificate(files, ssh)
    write_whole(files.authority, f"{ssh.tunnel_ca()}\n".encode())
    options = {
        "HostKey": _path(files.host_key),
        "HostCertificate": _path(files.host_certificate),
        "PidFile": "none",
        "LogLevel": "INFO",
        "StrictModes": "no",
        "UsePAM": "no",
        "UseDNS": "no",
        "AllowUsers": tunnel_user(),
        "AuthenticationMethods": "publickey",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "AuthorizedKeysFile": "none",
        "TrustedUserCAKeys": _path(files.authority),
        "AuthorizedPrincipalsFile": _path(files.principals, "%"),
        "RevokedKeys": _path(ssh.revoked_hosts),
        "PubkeyAcceptedAlgorithms": _KEYS,
        "CASignatureAlgorithms": "ssh-ed25519",
        "MaxAuthTries": "3",
        "LoginGraceTime": "30",
        "ClientAliveInterval": "15",
        "ClientAliveCountMax": "3",
        "AllowTcpForwarding": "remote",
        "GatewayPorts": "no",
        "AllowStreamLocalForwarding": "no",
        "AllowAgentForwarding": "no",
        "X11Forwarding": "no",
        "PermitTunnel": "no",
        "PermitTTY": "no",
        "PermitUserRC": "no",
        "MaxSessions": "0",
    }
    text = "".join(f"{name} {value}\n" for name, value in options.items())
    write_whole(files.config, text.encode())


def write_host_certificate(files: TunnelFiles, ssh: SshAuthority) -> None:
    """The server's certificate, good for as long as it can be from now on. Raises OSError."""
    key = _host_key(files.host_key)
    form = serialization.PublicFormat.OpenSSH
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, form).decode()
    write_whole(files.host_certificate, f"{ssh.sign_tunnel_server(public, COORDINATOR_SSH)}\n".encode())


def _host_key(path: Path) -> ed25519.Ed25519PrivateKey:
    try:
        key = serialization.load_ssh_private_key(path.read_bytes(), password=None)
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key
    except (FileNotFoundError, ValueError):
        pass  # units know the authority, not the key
    fresh = ed25519.Ed25519PrivateKey.generate()
    form = serialization.PrivateFormat.OpenSSH
    write_secret(path, fresh.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return fresh


def _path(path: Path, doubled: str = "") -> str:
    text = str(path.resolve())
    for letter in doubled:
        text = text.replace(letter, letter * 2)
    return f'"{text}"'
