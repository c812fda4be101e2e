"""The authorities for SSH, read by OpenSSH's own ssh-keygen."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from diemcau_controller.adapters.authority.ssh import SshAuthority

from tests.unit.cut_short import cut_short

UNIT = "u0123456789ab"


@pytest.fixture
def ssh(tmp_path: Path) -> SshAuthority:
    made = SshAuthority(tmp_path / "ssh", lambda: datetime.now(UTC))
    made.ensure()
    return made


def public_line(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    public = key.public_key()
    return public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def new_line() -> str:
    return public_line(ed25519.Ed25519PrivateKey.generate())


def keygen(*arguments: str | Path) -> tuple[int, str]:
    done = subprocess.run(["ssh-keygen", *arguments], capture_output=True, text=True, env={"TZ": "UTC"})
    return done.returncode, done.stdout + done.stderr


def shown(certificate: str, folder: Path) -> str:
    (folder / "certificate.pub").write_text(certificate + "\n")
    code, text = keygen("-L", "-f", folder / "certificate.pub")
    assert code == 0, text
    return text


def revoked(ssh: SshAuthority, line: str, folder: Path) -> bool:
    (folder / "asked.pub").write_text(line + "\n")
    code, text = keygen("-Q", "-f", ssh.revoked_hosts, folder / "asked.pub")
    assert code in (0, 1) and ("REVOKED" in text) == (code == 1), text
    return code == 1


def test_a_host_certificate_is_for_its_names_only(ssh: SshAuthority, tmp_path: Path) -> None:
    for key in (ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())):
        text = shown(ssh.sign_host(public_line(key) + " comment", [UNIT, "ea-kiet"]), tmp_path)
        assert "host certificate" in text and f'Key ID: "diemcau {UNIT}"' in text
        principals = text.partition("Principals:")[2].partition("Critical")[0].split()
        assert principals == [UNIT, "ea-kiet"]
        assert "Valid: before 20" in text  # from the beginning of time: a unit's clock may be behind


def test_a_user_certificate_ends_soon_and_permits_what_is_said(ssh: SshAuthority, tmp_path: Path) -> None:
    text = shown(ssh.sign_user(new_line(), ["admin"], timedelta(hours=8)), tmp_path)
    assert "user certificate" in text and "permit-pty" in text and "permit-port-forwarding" not in text
    end = datetime.fromisoformat(text.partition("Valid: before ")[2].split()[0]).replace(tzinfo=UTC)
    assert timedelta(hours=7) < end - datetime.now(UTC) < timedelta(hours=9)
    text = shown(ssh.sign_user(new_line(), ["tunnel"], timedelta(hours=8), permits=()), tmp_path)
    assert "Extensions: (none)" in text


def test_a_revoked_key_takes_its_certificates_along(ssh: SshAuthority, tmp_path: Path) -> None:
    bad, good = new_line(), new_line()
    assert not revoked(ssh, bad, tmp_path)  # an empty list is one, too
    ssh.write_revoked_hosts([bad, new_line(), bad])
    assert revoked(ssh, bad, tmp_path) and not revoked(ssh, good, tmp_path)
    assert revoked(ssh, ssh.sign_host(bad, [UNIT]), tmp_path)
    assert not revoked(ssh, ssh.sign_host(good, [UNIT]), tmp_path)
    ssh.write_revoked_hosts([])
    assert not revoked(ssh, bad, tmp_path)


def test_authorities_are_made_once(ssh: SshAuthority, tmp_path: Path) -> None:
    known = (ssh.user_ca(), ssh.host_ca())
    ssh.ensure()
    again = SshAuthority(tmp_path / "ssh", lambda: datetime.now(UTC))
    assert (again.user_ca(), again.host_ca()) == known and known[0] != known[1]
    assert (tmp_path / "ssh/host_ca.pub").read_text().startswith(known[1])
    assert ssh.known_hosts() == f"@cert-authority * {known[1]}\n"
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "ssh").glob("*_ca")} == {0o600}


def test_what_is_no_plain_key_and_no_name_is_refused(ssh: SshAuthority) -> None:
    certificate = ssh.sign_host(new_line(), [UNIT])
    weak = public_line(rsa.generate_private_key(65537, 2048))
    for wrong in ("", "garbage", "ssh-ed25519", "ssh-ed25519 !!!", "ssh-ed25519 AAAA", certificate, weak):
        with pytest.raises(ValueError):
            ssh.sign_host(wrong, [UNIT])
        with pytest.raises(ValueError):
            ssh.write_revoked_hosts([wrong])
    for nobody in ([], [""]):
        with pytest.raises(ValueError, match="names"):
            ssh.sign_host(new_line(), nobody)


def authorities(ssh: SshAuthority, folder: Path) -> list[str]:
    """The fingerprints of who signed for a user."""
    signed = ssh.sign_user(new_line(), [UNIT], timedelta(minutes=5)).splitlines()
    return [shown(line, folder).partition("Signing CA: ")[2].split()[1] for line in signed]


def test_another_key_for_users_vouches_beside_the_one_before(ssh: SshAuthority, tmp_path: Path) -> None:
    (former,) = authorities(ssh, tmp_path)
    ssh.change_users()
    new, beside = authorities(ssh, tmp_path)
    assert beside == former != new
    with pytest.raises(FileExistsError):
        ssh.change_users()
    ssh.forget_former_users()
    assert authorities(ssh, tmp_path) == [new]
    ssh.forget_former_users()


def test_a_change_of_the_key_for_users_may_be_cut_short(tmp_path: Path) -> None:
    def prepare(n: int) -> Path:
        SshAuthority(tmp_path / str(n), lambda: datetime.now(UTC)).ensure()
        known[n] = (tmp_path / str(n) / "user_ca").read_bytes()
        return tmp_path / str(n)

    def act(folder: Path) -> None:
        SshAuthority(folder, lambda: datetime.now(UTC)).change_users()

    known: dict[int, bytes] = {}
    cuts = 0
    for cuts, folder in cut_short(prepare, act):
        ssh = SshAuthority(folder, lambda: datetime.now(UTC))
        ssh.ensure()  # as at the next start
        kept = {
            path.read_bytes() for path in (folder / "user_ca", folder / "user_ca.former") if path.exists()
        }
        assert known[cuts] in kept, "what units know still vouches"
        assert (folder / "user_ca.pub").read_text().startswith(ssh.user_ca())
        if not ssh.changes_users:
            ssh.change_users()
        assert len(authorities(ssh, tmp_path)) == 2
    assert cuts >= 6
