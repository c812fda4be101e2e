"""The certificate authority of an installation, as a folder.

Two roots are trusted everywhere; one of them, the active one, signed the online intermediate, and that signs
everything else. So the roots' keys are needed only to replace the intermediate or to change the roots, and
lie elsewhere (`diemcau ca take-offline`). In the folder:

    ca.crt               the roots that are trusted, in order; what it says holds (trust.py)
    intermediate.pem     key and certificate of the online authority
    offline/root-N.key   keys of the roots, until they are taken away
    NAME.key, NAME.crt   what was issued to servers and clients here: leaf, then intermediate
    ssh/                 the authorities for SSH
    ca.key               only in a folder from before there were two roots: that root still signs what units
                         must believe, because they know no other, until it is forgotten

Each change is one file renamed into place, so whatever is cut short leaves the old state or the new one.
"""

from __future__ import annotations

import fcntl
import ipaddress
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from ..whole_file import write_secret, write_whole
from . import certificates as made
from .errors import AuthorityError, NotOurs
from .ssh import SshAuthority
from .trust import Trust, common_name_of_root, read_trust

log = logging.getLogger(__name__)

EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)  # this product is younger: a clock before that is wrong
_NONE = "there is no authority in {}: `diemcau serve` makes it at its first start"


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """What a unit holds: `pem_chain` is leaf and intermediate; `serial` as in :mod:`...rules.serials`.

    `site` and `epoch` are the binding for which it was issued, as its subject says (O, serialNumber).
    """

    unit: str
    pem_chain: str
    serial: str
    issued_at: datetime
    not_after: datetime
    site: str | None = None
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: `chain` goes with what it signed, without the root."""

    certificate: x509.Certificate
    key: made.Key
    chain: tuple[x509.Certificate, ...]


class Authority:
    """A certificate authority kept in `folder`. What issues something makes it if there is none."""

    def __init__(self, folder: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.folder, self.now = folder, now
        self.ca_path = folder / "ca.crt"
        """Where the roots lie, as PEM: what to verify servers and clients with."""
        self.intermediate_path = folder / "intermediate.pem"
        self.offline = folder / "offline"
        self.old_key_path = folder / "ca.key"
        self.ssh = SshAuthority(folder / "ssh", now)

    def ensure(self) -> None:
        """Make the authority if there is none yet, and give one from before there were two roots its roots.

        Raises OSError when the folder cannot be written, :class:`AuthorityError` when something of it is
        damaged or missing, or when the clock is wrong.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.locked():
            known = read_trust(self.ca_path)
            if not isinstance(known, Trust):
                self._refuse_if_roots_were_lost(known)
                self._begin(known)
            else:
                self.intermediate()
            self.ssh.ensure()

    def _refuse_if_roots_were_lost(self, known: Sequence[x509.Certificate]) -> None:
        """A first start that was cut short has the keys of both roots; without them there were others."""
        keys = {path.name for path in self.offline.glob("*.key")}
        if not known and self.intermediate_path.exists() and keys != {"root-1.key", "root-2.key"}:
            raise AuthorityError(
                f"{self.ca_path} is missing: put it back from a backup, or take roots.crt from the medium "
                "with the roots' keys; made anew it would lock out every unit"
            )

    def _begin(self, old: Sequence[x509.Certificate]) -> None:
        """Make roots and intermediate. Cut short anywhere it is begun again, with the keys it had made."""
        now = self.now()
        if now < EARLIEST:
            raise AuthorityError(
                f"the clock of this machine says {now:%Y-%m-%d}, which cannot be: set it, then start again; "
                "every unit would refuse the certificates made now"
            )
        keys = [self._root_key(number) for number in (1, 2)]
        active, asleep = (
            made.root(key, common_name_of_root(number), now) for number, key in enumerate(keys, 1)
        )
        self.write_intermediate(active, keys[0])
        write_whole(self.ca_path, Trust(active, asleep, tuple(old)).bundle())
        log.info("a certificate authority was made", extra={"folder": str(self.folder), "old": bool(old)})

    def _root_key(self, number: int) -> made.Key:
        path = self.offline / f"root-{number}.key"
        self.offline.mkdir(mode=0o700, exist_ok=True)
        if not path.exists():
            write_secret(path, made.key_pem(made.new_key()))
        return made.read_key(path.read_bytes())

    def write_intermediate(self, root: x509.Certificate, root_key: made.Key) -> x509.Certificate:
        """Make the online authority anew, with a key of its own, signed by this root."""
        key, now = made.new_key(), self.now()
        certificate = made.intermediate(key.public_key(), f"Điểm Cầu {now:%Y-%m-%d}", root, root_key, now)
        write_secret(self.intermediate_path, made.key_pem(key) + made.pem_of(certificate))
        return certificate

    # ── whom it trusts and who signs ─────────────────────────────────────────────────────────────

    def trust(self) -> Trust:
        """The trusted roots. Raises :class:`AuthorityError` when there is no authority here."""
        known = read_trust(self.ca_path)
        if not isinstance(known, Trust):
            raise AuthorityError(_NONE.format(self.folder))
        return known

    def ca_pem(self) -> bytes:
        """The roots as PEM, as they lie at :attr:`ca_path`."""
        return self.ca_path.read_bytes()

    def roots(self) -> list[str]:
        """The roots, each as PEM, in their order: active, asleep, former ones."""
        return [made.pem_of(root).decode() for root in self.trust().all]

    def intermediate(self) -> Signer:
        """The online authority: it signs units and clients."""
        try:
            pem = self.intermediate_path.read_bytes()
            certificate, key = made.read_chain(pem)[0], made.read_key(pem)
        except (FileNotFoundError, ValueError):
            certificate, key = None, None
        if certificate is None or key is None or not made.same_key(certificate, key.public_key()):
            raise AuthorityError(
                f"{self.intermediate_path} is damaged or missing: put it back from a backup, "
                "or make another with `diemcau ca new-intermediate`"
            )
        return Signer(certificate, key, (certificate,))

    def speaker(self) -> Signer:
        """Who signs what units must believe: servers and statements."""
        return self.old() or self.intermediate()

    def old(self) -> Signer | None:
        """The root from before there were two, while it is trusted."""
        if not self.old_key_path.exists():
            return None
        key = made.read_key(self.old_key_path.read_bytes())
        for root in self.trust().former:
            if made.same_key(root, key.public_key()):
                return Signer(root, key, ())
        return None

    def recognise(self, pem_chain: str) -> IssuedCertificate:
        """What is in a unit's certificate, if this authority issued it; that it may have expired is not
        looked at. Raises :class:`NotOurs`."""
        try:
            leaf, *between = made.read_chain(pem_chain.encode())
            public_key = leaf.public_key()
            use = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except (ValueError, x509.ExtensionNotFound):
            raise NotOurs("that is no certificate of a unit") from None
        roots = self.trust().all
        known = [*roots, *(one for one in between if any(made.signed(one, root) for root in roots))]
        unit = made.common_name(leaf)
        if (
            not any(made.signed(leaf, issuer) for issuer in known)
            or made.CLIENT not in use
            or not isinstance(public_key, made.PublicKey)
            or made.unit_id(public_key) != unit
        ):
            raise NotOurs("that certificate was not issued to a unit by this installation")
        epoch = made.in_name(leaf.subject, NameOID.SERIAL_NUMBER) or ""
        return IssuedCertificate(
            unit=unit,
            pem_chain=made.pem_of(leaf, *between).decode(),
            serial=f"{leaf.serial_number:x}",
            issued_at=leaf.not_valid_before_utc + made.BACKDATE,
            not_after=leaf.not_valid_after_utc,
            site=made.in_name(leaf.subject, NameOID.ORGANIZATION_NAME),
            epoch=int(epoch) if epoch.isascii() and epoch.isdigit() else 0,
        )

    # ── what it issues ───────────────────────────────────────────────────────────────────────────

    def sign_unit(self, asked: str, *, site: str | None = None, epoch: int = 0) -> IssuedCertificate:
        """A certificate for the unit that holds this key: a signing request or a public key, as PEM.

        Its CN is the unit's id, whatever the request says. Raises ValueError for a request that is none, or
        that its key did not sign.
        """
        public_key = made.read_public_key(asked)
        self.ensure()
        binding = [(NameOID.ORGANIZATION_NAME, site), (NameOID.SERIAL_NUMBER, str(epoch))] if site else []
        subject = made.name_of(made.unit_id(public_key), *binding)
        by = self.intermediate()
        leaf = self._leaf(subject, public_key, made.CLIENT, by)
        return self.recognise(made.pem_of(leaf, *by.chain).decode())

    def server_certificate(
        self, names: list[str], addresses: list[str], *, files: str = "server"
    ) -> tuple[Path, Path]:
        """Key and certificate for a server reached by these DNS names and IP addresses.

        The same `files` (.key and .crt) are given again until the names change, another signs for servers,
        or a third of their life is left. Raises ValueError for something that is not an IP address.
        """
        wanted: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        wanted += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        common = (names or addresses or ["diemcau"])[0][:64]
        self.ensure()
        return self._files(files, common, made.SERVER, self.speaker(), wanted)

    def client_files(self, cn: str) -> tuple[Path, Path]:
        """Key and client certificate of `cn` as files in the folder; issued once, renewed in time."""
        self.ensure()
        return self._files(cn, cn, made.CLIENT, self.intermediate())

    def statement_files(self) -> tuple[Path, Path]:
        """Key and certificate that sign statements, and nothing else."""
        self.ensure()
        return self._files("statements", "statements", made.STATEMENTS, self.speaker())

    def client_certificate(self, cn: str) -> tuple[bytes, bytes]:
        """A fresh key and a client certificate for `cn`, both PEM."""
        self.ensure()
        key, by = made.new_key(), self.intermediate()
        leaf = self._leaf(made.name_of(cn), key.public_key(), made.CLIENT, by)
        return made.key_pem(key), made.pem_of(leaf, *by.chain)

    def new_unit_identity(self, folder: Path, mqtt_host: str, mqtt_port: int) -> str:
        """Make a unit: its key, its certificate, what it needs to find us. Gives the unit's id.

        The id is `u` and the first 12 hex digits of the SHA-256 of the public key (SPKI, DER), so nobody
        can choose it. Refuses (FileExistsError) a folder in which there already is a unit.
        """
        if (folder / "unit.key").exists():
            raise FileExistsError(f"{folder} already holds the identity of a unit")
        key = made.new_key()
        unit = made.unit_id(key.public_key())
        certificate = self.sign_unit(made.public_pem(key)).pem_chain.encode()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        coordinator = {"unit": unit, "mqtt_host": mqtt_host, "mqtt_port": mqtt_port}
        write_whole(folder / "ca.crt", self.ca_pem())
        write_whole(folder / "unit.crt", certificate)
        write_whole(folder / "coordinator.json", json.dumps(coordinator, indent=2).encode() + b"\n")
        write_secret(folder / "unit.key", made.key_pem(key))
        return unit

    def _files(
        self,
        files: str,
        common: str,
        use: x509.ObjectIdentifier,
        by: Signer,
        names: Sequence[x509.GeneralName] = (),
    ) -> tuple[Path, Path]:
        key_path, certificate_path = self.folder / f"{files}.key", self.folder / f"{files}.crt"
        with self.locked():
            if not self._still_good(key_path, certificate_path, by, set(names)):
                key = made.new_key()
                wanted = sorted(set(names), key=repr)
                leaf = self._leaf(made.name_of(common), key.public_key(), use, by, wanted)
                write_secret(key_path, made.key_pem(key))
                write_whole(certificate_path, made.pem_of(leaf, *by.chain))
        return key_path, certificate_path

    def _leaf(
        self,
        subject: x509.Name,
        public_key: made.PublicKey,
        use: x509.ObjectIdentifier,
        by: Signer,
        names: Sequence[x509.GeneralName] = (),
    ) -> x509.Certificate:
        now = self.now()
        if now < by.certificate.not_valid_before_utc:
            raise AuthorityError(
                f"the clock of this machine says {now:%Y-%m-%d}, before its authority was made: set it"
            )
        return made.leaf(subject, public_key, use, by.certificate, by.key, now, names)

    def _still_good(
        self, key_path: Path, certificate_path: Path, by: Signer, names: set[x509.GeneralName]
    ) -> bool:
        """True if the files are a pair, for exactly these names, by this signer, and not near their end."""
        try:
            leaf, *chain = made.read_chain(certificate_path.read_bytes())
            key = made.read_key(key_path.read_bytes())
        except (FileNotFoundError, ValueError):
            return False
        try:
            found = {*leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value}
        except x509.ExtensionNotFound:
            found = set()
        return (
            made.same_key(leaf, key.public_key())
            and tuple(chain) == by.chain
            and made.signed(leaf, by.certificate)
            and made.fresh_enough(leaf, self.now())
            and found == names
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time: the launcher, the controller and the command line share this folder."""
        if not self.folder.is_dir():
            raise AuthorityError(_NONE.format(self.folder))
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
