"""What must not be said over a line."""

import unicodedata

import pytest
from diemcau_controller.rules.gate import Classification, Gated, Mode, check_gate, suspicious


@pytest.mark.parametrize("degree", [one for one in Classification if one is not Classification.NONE])
def test_a_state_secret_is_never_online(degree: Classification) -> None:
    with pytest.raises(Gated, match="in person") as refused:
        check_gate(Mode.HERE, degree, False, confirmed=True)
    assert (refused.value.code, refused.value.field) == ("gate.classified", "classification")
    check_gate(Mode.IN_PERSON, degree, True)
    check_gate(Mode.ELSEWHERE, degree, True)


def test_a_subject_of_security_needs_an_administrators_word() -> None:
    with pytest.raises(Gated) as refused:
        check_gate(Mode.HERE, Classification.NONE, True)
    assert refused.value.code == "gate.security"
    check_gate(Mode.HERE, Classification.NONE, True, confirmed=True)
    check_gate(Mode.HERE, Classification.NONE, False)


def test_degrees() -> None:
    assert Classification.NONE.below(Classification.MAT) and Classification.MAT.below(
        Classification.TUYET_MAT
    )
    assert not Classification.TOI_MAT.below(Classification.TOI_MAT)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Giao ban tuần", []),
        ("Hội nghị Mặt trận Tổ quốc", []),
        ("Tập huấn bảo mật, đổi mật khẩu", []),
        ("Mật độ dân cư; nuôi ong lấy mật ong", []),
        ("Triển khai nhiệm vụ Quốc phòng – An ninh", ["an ninh", "quốc phòng"]),
        ("cong tac quoc phong", ["quốc phòng"]),
        ("Phổ biến tài liệu MẬT", ["tài liệu mật"]),
        ("Nội dung mật", ["mật"]),
        (unicodedata.normalize("NFD", "Nội dung tối mật"), ["tối mật"]),
        ("Cấm mắt xem", []),
    ],
)
def test_words_that_suggest_it(text: str, words: list[str]) -> None:
    assert suspicious(text) == words
    assert suspicious("Họp", text) == words
