"""Ids from Vietnamese names."""

from __future__ import annotations

import re
import unicodedata


def plain(text: str) -> str:
    """Lower case without diacritics, for comparing and searching: `Điểm Cầu` → `diem cau`."""
    decomposed = unicodedata.normalize("NFD", text.casefold().replace("đ", "d"))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).strip()


def slug(name: str) -> str:
    """A site or area id made from a name: `Xã Ea Kiết` → `xa-ea-kiet`. Empty when no letter is left."""
    return re.sub(r"[^a-z0-9]+", "-", plain(name)).strip("-")[:40].strip("-")
