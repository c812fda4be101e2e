"""The tree of areas."""

from __future__ import annotations

import pytest
from diemcau_controller.rules.areas import USUAL_TIERS, Node, Tree, guess_tier, split_path

TREE = Tree(
    [
        Node("dak-lak", "Tỉnh Đắk Lắk", "tỉnh", None),
        Node("ea-kiet", "Xã Ea Kiết", "xã", "dak-lak"),
        Node("tan-tien-1", "Xã Tân Tiến", "xã", "dak-lak"),
        Node("buon-a", "Buôn A", "buôn", "ea-kiet"),
        Node("lang-son", "Tỉnh Lạng Sơn", "tỉnh", None),
        Node("tan-tien-2", "Xã Tân Tiến", "xã", "lang-son"),
        Node("lost", "Xã Lạc", "xã", "gone"),
    ]
)


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("ea-kiet", ["ea-kiet"]),
        ("xa ea kiet", ["ea-kiet"]),
        ("Ea Kiết", ["ea-kiet"]),
        ("Xã Tân Tiến", ["tan-tien-1", "tan-tien-2"]),
        ("Tỉnh Lạng Sơn / Xã Tân Tiến", ["tan-tien-2"]),
        ("lạng sơn > tân tiến", ["tan-tien-2"]),
        ("Đắk Lắk / Buôn A", ["buon-a"]),
        ("Lạng Sơn / Buôn A", []),
        ("Xã", []),
        ("", []),
    ],
)
def test_which_area_is_meant(written: str, found: list[str]) -> None:
    assert TREE.find(written) == found


def test_paths_and_subtrees() -> None:
    assert TREE.path_text("buon-a") == "Tỉnh Đắk Lắk / Xã Ea Kiết / Buôn A"
    assert TREE.subtree("dak-lak") == {"dak-lak", "ea-kiet", "tan-tien-1", "buon-a"}
    assert [(depth, node.id) for depth, node in TREE.walk()][:3] == [
        (0, "dak-lak"),
        (1, "ea-kiet"),
        (2, "buon-a"),
    ]
    assert (0, "lost") in [(depth, node.id) for depth, node in TREE.walk()]
    assert split_path(" Tỉnh A/Xã B ") == ["Tỉnh A", "Xã B"]


def test_a_tree_that_bites_its_tail_ends() -> None:
    ring = Tree([Node("a", "A", "xã", "b"), Node("b", "B", "xã", "a")])
    assert ring.subtree("a") == {"a", "b"} and len(ring.path("a")) == 2


@pytest.mark.parametrize(
    ("name", "tier"),
    [("Xã Ea Kiết", "xã"), ("Thị trấn Ea Pốk", "thị trấn"), ("Đặc khu Phú Quý", "đặc khu"), ("Ea Kiết", "")],
)
def test_the_tier_a_name_begins_with(name: str, tier: str) -> None:
    assert guess_tier(name, USUAL_TIERS) == tier
