"""The table of faults that tests bring about says what they do: every hall, every fault, mended or not."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from tests.system import test_faults_below, test_room_check

TABLE = Path(__file__).parents[2] / "docs/lab/faults.md"


def rows() -> dict[str, dict[str, str]]:
    """By hall, by fault: what the last column says. Halls of one name are put together."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    hall = ""
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 5 or set(cells[0]) == {"-"} or cells[0] == "hall":
            continue
        hall = cells[0] or hall
        found[hall]["nothing"] = "" if "nothing" in cells[3] else "something"
        for word in cells[3].split("`")[1::2]:
            found[hall][word] = cells[4]
    return found


def test_every_fault_that_is_brought_about_is_in_the_table() -> None:
    table = rows()
    for halls in (test_room_check.HALLS, test_faults_below.HALLS):
        for hall, (_, expected) in halls.items():
            if hall == "healthy":
                continue
            for word, mended in expected.items():
                assert word in table[hall], f"{hall}: {word}"
                said = {None: ("",), True: ("yes",), False: ("no",)}[mended]
                assert table[hall][word].split(",")[0] in said, f"{hall}: {word}: {table[hall][word]}"
            assert expected or table[hall]["nothing"] == "", hall
