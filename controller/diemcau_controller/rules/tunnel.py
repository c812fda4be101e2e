"""The door at which units dial in by SSH: who may stay, who is let go, and what each may do there."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

PORTS = range(10_000, 18_000)  # below those of Janus, and of what the kernel hands out
LONGEST_S = 3600 + 60  # a unit ends the line by itself before
LOGIN_S = 30
_UNKNOWN, _UNKNOWN_OF_ONE = 40, 8  # lines at once on which nobody has logged in yet: of all, of one address
_MOST = 4000
_ACCEPTED = re.compile(
    r"Accepted publickey for \S+ from \S+ port \d+ ssh2: \S+ SHA256:\S+ "
    r"ID diemcau (u[0-9a-f]{12}) \(serial \d+\) CA \S+ SHA256:\S+\s*"
)


@dataclass(eq=False, slots=True)
class Line:
    """A line from `source` (an address), there since `began_s`; `unit` is None until it has logged in."""

    source: str
    began_s: float
    unit: str | None = None


def free_port(taken: Collection[int]) -> int | None:
    """The lowest port that no unit has; None when all are given away."""
    return next((port for port in PORTS if port not in taken), None)


def who_logged_in(said: str) -> str | None:
    """The unit that OpenSSH says it has just let in; None for any other line of its log."""
    found = _ACCEPTED.fullmatch(said)
    return found[1] if found else None


def principals(reachable: Mapping[str, int]) -> str:
    """Who may log in, in the words of sshd(8)'s principals file: each may listen on its own port, no more."""
    options = 'restrict,port-forwarding,permitlisten="127.0.0.1:{}" {}\n'
    return "".join(options.format(port, unit) for unit, port in sorted(reachable.items()))


def has_room(lines: Collection[Line], source: str) -> bool:
    """May another line begin? Strangers cannot use up the places of units."""
    unknown = [line.source for line in lines if line.unit is None]
    return len(lines) < _MOST and len(unknown) < _UNKNOWN and unknown.count(source) < _UNKNOWN_OF_ONE


def to_cut(lines: Collection[Line], reachable: Collection[str], now_s: float) -> Iterator[tuple[Line, str]]:
    """Lines that end now, and why: `no_login`, `too_long`, `no_right` (it was replaced or revoked), `newer`
    (the unit has dialled again: this one is dead and holds its port)."""
    newest: dict[str, Line] = {}
    for line in lines:
        if line.unit is not None and line.began_s >= newest.get(line.unit, line).began_s:
            newest[line.unit] = line
    for line in lines:
        age_s = now_s - line.began_s
        if line.unit is None:
            if age_s > LOGIN_S:
                yield line, "no_login"
        elif line.unit not in reachable:
            yield line, "no_right"
        elif age_s > LONGEST_S:
            yield line, "too_long"
        elif newest[line.unit] is not line:
            yield line, "newer"
