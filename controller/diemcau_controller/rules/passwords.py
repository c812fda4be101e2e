"""Which passwords are good enough."""

from __future__ import annotations

import unicodedata

from .naming import plain
from .refusals import Invalid

SHORTEST, LONGEST = 12, 200

# Plain forms (no case, no diacritics, letters and digits only) of what people choose first.
_FIRST_GUESSES = """
    123456789012 1234567890123 12345678901234 123456123456 123123123123 112233445566 0123456789012
    012345678910 123456789abc abc123456789 abcd12345678 abcdef123456 abcdefghijkl password1234
    password12345 password123456 passwordpassword admin1234567 admin12345678 administrator
    administrator1 quantri123456 quantrivien1 quantrivien123 matkhau12345 matkhau123456 matkhaumatkhau
    diemcau12345 diemcau123456 diemcau2025 diemcau2026 vietnam12345 vietnam123456 vietnam2025
    vietnam2026 hochiminh123 iloveyou1234 qwertyuiop12 qwertyuiop123 qwerty123456 1q2w3e4r5t6y
    1qaz2wsx3edc zaq12wsxcde3 welcome12345 letmein12345 hoptructuyen giaobantruc ubndxa123456
    ubndtinh1234
"""
_COMMON = frozenset(_FIRST_GUESSES.split())


def normal(password: str) -> str:
    """A password in the one form it is hashed in, however the keyboard composed it."""
    return unicodedata.normalize("NFC", password.strip())


def check(password: str, name: str) -> None:
    """Refuse a password (in normal form) that is too short, too long, or the first one would try."""
    if len(password) < SHORTEST:
        raise _bad(f"it is shorter than {SHORTEST} characters: take a sentence", "short", shortest=SHORTEST)
    if len(password) > LONGEST:
        raise _bad(f"it is longer than {LONGEST} characters: shorten it", "long", longest=LONGEST)
    bare = "".join(letter for letter in plain(password) if letter.isalnum())
    own = "".join(letter for letter in plain(name) if letter.isalnum())
    if own and len(bare) - bare.count(own) * len(own) < SHORTEST // 2 and own in bare:
        raise _bad("it is made of your own name: choose another", "own_name")
    if bare in _COMMON or len(set(password)) < 5:
        raise _bad("many people use this one, so it is tried first: choose another", "common")


def _bad(text: str, code: str, **values: object) -> Invalid:
    return Invalid(f"the password will not do: {text}", code=f"password.{code}", field="password", **values)
