"""One line to the coordinator, as a command of OpenSSH's client."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from diemcau_wire.enrolment import COORDINATOR_SSH, Reach


@dataclass(frozen=True, slots=True)
class Place:
    """Where things lie: the unit's SSH host key, a folder of the tunnel's own, the socket of its sshd."""

    key: Path
    folder: Path
    sshd: Path


def command(reach: Reach, place: Place) -> list[str]:
    """Write the files it reads, and say how it is run: it ends when the line does. Raises OSError.

    The server has to show a certificate of the authority the unit knows; whatever else it shows ends it.
    """
    certificate, known_hosts = place.folder / "certificate", place.folder / "known_hosts"
    certificate.write_text(f"{reach.certificate}\n")
    known_hosts.write_text(f"@cert-authority {COORDINATOR_SSH} {reach.coordinator_ca}\n")
    options = {
        "HostKeyAlias": COORDINATOR_SSH,
        "UserKnownHostsFile": f'"{known_hosts}"',
        "GlobalKnownHostsFile": "none",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "HostKeyAlgorithms": "ssh-ed25519-cert-v01@openssh.com",
        "CertificateFile": f'"{certificate}"',
        "IdentityFile": f'"{place.key}"',
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "PreferredAuthentications": "publickey",
        "BatchMode": "yes",
        "ExitOnForwardFailure": "yes",
        "ConnectTimeout": "30",
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "3",
    }
    said = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    listen = f"127.0.0.1:{reach.listen}:{place.sshd}"
    return [
        *("ssh", "-F", "none", "-N", "-T", *said, "-p", str(reach.port), "-l", reach.user),
        *("-R", listen, "--", reach.host),
    ]
