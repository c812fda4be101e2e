"""A machine of the lab that is reached by SSH, and waiting for what it does."""

from __future__ import annotations

import shlex
import subprocess
import time
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from diemcau_controller.demo.stage import Stage


class MachineFailed(RuntimeError):
    """It does not do what it was told. The text is one sentence."""


class Machine:
    """Files of a machine; `failure` is what is raised when one cannot be read."""

    failure: ClassVar[type[MachineFailed]]

    @abstractmethod
    def ssh(self, *options: str) -> list[str]:
        """The command that opens a shell in it."""

    @abstractmethod
    def run(self, command: str, *, check: bool = True, limit_s: float = 120, given: bytes = b"") -> str:
        """Run a command in it, and give what it says."""

    def write(self, path: str, data: bytes | str, mode: str = "644") -> None:
        """Put a file into it."""
        where = shlex.quote(path)
        command = f"mkdir -p $(dirname {where}) && cat >{where} && chmod {mode} {where}"
        self.run(command, given=data.encode() if isinstance(data, str) else data)

    def read(self, path: str) -> bytes:
        """A file of it. Raises `failure`."""
        done = subprocess.run([*self.ssh(), f"cat {shlex.quote(path)}"], capture_output=True, timeout=120)
        if done.returncode != 0:
            raise self.failure(f"{path} cannot be read: {done.stderr.decode(errors='replace')[-300:]}")
        return done.stdout


def until(
    stage: Stage, reached: Callable[[], Any], seconds: float, failure: str, raises: type[Exception]
) -> Any:
    """Wait until `reached` gives something true, and give that; who does not answer is asked again.
    Raises `raises` with `failure` and the last reason when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        stage.tend()
        try:
            if found := reached():
                return found
        except (MachineFailed, ValueError, KeyError) as error:
            failure = f"{failure.partition(' (')[0]} ({error})"
        if time.monotonic() > deadline:
            raise raises(failure)
        time.sleep(1)
