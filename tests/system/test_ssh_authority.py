"""The SSH authorities against a real sshd, with a configuration of its own and without privileges."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from diemcau_controller.adapters.authority.ssh import SshAuthority
from diemcau_controller.namespace import ADDRESS

UNIT, OTHER_UNIT = "u0123456789ab", "uba9876543210"
SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
DAEMON = pwd.getpwnam("daemon")
PORT, IMPOSTOR_PORT = 2222, 2223


def authority(folder: Path, at: datetime | None = None) -> SshAuthority:
    made = SshAuthority(folder, lambda: at or datetime.now(UTC))
    made.ensure()
    return made


def as_daemon() -> list[str]:
    """sshd run by root wants folders of the system's: it runs as daemon, however we may become that."""
    everybody = Path("/proc/self/uid_map").read_text().split()[2] != "1"
    if everybody:
        return ["setpriv", f"--reuid={DAEMON.pw_uid}", f"--regid={DAEMON.pw_gid}", "--clear-groups"]
    return ["unshare", "--user", f"--map-user={DAEMON.pw_uid}", f"--map-group={DAEMON.pw_gid}"]


class Ssh:
    """A unit's sshd, an impostor's, and a client that trusts the host authority."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ours, self.theirs = authority(folder / "ours"), authority(folder / "theirs")
        self.host_key = self.new_key("host")
        self._servers = [
            self._serve(PORT, self.host_key, self.ours.sign_host(self.public(self.host_key), [UNIT])),
            self._serve(IMPOSTOR_PORT, other := self.new_key("other"), self._impostors_certificate(other)),
        ]
        self.key = self.new_key("user")
        (folder / "known_hosts").write_text(self.ours.known_hosts())

    def _impostors_certificate(self, key: Path) -> str:
        return self.theirs.sign_host(self.public(key), [UNIT])

    def new_key(self, name: str) -> Path:
        path = self.folder / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
        return path

    def public(self, key: Path) -> str:
        return key.with_suffix(".pub").read_text()

    def _serve(self, port: int, key: Path, certificate: str) -> subprocess.Popen[bytes]:
        folder = self.folder / f"sshd-{port}"
        folder.mkdir()
        (folder / "host-cert.pub").write_text(certificate + "\n")
        (folder / "users.pub").write_text(self.ours.user_ca() + "\n")
        shutil.copy(key, folder / "host")
        (folder / "config").write_text(
            f"Port {port}\nListenAddress {ADDRESS}\nPidFile none\n"
            f"HostKey {folder}/host\nHostCertificate {folder}/host-cert.pub\n"
            f"TrustedUserCAKeys {folder}/users.pub\nAuthorizedKeysFile none\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\n"
            "Subsystem sftp internal-sftp\n"
        )
        if os.access(folder, os.W_OK) and as_daemon()[0] == "setpriv":
            for path in (folder, *folder.iterdir()):
                os.chown(path, DAEMON.pw_uid, DAEMON.pw_gid)
        assert SSHD is not None
        with (self.folder / f"sshd-{port}.log").open("wb") as log:
            arguments = [*as_daemon(), SSHD, "-D", "-e", "-f", str(folder / "config")]
            process = subprocess.Popen(arguments, stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and process.poll() is None:
            with suppress(OSError), socket.create_connection((ADDRESS, port), 1):
                return process
            time.sleep(0.05)
        process.kill()
        raise AssertionError((self.folder / f"sshd-{port}.log").read_text())

    def log_in(self, certificate: str, *, unit: str = UNIT, port: int = PORT) -> str:
        """Log in with the key and this certificate; gives "" when let in, else why not."""
        (self.folder / "user-cert.pub").write_text(certificate + "\n")
        options = {
            "UserKnownHostsFile": self.folder / "known_hosts",
            "GlobalKnownHostsFile": "/dev/null",
            "RevokedHostKeys": self.ours.revoked_hosts,
            "StrictHostKeyChecking": "yes",
            "HostKeyAlias": unit,
            "CertificateFile": self.folder / "user-cert.pub",
            "IdentityFile": self.key,
            "IdentitiesOnly": "yes",
            "BatchMode": "yes",
            "ConnectTimeout": 10,
        }
        said = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        command = ["sftp", "-F", "none", *said, "-b", "/dev/null", "-P", str(port), f"daemon@{ADDRESS}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        return "" if done.returncode == 0 else done.stderr or f"exit {done.returncode}"

    def user_certificate(self, account: str = "daemon", by: SshAuthority | None = None) -> str:
        return (by or self.ours).sign_user(self.public(self.key), [account], timedelta(hours=1))

    def close(self) -> None:
        for server in self._servers:
            server.terminate()
        for server in self._servers:
            server.wait(10)


@pytest.fixture(scope="module")
def ssh() -> Iterator[Ssh]:
    folder = Path(subprocess.check_output(["mktemp", "-d", "/tmp/diemcau-ssh-XXXXXX"], text=True).strip())
    folder.chmod(0o755)  # another user has to read there
    made = Ssh(folder)
    yield made
    made.close()
    shutil.rmtree(folder)


def test_a_person_with_a_certificate_reaches_the_unit_whose_name_is_in_its_own(ssh: Ssh) -> None:
    assert ssh.log_in(ssh.user_certificate()) == ""


def test_another_units_name_is_refused(ssh: Ssh) -> None:
    assert "Host key verification failed" in ssh.log_in(ssh.user_certificate(), unit=OTHER_UNIT)


def test_an_impostor_is_refused(ssh: Ssh) -> None:
    assert "Host key verification failed" in ssh.log_in(ssh.user_certificate(), port=IMPOSTOR_PORT)


def test_a_revoked_unit_is_refused_and_comes_back_when_it_is_not(ssh: Ssh) -> None:
    ssh.ours.write_revoked_hosts([ssh.public(ssh.host_key)])
    assert "revoked" in ssh.log_in(ssh.user_certificate())
    ssh.ours.write_revoked_hosts([])
    assert ssh.log_in(ssh.user_certificate()) == ""


def test_a_person_of_another_authority_account_or_time_is_refused(ssh: Ssh) -> None:
    late = authority(ssh.folder / "ours", datetime.now(UTC) - timedelta(days=1))
    for certificate in (
        ssh.user_certificate(by=ssh.theirs),
        ssh.user_certificate("root"),
        ssh.user_certificate(by=late),
    ):
        assert "Permission denied" in ssh.log_in(certificate)
