"""Cutting a program short before each of its persistent writes, found by tracing them."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_WRITES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir"}
_CUT, _FAILED = 9, 8


def cut_short(prepare: Callable[[int], Path], act: Callable[[Path], object]) -> Iterator[tuple[int, Path]]:
    """For each n: let a child process `act` on what `prepare` made, killed before its n-th write.

    A write is the opening of a file for writing, a rename, a removal, a new folder, under the path that was
    prepared. Gives n and the path; ends when the child comes to its end.
    """
    for n in range(1, 1000):
        path = prepare(n)
        if not cut_before(n, path, act):
            return
        yield n, path
    raise AssertionError("it never ends")


def cut_before(n: int, path: Path, act: Callable[[Path], object]) -> bool:
    """Let a child process `act` on `path`, killed before its n-th write; False when it came to its end."""
    child = os.fork()
    if child == 0:
        code = _FAILED
        _die_before(n, path)
        try:
            act(path)
            code = 0
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, _CUT), f"without being cut it failed at {n}: exit {code}"
    return code == _CUT


def _die_before(n: int, path: Path) -> None:
    left = n

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event == "open":
            name, flags = arguments[0], arguments[2]
            writes = isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        else:
            name, writes = (arguments or ("",))[0], event in _WRITES
        if not writes or not str(name).startswith(str(path)) or str(name).endswith(".lock"):
            return
        left -= 1
        if left == 0:
            os._exit(_CUT)

    sys.addaudithook(hook)
