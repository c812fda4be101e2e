"""What keeps an image from being made."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


class CannotBuild(RuntimeError):
    """The text is a sentence that says what to do."""


def run(
    command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, log: Path | None = None
) -> str:
    """Run a program; gives what it printed, unless that goes to `log`. Raises :class:`CannotBuild`."""
    words = [str(word) for word in command]
    try:
        if log is None:
            done = subprocess.run(words, env=env, capture_output=True, text=True, errors="replace")
            said = done.stderr or done.stdout
        else:
            with log.open("a") as file:
                done = subprocess.run(
                    words, env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=file, text=True
                )
            said = f"see the end of {log}: " + log.read_text(errors="replace")[-1500:]
    except FileNotFoundError:
        raise CannotBuild(f"{words[0]} is not installed: run tools/debian-packages.sh image") from None
    if done.returncode != 0:
        raise CannotBuild(f"`{' '.join(words)[:200]}` ended with {done.returncode}: {said.strip()[-1500:]}")
    return done.stdout or ""
