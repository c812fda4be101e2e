"""The code keeps to its own rules: format, lint, types, import boundaries, one sitting per file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ONE_SITTING = 600


@pytest.mark.parametrize("command", ["ruff format --check .", "ruff check .", "mypy", "lint-imports"])
def test_checker_is_content(command: str) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / command.split()[0]), *command.split()[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_file_is_read_in_one_sitting() -> None:
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    long = {
        name: lines
        for name in listed.stdout.split()
        if (ROOT / name).exists() and (lines := len((ROOT / name).read_text().splitlines())) > ONE_SITTING
    }
    assert not long
