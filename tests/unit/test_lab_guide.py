"""The lab runs every command of the guide to new machines, docs/huong-dan/cai-dat.md."""

from __future__ import annotations

import re
from pathlib import Path

from tests.lab.fleet.guide import Block, List, blocks, commands

_ROWS = Path(__file__).parents[1] / "lab/fleet"
_BEGINS = {
    Block.RELEASE: [
        "diemcau release keys",
        "diemcau release build",
        "diemcau release sign",
        "diemcau release offer",
    ],
    Block.UNITS: ["mkdir", "tar", "cd", "ansible-playbook -i /root/may-moi.ini provision.yml"],
    Block.ADMIT: ["diemcau site add", "diemcau unit approve"],
    Block.ROLLOUT: ["diemcau rollout start", "diemcau rollout list"],
    Block.BY_HAND: ["ansible-playbook -i /root/may.ini update.yml"],
    Block.WAY_IN: ["diemcau reach MÁY --config"],
    Block.DIAGNOSE: ["ansible-playbook -i /root/may.ini diagnose.yml"],
    Block.RETIRE: ["ansible-playbook -i /root/may.ini retire.yml"],
}


def test_every_block_of_the_guide_is_known_to_the_lab() -> None:
    assert len(blocks("console")) == len(Block)
    assert len(blocks("ini")) == len(List)
    for block in Block:
        lines = commands(block, {})
        assert len(lines) == len(_BEGINS[block]), f"{block.name}: {lines}"
        for line, begins in zip(lines, _BEGINS[block], strict=True):
            assert line.startswith(begins)


def test_every_block_of_the_guide_is_run_by_a_row() -> None:
    rows = "".join(file.read_text() for file in _ROWS.glob("*.py") if file.name != "guide.py")
    for kind in (Block, List):
        used = set(re.findall(rf"\b{kind.__name__}\.([A-Z_]+)", rows))
        assert used == {one.name for one in kind}
