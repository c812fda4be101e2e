"""`diemcau demo`: sets the stage and holds the meeting, once and judged or to look at."""

from __future__ import annotations

import json as js
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from ..programs import ProgramMissing, check_programs
from .folder import FolderRefused, fresh_folder
from .network import Network, NoAddress, set_up

LIMIT_S = 210.0  # for everything; ending it takes less than 20 s more
DEFAULT_STATE_DIR = Path(".demo")


def run(
    *,
    once: bool = False,
    json: bool = False,
    cameras: Mapping[str, str] | None = None,
    mics: Mapping[str, str] | None = None,
    state_dir: Path = DEFAULT_STATE_DIR,
    no_restart: Sequence[str] = (),
    page_port: int | None = None,
    in_s: int = 120,
    lasts_s: int = 300,
) -> int:
    """Run the demonstration; gives the exit code.

    `once`: a short meeting at once, judged: 0 if every site joined, was seen and heard by every other, and
    left; else 1. Otherwise a meeting in `in_s` seconds, shown in the terminal until Ctrl-C. `cameras` and
    `mics` replace sources by site; `no_restart` names sites whose dead processes stay dead. With `json` the
    last line of standard output is one JSON object. 2 for a source that cannot be, 3 for a missing program.
    """
    began = time.monotonic()
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        check_programs()
        on_the_network = ("rtsp:", "rtsps:", "onvif:")
        network_cameras = [url for url in (cameras or {}).values() if url.startswith(on_the_network)]
        network = set_up(page_port, reach_out=bool(network_cameras))
        from .halls import BadSource, halls, known  # numpy: it starts threads, and a namespace wants none

        try:
            invited = halls(cameras or {}, mics or {})
            known(no_restart)
        except BadSource as error:
            return _fail(str(error), 2)
        with fresh_folder(state_dir.absolute()) as root:
            _tell(network.remark)
            times = None if once else (in_s, lasts_s)
            result = _hold(root, invited, network, no_restart, began, times)
    except ProgramMissing as error:
        return _fail(str(error), 3)
    except (NoAddress, FolderRefused) as error:
        return _fail(str(error), 1)
    except KeyboardInterrupt:
        _tell("ended")
        return 130 if once else 0
    if json:
        print(js.dumps(result, ensure_ascii=False), flush=True)  # noqa: T201
    elif once:
        _print_summary(result)
    return 0 if result["ok"] else 1


def _hold(
    root: Path,
    invited: list[Any],
    network: Network,
    no_restart: Sequence[str],
    began: float,
    times: tuple[int, int] | None,
) -> dict[str, Any]:
    from .show import show
    from .stage import Stage
    from .trial import Trial

    try:
        with Stage(root, invited, network, no_restart) as stage:
            if times is not None:
                return show(stage, _tell, in_s=times[0], lasts_s=times[1])
            # Whatever hangs, it ends: the clock interrupts even a call that waits for ever.
            signal.signal(signal.SIGALRM, _out_of_time)
            signal.alarm(int(LIMIT_S) + 10)
            result = Trial(stage, began + LIMIT_S, _tell).run()
            signal.alarm(0)
            return result | {"seconds": round(time.monotonic() - began, 1)}
    except _OutOfTime:
        problem = f"it did not end within {LIMIT_S:.0f} s"
        return {"ok": False, "sites": {}, "report": None, "blame": [], "problems": [problem]}


class _OutOfTime(BaseException):
    """The last resort's exception."""


def _out_of_time(_number: int, _frame: FrameType | None) -> None:
    raise _OutOfTime


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _tell(text: str) -> None:
    if text:
        print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)  # noqa: T201


def _fail(text: str, code: int) -> int:
    print(f"diemcau: {text}", file=sys.stderr)  # noqa: T201
    return code


def _print_summary(result: dict[str, Any]) -> None:
    lines = []
    for site in result["sites"].values():
        saw, heard = ", ".join(site["seen"]) or "nobody", ", ".join(site["heard"]) or "nobody"
        joined = f"joined after {site['join_ms']} ms" if site["joined"] else "did not join"
        left = "left" if site["left"] else "did not leave"
        lines.append(f"{site['name']}: {joined}, saw {saw}, heard {heard}, {left}")
    lines += [f"! {problem}" for problem in result["problems"]]
    lines += [f"report: {result['report']}", "good" if result["ok"] else "not good"]
    print("\n".join(lines), flush=True)  # noqa: T201
