"""`diemcau-agent`: runs a unit, and asks the one that runs.

Exit codes: 0 ok, 1 failed, 2 usage, 3 something this machine lacks. argparse and nothing heavier: the
process that `run` starts stays in memory for months.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import signal
import socket
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from diemcau_wire.unix_socket import connect

from diemcau_agent import update_commands
from diemcau_agent.ipc import MAX_LINE, Garbage, Line, decode_line, encode_line
from diemcau_agent.unit.state_folder import StateFolder, StateFolderError

_OUTCOMES = {True: "mended", False: "did not help", None: ""}
DEFAULT_STATE_DIR = Path("/var/lib/diemcau-agent")
SERVICE_SOCKETS = Path("/run/diemcau")

_CONTROLS = {
    "mute": ("mute", True, "Keep this hall's microphone closed for the rest of the meeting."),
    "unmute": ("mute", False, "Let this hall's microphone be opened again."),
    "stop": ("stop", True, "Keep this hall's camera and microphone closed for the rest of the meeting."),
    "resume": ("stop", False, "Let this hall's camera and microphone be opened again."),
}


class Failed(Exception):
    """The command did not work; the text is one sentence that says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code."""
    given = _parser().parse_args(arguments)
    try:
        return int(given.command(given, StateFolder(given.state_dir)))
    except (Failed, StateFolderError, update_commands.Refused) as error:
        print(f"diemcau-agent: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except ModuleNotFoundError as error:
        print(f"diemcau-agent: the Python package {error.name} is missing; install it.", file=sys.stderr)  # noqa: T201
        return 3
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="diemcau-agent", description="The agent on a commune hall's unit.")
    parser.add_argument("--version", action="version", version=importlib.metadata.version("diemcau-agent"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, does: Any, text: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=text, description=text)
        one.set_defaults(command=does)
        one.add_argument(
            "--state-dir",
            type=Path,
            default=DEFAULT_STATE_DIR,
            metavar="DIR",
            help="the unit's state folder (default: %(default)s)",
        )
        one.add_argument("--json", action="store_true", help="answer in JSON")
        return one

    run = command("run", _run, "Run the unit process until it is told to end.")
    run.add_argument(
        "--no-restart", action="store_true", help="leave a screen or media process that ended as it is"
    )
    run.add_argument(
        "--die-with-parent", action="store_true", help="end when the process that started it ends"
    )
    run.add_argument(
        "--services",
        choices=("systemd",),
        help="who runs screen and media: systemd, with sockets in /run/diemcau; otherwise this process",
    )
    command(
        "reset", _reset, "Make a unit that was replaced or revoked a blank box: it asks to be a unit anew."
    )
    command("status", _status, "Say how the running unit does.")
    command("events", _events, "List the events this unit has recorded.")
    command("preflight", _preflight, "Check camera, microphone, screen and line now.")
    command("decline", _decline, "Say no to the urgent meeting that calls this hall now.")
    for name, (control, on, text) in _CONTROLS.items():
        command(name, _control, text).set_defaults(control=control, on=on)
    hand = command("hand", _control, "Raise this hall's hand in the meeting it is in.")
    hand.add_argument("--down", dest="on", action="store_false", help="lower it again")
    hand.set_defaults(control="hand")
    command("devices", _devices, "List what is plugged into this unit, by the names a configuration uses.")
    snapshot = command("snapshot", _snapshot, "Write what the hall's screen shows to a PNG file.")
    snapshot.add_argument("file", type=Path, metavar="FILE")
    update_commands.add_commands(commands)
    return parser


def _run(given: argparse.Namespace, folder: StateFolder) -> int:
    from diemcau_wire.logs import log_to_stderr

    from diemcau_agent.unit.life import run  # the other commands need none of it
    from diemcau_agent.unit.state_folder import NoIdentity, read_identity

    if given.die_with_parent:
        from diemcau_agent.lifetime import die_with_parent

        die_with_parent(signal.SIGKILL)
    try:
        log_to_stderr(unit=read_identity(folder).unit)
    except NoIdentity:  # it asks to be a unit
        log_to_stderr()
    if given.services is None:
        run(folder, restart=not given.no_restart)
        return 0
    from diemcau_agent.unit.run import Programs
    from diemcau_agent.unit.service import Service

    folder = StateFolder(folder.root, services=SERVICE_SOCKETS)
    run(folder, restart=not given.no_restart, programs=Programs(begin=Service.reach))
    return 0


def _status(given: argparse.Namespace, folder: StateFolder) -> int:
    status = _ask(folder, {"type": "status"}, timeout_s=5)
    if given.json:
        _print_json({key: value for key, value in status.items() if key != "type"})
        return 0
    if status["unit"] is None:
        _print_blank(status)
        return 0
    session = status["session"]
    shown = ", ".join(f"{s['site']} ({s['frames_shown']} frames)" for s in session["slots"] if s["site"])
    for name, value in (
        ("unit", f"{status['unit']}, site {status['site'] or 'none yet'}, epoch {status['epoch']}"),
        ("version", status["version"]),
        ("link", "up" if status["link"] else "down"),
        ("revisions", f"config {status['rev']['config']}, schedule {status['rev']['schedule']}"),
        ("session", f"{session['state']} {session['meeting'] or ''}".strip()),
        ("pictures", shown or "none"),
        ("microphone", session["mic"]),
        ("readiness", " ".join(filter(None, status["readiness"].values()))),
        ("processes", ", ".join(f"{p['role']} {p['pid']}" for p in status["processes"])),
        ("outbox", f"{status['outbox']['pending']} pending"),
        ("refused", ", ".join(f"{k} {v}" for k, v in status["refused"].items()) or "nothing"),
    ):
        _print(f"{name:<11} {value}")
    return 0


def _print_blank(status: Line) -> None:
    """What a box says of itself that is no unit: on its way to be one, or sent away."""
    said = status.get("enrolment") or status.get("farewell") or {}
    _print(f"{'unit':<11} none: {'on its way' if 'enrolment' in status else 'sent away'}")
    for name, value in {"version": status["version"], **said}.items():
        _print(f"{name:<11} {value}")


def _reset(given: argparse.Namespace, folder: StateFolder) -> int:
    from diemcau_agent.unit.wipe import farewell, forget

    if farewell(folder) is None:
        raise Failed(
            "this box was not replaced or revoked, nothing was done; the coordinator's office replaces or "
            "revokes a unit, then it can be made a blank one."
        )
    try:
        forget(folder)
    except OSError as error:
        raise Failed(
            f"{folder.identity} cannot be cleared ({error.strerror}); run this as its owner."
        ) from None
    if given.json:
        _print_json({"reset": True})
    else:
        _print("blank: it asks to be a unit anew")
    return 0


def _events(given: argparse.Namespace, folder: StateFolder) -> int:
    from diemcau_agent.unit.outbox import history

    try:
        for event in history(folder.outbox):
            line = event.model_dump(mode="json", exclude={"v"})
            if given.json:
                _print_json(line)
            else:
                where = " ".join(filter(None, (line["site"], line["meeting"])))
                data = json.dumps(line["data"], ensure_ascii=False) if line["data"] else ""
                _print(f"{line['seq']:>6}  {line['at'][:23]:<23}  {line['kind']:<16} {where} {data}".rstrip())
    except FileNotFoundError:
        raise Failed(
            f"{folder.outbox} is not there; give the state folder of a unit with --state-dir."
        ) from None
    except sqlite3.Error as error:
        raise Failed(f"{folder.outbox} cannot be read ({error}); start the unit, it mends it.") from None
    return 0


def _preflight(given: argparse.Namespace, folder: StateFolder) -> int:
    answer = _ask(folder, {"type": "preflight"}, timeout_s=100)
    if answer.get("ok") is not True:
        raise Failed(str(answer.get("error")))
    if given.json:
        _print_json({key: answer[key] for key in ("verdict", "instruction", "findings")})
    else:
        _print(answer["verdict"])
        for finding in answer["findings"]:
            tried = f" ({finding['remedy']}: {_OUTCOMES[finding['mended']]})" if finding["remedy"] else ""
            _print(f"{finding['what']}: {finding['text']}{tried}")
    return 1 if answer["verdict"] == "not_ready" else 0


def _decline(given: argparse.Namespace, folder: StateFolder) -> int:
    answer = _ask(folder, {"type": "decline"}, timeout_s=5)
    if answer.get("ok") is not True:
        raise Failed(str(answer.get("error")))
    if given.json:
        _print_json({"declined": True})
    else:
        _print("declined")
    return 0


def _control(given: argparse.Namespace, folder: StateFolder) -> int:
    answer = _ask(folder, {"type": "control", "control": given.control, "on": given.on}, timeout_s=5)
    if answer.get("ok") is not True:
        raise Failed(str(answer.get("error")))
    if given.json:
        _print_json({given.control: given.on})
    else:
        _print(f"{given.control} {'on' if given.on else 'off'}")
    return 0


def _devices(given: argparse.Namespace, folder: StateFolder) -> int:
    answer = _ask(folder, {"type": "devices"}, timeout_s=30)
    if given.json:
        _print_json(answer["devices"])
        return 0
    for one in answer["devices"]:
        _print(f"{one['device']:<11} {one['source']}  {one['name']}")
    return 0


def _snapshot(given: argparse.Namespace, folder: StateFolder) -> int:
    file = given.file.absolute()
    answer = _ask(folder, {"type": "snapshot", "path": str(file)}, timeout_s=10)
    if answer.get("ok") is not True:
        raise Failed(f"there is no picture: {answer.get('error')}")
    if given.json:
        _print_json({"file": str(file), "width": answer.get("width"), "height": answer.get("height")})
    else:
        _print(f"{file}: {answer.get('width')}x{answer.get('height')}")
    return 0


def _ask(folder: StateFolder, request: Line, timeout_s: float) -> Line:
    """Ask the running unit. Raises :class:`Failed` when there is none, or none that answers."""
    try:
        with connect(folder.unit_socket) as sock:
            sock.settimeout(timeout_s)
            sock.sendall(encode_line(request))
            answer = decode_line(_read_line(sock))
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        raise Failed(
            f"no unit process runs with {folder.root}; start it with "
            f"`diemcau-agent run --state-dir {folder.root}`."
        ) from None
    except (OSError, Garbage) as error:
        raise Failed(f"the unit process does not answer ({error}); look into its log.") from None
    if answer["type"] != request["type"]:
        raise Failed(f"the unit process refuses: {answer.get('error')}")
    return answer


def _read_line(sock: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n") and len(data) <= MAX_LINE:
        part = sock.recv(MAX_LINE)
        if not part:
            break
        data += part
    return data


def _print_json(value: Any) -> None:
    _print(json.dumps(value, ensure_ascii=False))


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
