"""The commands of docs/huong-dan/cai-dat.md, for the lab to run as they stand there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum

from .nodes import ROOT

PAGE = ROOT / "docs/huong-dan/cai-dat.md"


class Block(IntEnum):
    """The page's blocks of commands, in their order."""

    RELEASE = 0
    UNITS = 1
    ADMIT = 2
    ROLLOUT = 3
    BY_HAND = 4
    WAY_IN = 5
    DIAGNOSE = 6
    RETIRE = 7


class List(IntEnum):
    """The page's blocks of machines."""

    NEW = 0
    IN_USE = 1


def commands(block: Block, instead: Mapping[str, str]) -> list[str]:
    """The lines of a block, one a command, with what the page gives as an example replaced. Raises ValueError
    for an example that is not in it."""
    return _told(blocks("console")[block].replace("\\\n", " "), instead).splitlines()


def machines(block: List, instead: Mapping[str, str]) -> str:
    """One of the files that name machines, in the same way."""
    return _told(blocks("ini")[block], instead)


def blocks(kind: str) -> list[str]:
    """What the page has of a kind (`console`, `ini`)."""
    return re.findall(f"^```{kind}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def _told(text: str, instead: Mapping[str, str]) -> str:
    for example, here in instead.items():
        if example not in text:
            raise ValueError(f"{PAGE.name} says nothing of {example} there")
        text = text.replace(example, here)
    return text
