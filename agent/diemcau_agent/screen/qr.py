"""QR codes: which squares of an address are dark, and how large they are drawn."""

from __future__ import annotations

from functools import lru_cache

import segno

QUIET = 2  # modules of white around; phones read with less than the four of ISO/IEC 18004 on a white card

Rows = tuple[tuple[bool, ...], ...]


@lru_cache(maxsize=4)
def modules(address: str) -> Rows:
    """The modules of the code, row by row, without the white around; True is dark.

    The least error correction: the squares are as large as can be, and nothing on a screen gets dirty.
    """
    code = segno.make(address, error="l", boost_error=False, micro=False)
    return tuple(tuple(bool(module) for module in row) for row in code.matrix)


def module_size(rows: Rows, size: int) -> int:
    """Whole pixels per module when the code and the white around it go into `size` pixels."""
    return max(1, size // (len(rows) + 2 * QUIET))
