"""`diemcau serve`: Mosquitto, Janus and the controller side by side, none a child of another.

The launcher writes their configuration, starts them, starts again what dies, and ends them in order. It
holds no state and serves nothing: where systemd runs the three as services, `--only` is what they start.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import ipaddress
import json
import logging
import os
import resource
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from diemcau_wire.logs import log_to_stderr

from .adapters.authority import Authority, AuthorityError
from .adapters.janus_config import JanusMissing, JanusPorts, write_janus_config
from .adapters.mosquitto_config import write_mosquitto_config
from .adapters.whole_file import write_secret
from .config import Settings, StateDir
from .supervision import Child, Program

log = logging.getLogger(__name__)

NAMES = ("mosquitto", "janus", "controller")
RTP_PORTS = (20_000, 29_999)  # below the ports the kernel hands out
LISTEN_FD = "DIEMCAU_LISTEN_FD"
_PACKAGES = {"mosquitto": "mosquitto", "janus": "janus", "setpriv": "util-linux"}
_SEARCH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
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
            check_ports(settings, names)
            _allow_many_connections()
            programs = _programs(names, settings, state, config_path, no_restart)
            asyncio.run(_serve(programs, settings, state, run_dir / f"launcher{suffix}.json"))
    except LaunchError as error:
        print(f"diemcau: {error}", file=sys.stderr)  # noqa: T201
        return error.code
    return 0


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


# ── what is started ──────────────────────────────────────────────────────────────────────────────


def check_ports(settings: Settings, names: tuple[str | None, ...] = NAMES) -> None:
    """Raise :class:`LaunchError` when a port we need is taken."""
    public = _local(settings.public_address)
    wanted = {
        "mosquitto": [(address, settings.mqtt.port, "mqtt.port") for address in _broker_addresses(settings)],
        "janus": [(public or "", settings.janus.port, "janus.port")],
        "controller": [(settings.web.host, settings.web.port, "web.port")],
    }
    for name in names:
        for address, port, setting in wanted[name or ""]:
            problem = _bind(address, port)
            if problem == errno.EADDRINUSE:
                raise LaunchError(
                    f"port {port} ({name}) is taken by another program: "
                    f"end that program or set another {setting} in the configuration"
                )
            if problem:
                where = address or "any address"
                raise LaunchError(f"{name} cannot listen on {where} port {port}: {os.strerror(problem)}")


def check_programs() -> None:
    """Raise :class:`LaunchError` when a program or a part of it is not installed."""
    for name in _PACKAGES:
        _find(name)


def _programs(
    names: tuple[str, ...],
    settings: Settings,
    state: StateDir,
    config_path: Path | None,
    no_restart: frozenset[str],
) -> list[Program]:
    """Write what they need and say how each is started. Raises :class:`LaunchError`."""
    try:
        return [_program(name, settings, state, config_path, no_restart) for name in names]
    except OSError as error:
        raise LaunchError(f"{error.filename or state.root} cannot be used: {error.strerror}") from None
    except AuthorityError as error:
        raise LaunchError(str(error)) from None


def _program(
    name: str, settings: Settings, state: StateDir, config_path: Path | None, no_restart: frozenset[str]
) -> Program:
    _find("setpriv")
    if name == "controller":
        argv = [sys.executable, "-m", "diemcau_controller.app", "--state-dir", str(state.root)]
        if config_path is not None:
            argv += ["--config", str(config_path.resolve())]
        fd = os.environ.get(LISTEN_FD)
        return Program(
            name, tuple(argv), fds=(int(fd),) if fd is not None else (), restart=name not in no_restart
        )
    program = _find(name)
    authority = Authority(state.authority)
    authority.ensure()
    server = authority.server_certificate(*server_names(settings), files="services")
    folder = state.generated / name
    if name == "mosquitto":
        addresses = _broker_addresses(settings)
        config = write_mosquitto_config(
            folder, authority=authority, server=server, addresses=addresses, port=settings.mqtt.port
        )
        argv = [program, "-c", str(config)]
    else:
        try:
            write_janus_config(
                folder, server=server, ports=_janus_ports(settings), admin_key=janus_admin_key(state)
            )
        except JanusMissing as error:
            raise LaunchError(str(error), 3) from None
        argv = [program, f"--configs-folder={folder}", f"--config={folder}/janus.jcfg"]
    return Program(name, tuple(argv), restart=name not in no_restart)


def server_names(settings: Settings) -> tuple[list[str], list[str]]:
    """DNS names and IP addresses under which this machine's services are reached."""
    names, addresses = ["localhost"], ["127.0.0.1"]
    for host in dict.fromkeys([settings.public_address, settings.mqtt.host]):
        known = addresses if _is_address(host) else names
        if host not in known:
            known.append(host)
    return names, addresses


def janus_admin_key(state: StateDir) -> str:
    """The key that makes rooms; random, made once for this state folder."""
    if not state.janus_admin_key.exists():
        write_secret(state.janus_admin_key, secrets.token_urlsafe(32).encode())
    return state.janus_admin_key.read_text().strip()


def _janus_ports(settings: Settings) -> JanusPorts:
    public = settings.public_address
    local = _local(public)
    if public == "localhost" or (_is_address(public) and ipaddress.ip_address(public).is_loopback):
        log.warning("public_address is this machine's own loopback: no hall can send its picture here")
        return JanusPorts(None, settings.janus.port, *RTP_PORTS)
    mapped = public if local is None and _is_address(public) else None
    return JanusPorts(local, settings.janus.port, *RTP_PORTS, mapped=mapped)


def _broker_addresses(settings: Settings) -> list[str]:
    """Addresses the broker listens on; the empty one is every interface."""
    public = _local(settings.public_address)
    if public is None:
        return [""]
    return list(dict.fromkeys([public, _local(settings.mqtt.host) or public]))


def _local(host: str) -> str | None:
    """`host` if it is an IP address of this machine, else None: a name, or an address of a NAT before us."""
    return host if _is_address(host) and _bind(host, 0) == 0 else None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _bind(address: str, port: int) -> int:
    """0 when a server could listen there now, else the errno."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except socket.gaierror:
            return errno.EADDRNOTAVAIL
        except OSError as error:
            return error.errno or errno.EIO
    return 0


def _find(name: str) -> str:
    path = shutil.which(name, path=_SEARCH)
    if path is None:
        raise LaunchError(f"{name} is missing: install the package {_PACKAGES[name]} (apt-get install)", 3)
    return path


# ── while it runs ────────────────────────────────────────────────────────────────────────────────


async def _serve(programs: list[Program], settings: Settings, state: StateDir, status: Path) -> None:
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
        for program in programs:
            if program.name == "controller":
                await _until_open(_endpoints(settings, [*children]), ended)
            if stop.is_set():
                break
            children[program.name] = child = Child(program, state.logs / f"{program.name}.log", changed)
            tasks.append(asyncio.create_task(_kept(child), name=program.name))
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


def _endpoints(settings: Settings, names: list[str]) -> list[tuple[str, int]]:
    address = _local(settings.public_address) or "127.0.0.1"
    ports = {"mosquitto": settings.mqtt.port, "janus": settings.janus.port}
    return [(address, ports[name]) for name in names]


async def _until_open(endpoints: list[tuple[str, int]], ended: asyncio.Task[bool]) -> None:
    """Wait, at most 5 s, until the others take connections: it spares the controller a first failure."""
    deadline = asyncio.get_running_loop().time() + 5
    for address, port in endpoints:
        while asyncio.get_running_loop().time() < deadline and not ended.done():
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(address, port)
                writer.close()
                break
            await asyncio.wait({ended}, timeout=0.1)
