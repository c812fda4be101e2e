"""Whoever takes the unit process over cannot let himself in as root: OpenSSH's sshd as a unit has it, with
its privileges and its configuration as shipped, against what that process may write."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from diemcau_controller.actions.reach import ACCOUNT, Reached
from diemcau_controller.adapters.authority.ssh import SshAuthority
from diemcau_controller.adapters.ssh_files import new_key, write_ssh_files

UNIT, SITE, OTHER = "u0123456789ab", "ea-kiet", "uba9876543210"
NAMES = f"{UNIT}\n{SITE}\n"
SHIPPED = Path(__file__).parents[2] / "agent/systemd/sshd_config"
OWNER, WORKER = 64990, 64991  # of the unit process, of who works on the unit
_ALL_USERS = Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]

pytestmark = pytest.mark.skipif(not (_ALL_USERS and os.geteuid() == 0), reason="needs the root of a machine")

# Users, and what sshd wants of the system, are there for this one log-in and nobody else.
_LOG_IN = """
mount --make-rprivate /
for file in passwd group shadow; do mount --bind "$1/$file" /etc/$file; done
mount -t tmpfs none /run && mkdir /run/sshd
shift
exec "$@"
"""

# Who reads the names waits for us as long as we like; what is his user's, his user may write to.
_SLIP_IN = """
trap '' PIPE
while exec 3>"$1"; do
    for process in /proc/[0-9]*; do
        read -r name <$process/comm && [ "$name" = grep ] && echo "$2" >$process/fd/1
    done
    echo "$3" >&3
    exec 3>&-
done
"""


def key_file(path: Path) -> str:
    """Make a host key; gives its public half."""
    key, encoding = ed25519.Ed25519PrivateKey.generate(), serialization.Encoding
    form, public = serialization.PrivateFormat.OpenSSH, serialization.PublicFormat.OpenSSH
    path.touch(0o600)
    path.write_bytes(key.private_bytes(encoding.PEM, form, serialization.NoEncryption()))
    return key.public_key().public_bytes(encoding.OpenSSH, public).decode()


class Machine:
    """A unit's sshd: `identity` is the unit process's, `authority` root's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ours, self.theirs = (
            SshAuthority(folder / name, lambda: datetime.now(UTC)) for name in ("ours", "theirs")
        )
        self.ours.ensure()
        self.theirs.ensure()
        self.identity, self.authority = folder / "agent/identity", folder / "etc/ssh_authority"
        self.users = self.identity / "ssh_users"
        self.identity.mkdir(parents=True)
        self.authority.parent.mkdir()
        self.authority.write_text(f"{self.ours.user_ca()}\n")
        host_key = self.identity / "ssh_host_ed25519_key"
        certificate = self.ours.sign_host(key_file(host_key), [UNIT, SITE])
        host_key.with_name(f"{host_key.name}-cert.pub").write_text(certificate)
        config = SHIPPED.read_text().replace("/var/lib/diemcau-agent", str(folder / "agent"))
        (folder / "sshd_config").write_text(config.replace("/etc/diemcau/", f"{self.authority.parent}/"))
        self._add_users()
        for path in (folder / "agent", self.identity):
            os.chown(path, OWNER, OWNER)
            path.chmod(0o700)
        self.writes(NAMES)

    def _add_users(self) -> None:
        shells = {"diemcau-unit": (OWNER, "/usr/sbin/nologin", "!*"), ACCOUNT: (WORKER, "/bin/sh", "*")}
        for name in ("passwd", "group", "shadow"):
            shutil.copy(f"/etc/{name}", self.folder / name)
        for user, (number, shell, password) in shells.items():
            for name, line in (
                ("passwd", f"{user}:x:{number}:{number}::/tmp:{shell}"),
                ("group", f"{user}:x:{number}:"),
                ("shadow", f"{user}:{password}:1::::::"),
            ):
                with (self.folder / name).open("a") as file:
                    file.write(f"{line}\n")

    def writes(self, said: str) -> None:
        """The unit process, or who has taken it over, says this of who may log in."""
        self.users.unlink(missing_ok=True)
        self.users.write_text(said)
        os.chown(self.users, OWNER, OWNER)

    def log_in(self, by: SshAuthority, name: str = UNIT) -> str:
        """As whom one is there with a certificate by this authority for this name; "" when refused."""
        with tempfile.TemporaryDirectory(dir=self.folder) as own:
            certificate = by.sign_user(new_key(Path(own)), [name], timedelta(minutes=5))
            known, revoked = self.ours.known_hosts(UNIT), str(self.ours.revoked_hosts)
            until = datetime.now(UTC)
            reached = Reached(UNIT, "unit", 22, ACCOUNT, certificate, known, revoked, until, asked=True)
            config = write_ssh_files(Path(own), reached)
            sshd = f"ProxyCommand=/usr/sbin/sshd -i -e -f {self.folder}/sshd_config"
            ssh = ["ssh", "-F", str(config), "-o", sshd, UNIT, "id -un"]
            command = ["unshare", "--mount", "sh", "-ec", _LOG_IN, "sh", str(self.folder), *ssh]
            done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0 or "Permission denied" in done.stderr, done.stderr
        return done.stdout.strip()


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    folder = Path(tempfile.mkdtemp(prefix="diemcau-logins-", dir="/tmp"))
    folder.chmod(0o755)  # another user has to read there
    yield Machine(folder)
    shutil.rmtree(folder)


def test_who_is_certified_for_the_unit_or_its_site_logs_in_and_nobody_else(machine: Machine) -> None:
    machine.writes(NAMES)
    assert [machine.log_in(machine.ours, name) for name in (UNIT, SITE, OTHER)] == [ACCOUNT, ACCOUNT, ""]
    machine.users.unlink()
    assert machine.log_in(machine.ours) == "", "a unit that was sent away"


def test_the_unit_process_names_an_authority_of_its_own_in_vain(machine: Machine) -> None:
    theirs = machine.theirs.user_ca()
    own = f'cert-authority,principals="{UNIT}" {theirs}\n'
    for said in (own, own + NAMES, f"{theirs}\n{NAMES}", f"restrict,pty,{own}{NAMES}"):
        machine.writes(said)
        assert machine.log_in(machine.theirs) == "", said
    keys = machine.identity / "authorized_keys"
    keys.write_text(own)
    assert machine.log_in(machine.theirs) == ""


def test_nothing_of_the_unit_process_is_carried_out_when_somebody_logs_in(machine: Machine) -> None:
    for option in ('command="echo taken"', 'environment="LD_PRELOAD=/tmp/x.so"', "permitopen"):
        machine.writes(f"{option} {UNIT}\n{option} {SITE}\n")
        assert machine.log_in(machine.ours) in ("", ACCOUNT), option
        assert machine.log_in(machine.ours, SITE) == "", option
    machine.users.unlink()
    machine.users.symlink_to("/etc/shadow")
    assert machine.log_in(machine.ours) == ""


def test_nothing_is_slipped_in_behind_the_program_that_reads_the_names(machine: Machine) -> None:
    machine.users.unlink()
    os.mkfifo(machine.users)
    os.chown(machine.users, OWNER, OWNER)
    script = ["sh", "-c", _SLIP_IN, "sh", str(machine.users), f'command="echo taken" {UNIT}', UNIT]
    user = {"user": OWNER, "group": OWNER, "extra_groups": []}
    with subprocess.Popen(script, stderr=subprocess.DEVNULL, **user) as lurking:
        said = machine.log_in(machine.ours)
        lurking.kill()
    assert said == ""


def test_what_an_earlier_release_wrote_shuts_nobody_out(machine: Machine) -> None:
    machine.writes(f'restrict,pty,cert-authority,principals="{UNIT},{SITE}" {machine.ours.user_ca()}\n')
    assert machine.log_in(machine.ours) == ACCOUNT
    assert machine.log_in(machine.ours, OTHER) == ""


def test_a_unit_that_slept_through_a_change_of_the_authority_opens_all_the_same(machine: Machine) -> None:
    machine.writes(NAMES)
    former = machine.authority.read_text()
    machine.ours.change_users()
    assert machine.log_in(machine.ours) == ACCOUNT, "it has not heard of it"
    machine.authority.write_text(f"{machine.ours.user_ca()}\n")
    assert machine.log_in(machine.ours) == ACCOUNT
    machine.ours.forget_former_users()
    assert machine.log_in(machine.ours) == ACCOUNT
    machine.authority.write_text(former)
    assert machine.log_in(machine.ours) == "", "what was copied from the server opens nothing"
    machine.authority.write_text(f"{machine.ours.user_ca()}\n")


def test_another_authority_counts_from_the_moment_root_says_so(machine: Machine) -> None:
    machine.writes(NAMES)
    both = f"{machine.ours.user_ca()}\n{machine.theirs.user_ca()}\n"
    ours, theirs = machine.ours, machine.theirs
    for said, who in ((both, [ACCOUNT] * 2), (f"{theirs.user_ca()}\n", ["", ACCOUNT])):
        machine.authority.write_text(said)
        assert [machine.log_in(one) for one in (ours, theirs)] == who
    machine.authority.write_text(f"{ours.user_ca()}\n")
    assert [machine.log_in(one) for one in (ours, theirs)] == [ACCOUNT, ""]
