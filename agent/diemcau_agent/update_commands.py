"""`diemcau-agent update …` and `diemcau-agent lease …`: orders to the updater, and when work may go on.

What is loaded here is loaded by every command, so the updater itself is not.
"""

from __future__ import annotations

import argparse
import errno
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

NOT_NOW = 75  # sysexits.h, EX_TEMPFAIL: waiting is not failing
_LOOK_S = 1.0


class Refused(Exception):
    """It cannot be done; the text is one sentence that says what to do."""


def add_commands(commands: Any) -> None:
    """Add both to the command line."""
    update = commands.add_parser("update", help="Bring another release to this unit.").add_subparsers(
        required=True, metavar="WHAT"
    )
    stage = _command(update, "stage", _stage, "Fetch, verify and install a release beside the one that runs.")
    apply = _command(update, "apply", _apply, "The same, and let it run as soon as no meeting is near.")
    for one in (stage, apply):
        one.add_argument("version", metavar="VERSION")
        one.add_argument("--rate-kbps", type=_rate, metavar="N", help="fetch at most N kilobits a second")
    back = _command(update, "back", _back, "Let the release that is kept from before run again.")
    for one in (apply, back):
        one.add_argument("--holder", metavar="NAME", help="who has taken the lease under which this is done")
        one.add_argument(
            "--within", type=_seconds, metavar="S", help="call it off unless it comes to it within S seconds"
        )
    _command(update, "cancel", _cancel, "Call off what is under way, unless it runs already.")
    _command(update, "go", _go, "Do what was ordered, until it is done or has to wait (exit 75).")
    status = _command(update, "status", _status, "Say how far it is.")
    status.add_argument(
        "--wait", type=_seconds, default=0.0, metavar="S", help="until the order is done or waits, at most S"
    )
    lease = commands.add_parser("lease", help="May work on this unit go on now?").add_subparsers(
        required=True, metavar="WHAT"
    )
    ask = _command(lease, "ask", _ask, "Ask; nothing is taken. Exit 75: not now.")
    take = _command(lease, "take", _take, "Take it, or take it for longer. Exit 75: not now.")
    for one in (ask, take):
        one.add_argument("--needs", type=_seconds, required=True, metavar="S", help="so long the work takes")
    for one in (ask, take, _command(lease, "release", _release, "Give it back.")):
        one.add_argument(
            "--holder", default="hand", metavar="NAME", help="whose it is (default: %(default)s)"
        )


def _command(commands: Any, name: str, does: Callable[[argparse.Namespace], int], text: str) -> Any:
    one = commands.add_parser(name, help=text, description=text)
    one.set_defaults(command=lambda given, _: does(given), state_dir=Path())
    one.add_argument(
        "--root",
        type=Path,
        default=Path("/"),
        metavar="DIR",
        help="all folders are below it (default: %(default)s)",
    )
    one.add_argument("--json", action="store_true", help="answer in JSON")
    return one


def _stage(given: argparse.Namespace) -> int:
    return _order(given, apply=False)


def _apply(given: argparse.Namespace) -> int:
    return _order(given, apply=True)


def _order(given: argparse.Namespace, *, apply: bool) -> int:
    from pydantic import ValidationError

    from .rules.updating import Order
    from .updating import orders
    from .updating.places import Places

    try:
        offered = Order(
            id=orders.new_id(),
            version=given.version,
            apply=apply,
            holder=getattr(given, "holder", None),
            until=_until(getattr(given, "within", None)),
            rate_bps=given.rate_kbps and given.rate_kbps * 1000,
        )
    except ValidationError:
        raise Refused(
            f"{given.version[:40]!r} is no version of a release; give three numbers, as 1.4.0."
        ) from None
    return _give(given, Places(given.root), offered)


def _back(given: argparse.Namespace) -> int:
    from .updating import orders
    from .updating.places import Places

    places = Places(given.root)
    try:
        offered = orders.back(places, holder=given.holder, until=_until(given.within))
    except orders.Busy as busy:
        raise Refused(str(busy)) from None
    return _give(given, places, offered)


def _give(given: argparse.Namespace, places: Any, offered: Any) -> int:
    from .updating import orders

    try:
        order = orders.give(places, offered, datetime.now(UTC))
    except orders.Busy as busy:
        raise Refused(str(busy)) from None
    except OSError as error:
        raise Refused(_not_writable(places.folder, error)) from None
    _say(given, {"order": order.id, "version": order.version}, f"ordered: {order.version}")
    return 0


def _cancel(given: argparse.Namespace) -> int:
    from .updating import orders
    from .updating.places import Places

    places = Places(given.root)
    try:
        cancelled = orders.cancel(places, datetime.now(UTC))
    except orders.Busy as busy:
        raise Refused(str(busy)) from None
    except OSError as error:
        raise Refused(_not_writable(places.folder, error)) from None
    _say(given, {"cancelled": cancelled}, "cancelled" if cancelled else "nothing is under way")
    return 0


def _go(given: argparse.Namespace) -> int:
    from diemcau_wire.logs import log_to_stderr

    from .updating import records
    from .updating.go import Updater
    from .updating.places import Places

    log_to_stderr()
    places = Places(given.root)
    try:
        lock = records.lock_alone(places.folder / "lock")
        if lock is None:
            _say(given, {"running": True}, "another one is at work")
            return 0
        return 0 if Updater(places).go() else NOT_NOW
    except OSError as error:
        raise Refused(_not_writable(places.folder, error)) from None


def _status(given: argparse.Namespace) -> int:
    from .rules.updating import Order, State, settled
    from .updating import records, releases
    from .updating.places import Places

    places, until = Places(given.root), time.monotonic() + given.wait
    while True:
        order = records.read(Order, places.order)
        state = records.read(State, places.state) or State(at=datetime.now(UTC))
        if settled(state, order) or time.monotonic() >= until:
            break
        time.sleep(_LOOK_S)
    if order is not None and state.order != order.id:  # it has not begun: what came of another is no answer
        state = State(order=order.id, version=order.version, at=state.at)
    said = state.model_dump(mode="json", include=_SHOWN)
    said |= {"from": state.former, "ordered": order.version if order else None}
    said |= {"running": releases.running(places), "proven": releases.proven(places)}
    said |= {"kept": releases.complete(places)}
    lines = [f"{name:<14} {value}" for name, value in said.items() if value not in (None, "", 0)]
    _say(given, said, "\n".join(lines))
    return 0


_SHOWN = {"step", "version", "why", "text", "meeting", "again_at", "fetched_bytes", "needed_bytes", "at"} | {
    "neighbour_failed",
    "system",
}


def _ask(given: argparse.Namespace) -> int:
    from .updating import leases

    return _leased(given, leases.ask)


def _take(given: argparse.Namespace) -> int:
    from .updating import leases

    return _leased(given, leases.take)


def _leased(given: argparse.Namespace, does: Callable[..., Any]) -> int:
    from .rules.lease import LONGEST_S, Go
    from .this_boot import boot_id, booted_s
    from .updating.places import Places

    if given.needs > LONGEST_S:
        raise Refused(f"{given.needs:.0f} s are too many; do it in parts of at most {LONGEST_S:.0f} s.")
    places = Places(given.root)
    try:
        now, boot, since_s = datetime.now(UTC), boot_id(), booted_s()
        answer = does(places, given.holder, given.needs, now, boot=boot, booted_s=since_s)
    except OSError as error:
        raise Refused(_not_writable(places.folder, error)) from None
    go = isinstance(answer, Go)
    said = {
        "go": go,
        "until": _time(answer.until) if go else None,
        "why": None if go else answer.why,
        "meeting": None if go else answer.meeting,
        "again_at": None if go else _time(answer.again_at),
    }
    words = f"until {said['until']}" if go else f"not now: {answer.why} {answer.meeting or ''}".strip()
    _say(given, said, words)
    return 0 if go else NOT_NOW


def _release(given: argparse.Namespace) -> int:
    from .updating import leases
    from .updating.places import Places

    places = Places(given.root)
    try:
        released = leases.release(places, given.holder)
    except OSError as error:
        raise Refused(_not_writable(places.folder, error)) from None
    _say(given, {"released": released}, "released" if released else "it was not taken")
    return 0


def _not_writable(folder: Path, error: OSError) -> str:
    said = f"{error.filename or folder}: {error.strerror}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{said}; run this as the user diemcau-update."
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{said}; make room on that disk."
    return f"{said}."


def _until(within_s: float | None) -> datetime | None:
    return None if within_s is None else datetime.now(UTC) + timedelta(seconds=within_s)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _rate(text: str) -> int:
    rate = int(text)
    if not 8 <= rate <= 10**7:
        raise argparse.ArgumentTypeError("8 to 10000000")
    return rate


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 10**6:
        raise argparse.ArgumentTypeError("0 to 1000000")
    return seconds


def _say(given: argparse.Namespace, said: dict[str, Any], words: str) -> None:
    print(json.dumps(said, ensure_ascii=False) if given.json else words, flush=True)  # noqa: T201
