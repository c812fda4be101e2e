"""Putting down what the controller gave: a unit is one from the moment the last file is there, never half.

Every file is replaced whole, `coordinator.json` last; before it the box still asks, and is given the same
again. A renewal writes the same files in the same order: any mixture of old and new ones works.
"""

from __future__ import annotations

import json
from pathlib import Path

from cryptography import x509
from diemcau_wire import Channel, Refused, decode_as
from diemcau_wire.enrolment import IdentityAnswer, Reach
from diemcau_wire.messages import DesiredConfig

from diemcau_agent.unit.state_folder import StateFolder, remove, write_atomically

from .keys import Keys
from .statements import BadStatement

FAREWELL = ("replaced", "revoked")


def install(folder: StateFolder, keys: Keys, answer: IdentityAnswer, *, arriving: bool) -> None:
    """Make this box the unit that `answer` says it is. Raises OSError, and :class:`BadStatement` when the
    certificate in it is not for our key: then nothing was written."""
    if answer.certificate is None:
        raise BadStatement("a certificate is promised and missing")
    _is_ours(keys, answer.certificate)
    write_roots(folder, answer.roots)
    if answer.ssh_host_certificate is not None:
        write_atomically(folder.ssh_certificate, answer.ssh_host_certificate.encode() + b"\n")
    if answer.reach is not None:
        _write_reach(folder, answer, answer.reach)
    if arriving:
        write_atomically(folder.arriving, (answer.site_name or "").encode())
    write_atomically(folder.unit_certificate, answer.certificate.encode())
    write_coordinator(folder, answer)
    remove(folder.enrolment)


def _write_reach(folder: StateFolder, answer: IdentityAnswer, reach: Reach) -> None:
    """How the unit dials when it is to be worked on, and its names for whoever logs in then. Who vouches for
    him is not ours to say: that file is root's."""
    names = [name for name in (answer.unit, answer.site) if name]
    write_atomically(folder.ssh_users, "".join(f"{name}\n" for name in names).encode())
    write_atomically(folder.reach, reach.model_dump_json().encode() + b"\n")


def write_roots(folder: StateFolder, roots: list[str]) -> None:
    """Trust these from now on."""
    bundle = "".join(pem if pem.endswith("\n") else pem + "\n" for pem in roots).encode()
    if _content(folder.ca) != bundle:
        write_atomically(folder.ca, bundle)


def write_coordinator(folder: StateFolder, answer: IdentityAnswer) -> None:
    """Where the coordinator is, and when to ask for the next certificate."""
    document = {"unit": answer.unit, **answer.coordinator.model_dump(), "generation": answer.generation}
    content = json.dumps(document, indent=2).encode() + b"\n"
    if _content(folder.coordinator) != content:
        write_atomically(folder.coordinator, content)


def say_farewell(folder: StateFolder, answer: IdentityAnswer) -> None:
    """The unit was replaced or revoked: from now on nothing here is a unit. Raises OSError."""
    said = {
        **_known(folder, answer.unit),
        "verdict": answer.verdict.value,
        "unit": answer.unit,
        "at": answer.now.isoformat(timespec="seconds"),
        "text": answer.text[:200],
    }
    if answer.site is not None:
        said |= {"site": answer.site, "site_name": answer.site_name or ""}
    write_atomically(folder.farewell, json.dumps(said, ensure_ascii=False, indent=2).encode() + b"\n")


def stored_roots(folder: StateFolder) -> list[str]:
    """The roots that are trusted now, as PEMs. Raises OSError without any, ValueError for what is none."""
    end = "-----END CERTIFICATE-----"
    parts = folder.ca.read_bytes().decode("ascii").split(end)[:-1]
    return [f"{part.strip()}\n{end}\n" for part in parts]


def _known(folder: StateFolder, unit: str) -> dict[str, str]:
    """Which site it was and whom the hall was told to call, kept because the configuration goes."""
    try:
        config = decode_as(Channel.DESIRED_CONFIG, (folder.desired / "config.json").read_bytes(), unit=unit)
    except (OSError, Refused):
        return {}
    if not isinstance(config, DesiredConfig):
        return {}
    return {
        "site": config.site.id,
        "site_name": config.site.name,
        "whom": config.coordinator.name,
        "phone": config.coordinator.phone,
    }


def _is_ours(keys: Keys, chain: str) -> None:
    try:
        leaf = x509.load_pem_x509_certificates(chain.encode())[0]
        same = leaf.public_key() == keys.private.public_key()
    except (ValueError, IndexError, TypeError) as error:
        raise BadStatement(f"the certificate cannot be read: {error}"[:200]) from None
    if not same:
        raise BadStatement("the certificate is for another key")


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
