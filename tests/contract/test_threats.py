"""The table of threats names tests that exist, and leaves none of the threats out."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/threats.md").read_text(encoding="utf-8")
THREATS = (
    "Stolen unit",
    "A unit process that is taken over",
    "Cloned card",
    "Rogue enrolment",
    "Somebody between unit and office",
    "Stolen session of a browser",
    "Replay",
    "The backup",
    "Poisoned update",
)
OPEN = "Not held off yet"  # said plainly; there is no control to prove
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


@cache
def named_in(file: str) -> frozenset[str]:
    path = ROOT / file
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
    found = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in found if node.name.startswith("test_"))


def rows(section: str) -> list[str]:
    body = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    return [line for line in body.splitlines() if line.startswith("| ") and not line.startswith("| threat ")]


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_what_is_named_exists(file: str, test: str) -> None:
    assert test in named_in(file), f"{file} has no {test}"


def test_no_threat_is_left_out() -> None:
    assert re.findall(r"^## (.*)$", PAGE, re.MULTILINE) == [*THREATS, OPEN]
    assert [section for section in (*THREATS, OPEN) if not rows(section)] == []


def test_every_control_is_proven() -> None:
    unproven = [row for section in THREATS for row in rows(section) if "::test_" not in row.split(" | ")[-1]]
    assert unproven == []
