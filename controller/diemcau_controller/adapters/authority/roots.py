"""What is done with the roots: rarely, by a person, with their keys from the drawer.

Everything here changes one thing at a time in such an order that whoever is cut short anywhere finds an
authority that works, and goes on by giving the same command again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from ...rules.authority_state import AuthorityState, Need
from ..whole_file import keep_names, write_secret, write_whole
from . import certificates as made
from .authority import Authority
from .errors import AuthorityError
from .trust import RootNow, Trust, common_name_of_root, root_name, root_now


@dataclass(frozen=True, slots=True)
class AuthorityNow:
    """How the authority stands."""

    roots: tuple[RootNow, ...]
    intermediate_since: datetime
    intermediate_not_after: datetime
    intermediate_serial: str
    signed_by: str
    """The root that signed the intermediate."""
    keys_here: tuple[str, ...]
    """Roots whose keys still lie on this machine."""
    renew_intermediate: bool
    """Less than a third of its life is left."""

    @property
    def former(self) -> tuple[str, ...]:
        """Names of the roots that are trusted until they are forgotten."""
        return tuple(root.name for root in self.roots if root.state == "former")


def authority_now(authority: Authority) -> AuthorityNow:
    """How it stands. Raises :class:`AuthorityError` when there is none, or something is damaged."""
    trust, online = authority.trust(), authority.intermediate().certificate
    states = ["active", "asleep", *["former"] * len(trust.former)]
    signer = next((root for root in trust.all if made.signed(online, root)), None)
    return AuthorityNow(
        roots=tuple(root_now(root, state) for root, state in zip(trust.all, states, strict=True)),
        intermediate_since=online.not_valid_before_utc + made.BACKDATE,
        intermediate_not_after=online.not_valid_after_utc,
        intermediate_serial=f"{online.serial_number:x}",
        signed_by=root_name(signer) if signer is not None else "",
        keys_here=keys_here(authority),
        renew_intermediate=not made.fresh_enough(online, authority.now()),
    )


def state_of(now: AuthorityNow) -> AuthorityState:
    """What a person should do about it, most urgent first."""
    if now.renew_intermediate:
        return AuthorityState(Need.RENEW, f"{now.intermediate_not_after:%Y-%m-%d}")
    if now.keys_here:
        return AuthorityState(Need.TAKE_OFFLINE)
    if now.former:
        return AuthorityState(Need.FORGET, ", ".join(now.former))
    return AuthorityState(Need.NOTHING)


def keys_here(authority: Authority) -> tuple[str, ...]:
    """Names of the roots whose keys still lie on this machine."""
    return tuple(sorted(path.stem for path in authority.offline.glob("root-*.key")))


def take_offline(authority: Authority, destination: Path) -> list[str]:
    """Move the roots' keys to `destination`: copied, read back from there, and only then removed here.

    Gives the names of what was moved. Raises :class:`AuthorityError`; whatever failed, each key is at least
    in one of the two places.
    """
    with authority.locked():
        trust, names = authority.trust(), keys_here(authority)
        if not destination.is_dir():
            raise AuthorityError(f"{destination} is not a folder: is the medium plugged in and mounted?")
        if destination.resolve().is_relative_to(authority.folder.resolve()):
            raise AuthorityError(
                f"{destination} is in the authority's own folder: name one on another medium"
            )
        try:
            for name in names:
                key = _key_of(trust, authority.offline, name)
                _put(destination, name, key)
            write_whole(destination / "roots.crt", trust.bundle())
        except OSError as error:
            raise AuthorityError(
                f"{destination} cannot be written: {error.strerror}; the keys stay on this machine: "
                "make room or take another medium, then give the command again"
            ) from None
        for name in names:
            (authority.offline / f"{name}.key").unlink()
        if authority.offline.exists():
            keep_names(authority.offline)
    return list(names)


def new_intermediate(authority: Authority, roots: Path | None = None) -> x509.Certificate:
    """Make the online authority anew, signed by the active root, whose key is in `roots`.

    What the former one signed goes on counting: it carries that one's certificate along.
    """
    with authority.locked():
        trust = authority.trust()
        key = _key_of(trust, roots or authority.offline, root_name(trust.active))
        return authority.write_intermediate(trust.active, key)


def rotate(authority: Authority, roots: Path | None = None) -> Trust:
    """Make the root asleep the active one, and a new root that sleeps; its key is put into `roots`.

    A unit that knows the roots of before accepts what the new active one signs, and is told the new bundle
    when it asks who it is. The former active root stays trusted, for what it vouched for, until
    :func:`forget_former`; until then no other rotation is made.
    """
    with authority.locked():
        trust, folder = authority.trust(), roots or authority.offline
        if trust.former:
            raise AuthorityError(
                f"{root_name(trust.former[0])} is still trusted: a unit that sleeps through two changes of "
                "roots accepts nobody; when every unit has renewed, run `diemcau ca forget-old` first"
            )
        key = _key_of(trust, folder, root_name(trust.asleep))
        number = trust.next_number()
        try:
            fresh = _next_key(folder / f"root-{number}.key")
            asleep = made.root(fresh, common_name_of_root(number), authority.now())
            turned = Trust(trust.asleep, asleep, (trust.active,))
            write_whole(folder / "roots.crt", turned.bundle())
        except OSError as error:
            raise AuthorityError(
                f"{folder} cannot be written: {error.strerror}; the roots are as they were"
            ) from None
        # First the signer, then the order: in between, it is signed by a root everybody trusts already.
        authority.write_intermediate(trust.asleep, key)
        write_whole(authority.ca_path, turned.bundle())
    return turned


def forget_former(authority: Authority) -> list[str]:
    """Trust the former roots no more; gives their names. Whoever knows only them has to be enrolled anew."""
    with authority.locked():
        trust, online = authority.trust(), authority.intermediate().certificate
        if any(made.signed(online, root) for root in trust.former):
            raise AuthorityError(
                "the online authority is still signed by a former root: "
                "run `diemcau ca new-intermediate` first"
            )
        write_whole(authority.ca_path, Trust(trust.active, trust.asleep).bundle())
        authority.old_key_path.unlink(missing_ok=True)
        keep_names(authority.folder)
    return [root_name(root) for root in trust.former]


def _key_of(trust: Trust, folder: Path, name: str) -> made.Key:
    """The key of a root from a folder; refused unless it is that root's."""
    path = folder / f"{name}.key"
    certificate = next(root for root in trust.all if root_name(root) == name)
    try:
        key = made.read_key(path.read_bytes())
    except FileNotFoundError:
        raise AuthorityError(
            f"{path} is not there: name the folder with the roots' keys by --roots (is the medium mounted?)"
        ) from None
    except OSError as error:
        raise AuthorityError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise AuthorityError(f"{path} is damaged or not a key: take the other copy of it") from None
    if not made.same_key(certificate, key.public_key()):
        raise AuthorityError(f"{path} is the key of another installation's {name}: take ours")
    return key


def _put(destination: Path, name: str, key: made.Key) -> None:
    """Write a key there and read it back; what is there already must be the same."""
    path = destination / f"{name}.key"
    try:
        there: bytes | None = path.read_bytes()
    except FileNotFoundError:
        there = None
    if there is None:
        write_secret(path, made.key_pem(key))
    elif there != made.key_pem(key):
        raise AuthorityError(f"{path} is another key, and is left as it is: take an empty folder")
    if path.read_bytes() != made.key_pem(key):
        raise AuthorityError(f"{path} does not read as it was written: take another medium")


def _next_key(path: Path) -> made.Key:
    """The key of the next root; one that an earlier try left there is taken."""
    if not path.exists():
        write_secret(path, made.key_pem(made.new_key()))
    try:
        return made.read_key(path.read_bytes())
    except ValueError:
        raise AuthorityError(f"{path} is damaged: remove it, then give the command again") from None
