"""`diemcau serve`: Mosquitto, Janus and its porter, nginx and the controller side by side.

The launcher writes their configuration, starts them, starts again what dies, and ends them in order. None is
a child of another. It holds no state and serves nothing: where systemd runs them as services, `--only` is
what they start.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from diemcau_wire import unix_socket
from diemcau_wire.logs import log_to_stderr

from .adapters.authority import Authority, AuthorityError
from .certificate_watch import watch_certificates
from .config import Settings, StateDir
from .ports import PortTaken, broker_endpoint, check_ports, server_names
from .programs import NAMES, CannotStart, ProgramMissing, programs
from .supervision import Child, Program

log = logging.getLogger(__name__)

_DESCRIPTORS = 65_536
_AGAIN_S = 5.0  # after which what a full disk did not take is written again
_STOP_S = 2.0  # for the controller, then for the other two together: within 5 s it is over


class LaunchError(RuntimeError):
    """It cannot start. The text is one sentence for a person; `code` the exit code."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


def run(
    settings: Settings,
    state_dir: Path,
    *,
    config_path: Path | None = None,
    only: str | None = None,
    no_restart: frozenset[str] = frozenset(),
) -> int:
    """Run until SIGTERM or SIGINT; 0 then. 1 when it cannot start, 3 when a program is missing.

    `only` runs one of :data:`NAMES` alone. `no_restart` names those that stay down when they die. A further
    listening socket for the page may be handed down as the descriptor named in DIEMCAU_LISTEN_FD. What runs
    is written to `state_dir`/run/launcher.json (launcher-NAME.json with `only`).
    """
    log_to_stderr()
    names = (only,) if only is not None else NAMES
    try:
        for name in {*names, *no_restart} - {*NAMES}:
            raise LaunchError(f"{name!r} is none of {', '.join(NAMES)}", 2)
        state = StateDir(state_dir.resolve())
        suffix = f"-{only}" if only is not None else ""
        run_dir = _make_folders(state)
        with _alone(run_dir / f"launcher{suffix}.lock", state.root):
            _allow_many_connections()
            started = _prepared(names, settings, state, config_path, no_restart)
            asyncio.run(_serve(started, settings, state, run_dir / f"launcher{suffix}.json"))
    except LaunchError as error:
        print(f"diemcau: {error}", file=sys.stderr)  # noqa: T201
        return error.code
    return 0


def _prepared(
    names: tuple[str, ...],
    settings: Settings,
    state: StateDir,
    config_path: Path | None,
    no_restart: frozenset[str],
) -> list[Program]:
    try:
        check_ports(settings, names)
        return programs(names, settings, state, config_path, no_restart)
    except ProgramMissing as error:
        raise LaunchError(str(error), 3) from None
    except (PortTaken, CannotStart, AuthorityError) as error:
        raise LaunchError(str(error)) from None
    except OSError as error:
        raise LaunchError(f"{error.filename or state.root} cannot be used: {error.strerror}") from None


def _allow_many_connections() -> None:
    """Each unit is a descriptor of the broker; the usual 1024 is not enough for a province."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if most == resource.RLIM_INFINITY else min(_DESCRIPTORS, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _make_folders(state: StateDir) -> Path:
    run_dir = state.root / "run"
    try:
        state.make()
        run_dir.mkdir(exist_ok=True)
        probe = run_dir / ".probe"
        probe.write_bytes(b"\n")  # of a full disk, the first byte tells
        probe.unlink()
    except OSError as error:
        raise LaunchError(f"the state folder {state.root} cannot be written: {error.strerror}") from None
    return run_dir


@contextlib.contextmanager
def _alone(path: Path, root: Path) -> Iterator[None]:
    """Hold the lock of this state folder, or refuse."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LaunchError(f"another `diemcau serve` already runs in {root}") from None
        yield


# ── while it runs ────────────────────────────────────────────────────────────────────────────────


async def _serve(started: list[Program], settings: Settings, state: StateDir, status: Path) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    children: dict[str, Child] = {}

    def changed() -> None:
        document = {
            "pid": os.getpid(),
            "children": {name: child.status() for name, child in children.items()},
        }
        fresh = status.with_suffix(".new")
        try:
            fresh.write_text(json.dumps(document, indent=2) + "\n")
            fresh.replace(status)
        except OSError as error:  # a full disk; what runs matters more than what is written of it
            log.warning("what runs is not written down", extra={"error": str(error)})
            loop.call_later(_AGAIN_S, changed)

    ended = asyncio.create_task(stop.wait(), name="stop")
    tasks = []
    try:
        waiting = _open_when(settings, state)
        for program in started:
            if program.name == "controller":
                await _until_open([waiting[name] for name in children if name in waiting], ended)
            if stop.is_set():
                break
            children[program.name] = child = Child(program, state.logs / f"{program.name}.log", changed)
            tasks.append(asyncio.create_task(_kept(child), name=program.name))
        if {"mosquitto", "nginx"} & children.keys():
            tasks.append(asyncio.create_task(_certificates(children, settings, state), name="certificates"))
        log.info("serving", extra={"url": settings.web_url, "children": [*children]})
        await ended
    finally:
        log.info("ending")
        if "controller" in children:
            await children["controller"].stop(_STOP_S)
        await asyncio.gather(*(child.stop(_STOP_S) for child in children.values()))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        status.unlink(missing_ok=True)


async def _kept(child: Child) -> None:
    """Run a child; a fault in the keeping itself (a full disk, say) is reported and tried again."""
    while True:
        try:
            await child.run()
        except OSError:
            log.exception("cannot keep", extra={"child": child.program.name})
            await asyncio.sleep(5)
        else:
            return


async def _certificates(children: dict[str, Child], settings: Settings, state: StateDir) -> None:
    """Renew the servers' certificate in time and have them take over what changed."""

    def changed(roots: bool) -> None:
        for name in {"mosquitto", "nginx"} & children.keys():
            if roots and name == "mosquitto":
                children[name].start_again()
            else:
                children[name].signal(signal.SIGHUP)

    await watch_certificates(Authority(state.authority), server_names(settings), changed)


def _open_when(settings: Settings, state: StateDir) -> dict[str, Callable[[], Awaitable[None]]]:
    """How to find out that a service takes connections: it spares the controller a first failure."""

    async def broker() -> None:
        _, writer = await asyncio.open_connection(*broker_endpoint(settings))
        writer.close()

    def at(path: Path) -> Callable[[], Awaitable[None]]:
        async def connect() -> None:
            unix_socket.connect(path).close()

        return connect

    return {"mosquitto": broker, "janus": at(state.janus_socket), "porter": at(state.porter_socket)}


async def _until_open(tries: list[Callable[[], Awaitable[None]]], ended: asyncio.Task[bool]) -> None:
    """Wait, at most 5 s, until all of them succeed."""
    deadline = asyncio.get_running_loop().time() + 5
    for attempt in tries:
        while asyncio.get_running_loop().time() < deadline and not ended.done():
            with contextlib.suppress(OSError):
                await attempt()
                break
            await asyncio.wait({ended}, timeout=0.1)
