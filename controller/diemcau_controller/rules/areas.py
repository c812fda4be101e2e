"""The tree of areas: paths, subtrees, and which area somebody means by what they wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from .naming import plain

SEPARATOR = " / "
# Only to guess a tier from a name; any other may be given, and those in use are tried first.
USUAL_TIERS = (
    "tỉnh", "thành phố", "huyện", "quận", "thị xã", "thị trấn", "cụm", "xã", "phường", "đặc khu",
    "thôn", "làng", "bản", "buôn", "xóm", "ấp", "khu phố", "tổ dân phố",
)  # fmt: skip
_SEPARATORS = re.compile(r"\s*[/>›→]\s*")


@dataclass(frozen=True, slots=True)
class Node:
    """An area as the rules see it. `tier` is what its level is called; `parent` the id it lies in."""

    id: str
    name: str
    tier: str
    parent: str | None


class Tree:
    """Every area, by id and by what people call it. A parent that does not exist counts as none."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.nodes = {node.id: node for node in nodes}
        self._below: dict[str | None, list[Node]] = {}
        self._named: dict[str, list[str]] = {}
        for node in self.nodes.values():
            parent = node.parent if node.parent in self.nodes else None
            self._below.setdefault(parent, []).append(node)
            for name in _spellings(node):
                self._named.setdefault(name, []).append(node.id)
        for children in self._below.values():
            children.sort(key=lambda node: plain(node.name))

    def children(self, area: str | None) -> list[Node]:
        """The areas directly in this one (None: those in no other), by name."""
        return self._below.get(area, [])

    def subtree(self, area: str) -> frozenset[str]:
        """This area and all below it."""
        found: set[str] = set()
        left = [area]
        while left:
            one = left.pop()
            if one in self.nodes and one not in found:
                found.add(one)
                left += [child.id for child in self.children(one)]
        return frozenset(found)

    def path(self, area: str) -> tuple[Node, ...]:
        """From the top down to this area."""
        found: list[Node] = []
        node = self.nodes.get(area)
        while node is not None and node not in found:
            found.insert(0, node)
            node = self.nodes.get(node.parent) if node.parent is not None else None
        return tuple(found)

    def path_text(self, area: str) -> str:
        """`Tỉnh Đắk Lắk / Xã Ea Kiết`."""
        return SEPARATOR.join(node.name for node in self.path(area))

    def walk(self, top: str | None = None, depth: int = 0) -> Iterator[tuple[int, Node]]:
        """Every area below `top`, each before what lies in it, with its depth."""
        for node in self.children(top):
            yield depth, node
            yield from self.walk(node.id, depth + 1)

    def find(self, written: str) -> list[str]:
        """Ids of the areas meant by an id, a name, or names from the top down with ` / ` between them.

        Case and diacritics do not count, and `Ea Kiết` finds `Xã Ea Kiết` when no area has just that name.
        Several ids: it is not clear which is meant.
        """
        if written in self.nodes:
            return [written]
        whole = self._named.get(plain(written), [])
        if whole:
            return self._exact(whole, plain(written))
        names = [plain(part) for part in split_path(written)]
        if len(names) < 2:
            return []
        return [
            area
            for area in self._named.get(names[-1], [])
            if self._lies_in([node.id for node in self.path(area)[:-1]], names[:-1])
        ]

    def _exact(self, found: list[str], name: str) -> list[str]:
        return [area for area in found if plain(self.nodes[area].name) == name] or found

    def _lies_in(self, ancestors: list[str], names: list[str]) -> bool:
        """True when the names are among the ancestors in that order."""
        rest = iter(ancestors)
        return all(any(name in _spellings(self.nodes[area]) for area in rest) for name in names)


def split_path(written: str) -> list[str]:
    """`Tỉnh A / Xã B` → its names, from the top down."""
    return [part for part in _SEPARATORS.split(written.strip()) if part]


def guess_tier(name: str, tiers: Iterable[str]) -> str:
    """The longest tier a name begins with (`Xã Ea Kiết` → `xã`); empty when it begins with none."""
    words = plain(name) + " "
    fitting = [tier for tier in tiers if words.startswith(_plain(tier) + " ")]
    return max(fitting, key=len, default="")


@lru_cache(maxsize=256)
def _plain(tier: str) -> str:
    return plain(tier)


def _spellings(node: Node) -> list[str]:
    """A name whole, and without its tier."""
    whole, tier = plain(node.name), plain(node.tier) + " "
    return [whole, whole.removeprefix(tier)] if whole.startswith(tier) and whole != tier else [whole]
