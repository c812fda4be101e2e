"""What is done with the roots: rarely, by a person, with their keys from the drawer.

Everything here changes one thing at a time in such an order that whoever is cut short anywhere finds an
authority that works, and goes on by giving the same command again.

Keys in the drawer may be locked with a pass phrase (age); `phrase` is then needed wherever one is read, and
what is written there is locked with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from ...rules.authority_state import AuthorityState, Need
from .. import age
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


def take_offline(authority: Authority, destination: Path, phrase: str | None = None) -> list[str]:
    """Move the roots' keys to `destination`: copied, read back from there, and only then removed here. With a
    `phrase` they are locked with it.

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
                _put(destination, name, key, phrase)
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


def is_locked(authority: Authority, roots: Path | None = None) -> bool:
    """Is the pass phrase needed for the keys in `roots`?"""
    for path in sorted((roots or authority.offline).glob("root-*.key")):
        try:
            return age.is_age(path.read_bytes())
        except OSError:
            continue
    return False


def new_intermediate(
    authority: Authority, roots: Path | None = None, phrase: str | None = None
) -> x509.Certificate:
    """Make the online authority anew, signed by the active root, whose key is in `roots`.

    What the former one signed goes on counting: it carries that one's certificate along.
    """
    with authority.locked():
        trust = authority.trust()
        key = _key_of(trust, roots or authority.offline, root_name(trust.active), phrase)
        return authority.write_intermediate(trust.active, key)


def rotate(authority: Authority, roots: Path | None = None, phrase: str | None = None) -> Trust:
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
        key = _key_of(trust, folder, root_name(trust.asleep), phrase)
        number = trust.next_number()
        try:
            fresh = _next_key(folder / f"root-{number}.key", phrase)
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


def _key_of(trust: Trust, folder: Path, name: str, phrase: str | None = None) -> made.Key:
    """The key of a root from a folder; refused unless it is that root's."""
    path = folder / f"{name}.key"
    certificate = next(root for root in trust.all if root_name(root) == name)
    try:
        key = _opened(path, path.read_bytes(), phrase)
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


def _opened(path: Path, data: bytes, phrase: str | None) -> made.Key:
    """A key as it lies in a drawer. Raises ValueError for what is none, :class:`AuthorityError` for one that
    the phrase does not open."""
    if not age.is_age(data):
        return made.read_key(data)
    if phrase is None:
        raise AuthorityError(
            f"{path} is locked: give its pass phrase, or a file with it by --passphrase-file"
        )
    try:
        return made.read_key(age.unlock(data, phrase))
    except age.DecryptFailed as error:
        if not error.wrong_key:
            raise ValueError("damaged") from None
        raise AuthorityError(
            f"{path} is locked with another pass phrase: give that one (capitals, blanks and accents count)"
        ) from None


def _closed(key: made.Key, phrase: str | None) -> bytes:
    """A key as it is to lie in a drawer."""
    return made.key_pem(key) if phrase is None else age.lock(made.key_pem(key), phrase)


def _put(destination: Path, name: str, key: made.Key, phrase: str | None) -> None:
    """Write a key there and read it back; what is there already must be the same key."""
    path = destination / f"{name}.key"
    try:
        there: bytes | None = path.read_bytes()
    except FileNotFoundError:
        there = None
    if there is not None and not _is_same(path, there, key, phrase):
        raise AuthorityError(f"{path} is another key, and is left as it is: take an empty folder")
    if there is not None and age.is_age(there) == (phrase is not None):
        return
    written = _closed(key, phrase)
    write_secret(path, written)
    if path.read_bytes() != written:
        raise AuthorityError(f"{path} does not read as it was written: take another medium")


def _is_same(path: Path, there: bytes, key: made.Key, phrase: str | None) -> bool:
    try:
        return made.key_pem(_opened(path, there, phrase)) == made.key_pem(key)
    except ValueError:
        return False


def _next_key(path: Path, phrase: str | None) -> made.Key:
    """The key of the next root; one that an earlier try left there is taken."""
    if not path.exists():
        write_secret(path, _closed(made.new_key(), phrase))
    try:
        return _opened(path, path.read_bytes(), phrase)
    except ValueError:
        raise AuthorityError(f"{path} is damaged: remove it, then give the command again") from None
