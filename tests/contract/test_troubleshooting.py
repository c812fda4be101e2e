"""Every fault has its instruction on screen and page, and its row in the documents."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from diemcau_agent.checks import FAULTS, Weight
from diemcau_agent.screen.words import words
from diemcau_controller.web.words import keys

ROOT = Path(__file__).parents[2]


def test_the_table_is_what_the_checks_say() -> None:
    said = runpy.run_path(str(ROOT / "tools/troubleshooting.py"))["page"]()
    written = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    assert written == said, "run .venv/bin/python tools/troubleshooting.py"


@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_fault_has_its_instruction(language: str) -> None:
    on_screen, on_page = words(language).texts, keys(language, "instruction")
    for what, fault in FAULTS.items():
        assert f"instruction.{what}" in on_screen and f"instruction.{what}" in on_page
        if fault.weight is not Weight.UNKNOWN:
            assert len(on_screen[f"instruction.{what}"]) <= 100, f"{what}: too long to read from five metres"
