"""Tables for spreadsheet programs: CSV that Excel shows in Vietnamese and in which no cell is a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

_BOM = "\ufeff"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_table(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The table with a byte-order mark and CRLF line ends. Numbers stay numbers, None is empty.

    A text that a spreadsheet program would take for a formula gets an apostrophe before it.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([_cell(one) for one in heading])
    writer.writerows([_cell(one) for one in row] for row in rows)
    return _BOM + text.getvalue()


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
