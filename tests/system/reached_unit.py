"""A unit that can be worked on: admitted by an office, with a tunnel and an sshd as its services run them,
all of OpenSSH real. Its sshd has no privileges and lets in the user `daemon` instead of the account it has on
a unit; the unit's names are read from the same file, by another option (`test_unit_logins.py` has the one
that is shipped)."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from diemcau_agent.identity.admitted import install
from diemcau_agent.identity.keys import Keys
from diemcau_agent.unit.dialling import ask_to_dial
from diemcau_agent.unit.state_folder import StateFolder
from diemcau_wire.enrolment import Reach, take
from diemcau_wire.unix_socket import listen

from tests.system.asking_unit import AskingUnit
from tests.system.office import Office

ROOT = Path(__file__).parents[2]
SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
DAEMON = pwd.getpwnam("daemon")
AS_DAEMON = ["unshare", "--user", f"--map-user={DAEMON.pw_uid}", f"--map-group={DAEMON.pw_gid}"]
SHIPPED = ROOT / "agent/systemd/sshd_config"


class ReachedUnit:
    """`post` of the office leads here: call :meth:`told` for the command."""

    def __init__(self, office: Office, site: str, folder: Path) -> None:
        self.root, self.site = folder, site
        self.folder = StateFolder(folder / "state", services=folder / "run")
        self.asking = AskingUnit(office.nobody)
        code = self.asking.ask()
        office.add("enrolments/approve", code=code, site=site, what="install")
        self.unit = self.asking.unit
        self._write_identity()
        self.tunnels: list[subprocess.Popen[bytes]] = []
        self._logins: list[subprocess.Popen[bytes]] = []
        self._path = folder / "bin"
        self._path.mkdir()
        self.say_health("NRestarts=0\nActiveState=active\n")
        self._listening = listen(folder / "sshd.sock")
        threading.Thread(target=self._serve, daemon=True).start()

    def _write_identity(self) -> None:
        self.folder.identity.mkdir(parents=True)
        form = serialization.PrivateFormat.OpenSSH
        key = self.asking.ssh.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        self.folder.ssh_key.touch(mode=0o600)
        self.folder.ssh_key.write_bytes(key)
        install(self.folder, Keys(self.asking.key, self.asking.ssh), self.asking.identity(), arriving=False)
        config = SHIPPED.read_text().replace("/var/lib/diemcau-agent", str(self.folder.root))
        config = config.replace("AllowUsers diemcau-maintenance", "AllowUsers daemon")
        config = config.replace("/etc/diemcau/ssh_authority", str(self.root / "ssh_authority"))
        lines = [line for line in config.splitlines() if not line.startswith("AuthorizedPrincipals")]
        lines.append(f"AuthorizedPrincipalsFile {self.folder.ssh_users}")
        (self.root / "sshd_config").write_text("\n".join(lines) + "\n")
        (self.root / "ssh_authority").write_text(f"{self.reach.user_ca}\n")

    def _serve(self) -> None:
        """As systemd's socket does: an sshd for each connection."""
        assert SSHD is not None
        command = [*AS_DAEMON, SSHD, "-i", "-e", "-f", str(self.root / "sshd_config")]
        with suppress(OSError), (self.root / "sshd.log").open("ab") as log:
            while True:
                connection, _ = self._listening.accept()
                with connection:
                    self._logins.append(
                        subprocess.Popen(command, stdin=connection, stdout=connection, stderr=log)
                    )

    @property
    def reach(self) -> Reach:
        return take(Reach, self.folder.reach.read_bytes())

    def say_health(self, said: str) -> None:
        """What systemd says of the unit process from now on."""
        program = self._path / "systemctl"
        program.write_text(f"#!/bin/sh\nprintf '{said}'\n")
        program.chmod(0o755)

    def asked(self, for_s: float) -> subprocess.Popen[bytes]:
        """The unit process is told to dial, and systemd starts the service for it."""
        ask_to_dial(self.folder, for_s)
        return self.dial()

    def dial(self, reach: Reach | None = None) -> subprocess.Popen[bytes]:
        """Start the tunnel service; it looks itself whether there is a reason to dial."""
        own = self.root / f"own-{len(self.tunnels)}"
        own.mkdir()
        how = self.folder.reach
        if reach is not None:
            how = own / "reach"
            how.write_text(reach.model_dump_json())
        asked = self.folder.dialling
        arguments = ["--reach", how, "--key", self.folder.ssh_key, "--folder", own]
        arguments += ["--asked", asked, "--sshd", self.root / "sshd.sock"]
        environment = {**os.environ, "PATH": f"{self._path}:{os.environ['PATH']}"}
        with (self.root / "tunnel.log").open("ab") as log:
            self.tunnels.append(
                subprocess.Popen(
                    [sys.executable, "-m", "diemcau_agent.tunnel", *map(str, arguments)],
                    env=environment,
                    stderr=log,
                )
            )
        return self.tunnels[-1]

    def log(self) -> str:
        return "\n".join((self.root / f"{name}.log").read_text() for name in ("tunnel", "sshd"))

    def close(self) -> None:
        for tunnel in self.tunnels:
            tunnel.send_signal(signal.SIGTERM)
        for tunnel in self.tunnels:
            tunnel.wait(10)
        self._listening.close()
        for login in self._logins:
            login.kill()
            login.wait(10)
