"""What must not be said over a line: the gate before every online meeting.

State secrets never pass (Mật, Tối mật, Tuyệt mật), nor does a subject of security and defence (an ninh – quốc
phòng), stamped or not. Such a meeting is held in person; the hall is kept free for it all the same.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

from .naming import plain
from .refusals import Invalid


class Mode(StrEnum):
    """Where a meeting takes place: on this system, on another one, or around a table."""

    HERE = "here"
    ELSEWHERE = "elsewhere"
    IN_PERSON = "in_person"


class Classification(StrEnum):
    """The degree of secrecy as stamped on the papers, least first."""

    NONE = "none"
    MAT = "mat"
    TOI_MAT = "toi_mat"
    TUYET_MAT = "tuyet_mat"

    def below(self, other: Classification) -> bool:
        """True if `other` is the higher degree."""
        order = list(Classification)
        return order.index(self) < order.index(other)


class Gated(Invalid):
    """Not online: the meeting has to be held in person."""


# How they are written; found with and without diacritics.
_SUBJECTS = (
    "an ninh", "quốc phòng", "quân sự", "biên phòng", "tác chiến", "chống bạo loạn", "chống khủng bố",
    "tuyển quân", "dân quân tự vệ", "tuyệt mật", "tối mật", "bí mật nhà nước", "tài liệu mật",
)  # fmt: skip
_HARMLESS = ("bảo mật", "mật ong", "mật khẩu", "mật độ", "an ninh lương thực")


def check_gate(
    mode: Mode, classification: Classification, security_subject: bool, *, confirmed: bool = False
) -> None:
    """Refuse (:class:`Gated`) what must not be held online on this system.

    `confirmed`: an administrator has said that the subject was marked by mistake. For a classification there
    is no such word.
    """
    if mode is not Mode.HERE:
        return
    if classification is not Classification.NONE:
        raise Gated(
            "content classified as a state secret is never discussed online: hold the meeting in person",
            code="gate.classified",
            field="classification",
        )
    if security_subject and not confirmed:
        raise Gated(
            "a meeting on security and defence is not held online: hold it in person; "
            "if the subject was marked by mistake, an administrator confirms that with a reason",
            code="gate.security",
            field="security_subject",
        )


def suspicious(*texts: str) -> list[str]:
    """Words in these texts (title, notes) that suggest what the gate asks about. It only asks: people decide.

    "mật" alone counts only with its diacritics: "mặt trận" and "mắt" are no secrets.
    """
    written = unicodedata.normalize("NFC", "\n".join(texts)).casefold()
    for word in _HARMLESS:
        written = written.replace(word, " ")
    bare = plain(written)
    found = [word for word in _SUBJECTS if re.search(rf"\b{plain(word)}\b", bare)]
    if re.search(r"\bmật\b", written) and not any("mật" in word for word in found):
        found.append("mật")
    return found
