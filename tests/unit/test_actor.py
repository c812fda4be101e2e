"""Roles and scope, wrong passwords that have to wait, passwords that will not do."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from diemcau_controller.rules.actor import SYSTEM, Actor, Role
from diemcau_controller.rules.attempts import FORGOTTEN_AFTER, Attempts
from diemcau_controller.rules.passwords import check, normal
from diemcau_controller.rules.refusals import Invalid

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


def test_each_role_includes_those_before_it() -> None:
    order = [Role.CONTRACTOR, Role.VIEWER, Role.SECRETARY, Role.OPERATOR, Role.ADMINISTRATOR]
    for place, role in enumerate(order):
        assert [role.may(needed) for needed in order] == [True] * (place + 1) + [False] * (4 - place)


def test_only_who_has_to_do_with_units_may_do_what_a_technician_may() -> None:
    assert {role for role in Role if role.may(Role.TECHNICIAN)} == {
        Role.TECHNICIAN,
        Role.OPERATOR,
        Role.ADMINISTRATOR,
    }
    assert {needed for needed in Role if Role.TECHNICIAN.may(needed)} == {Role.TECHNICIAN, Role.CONTRACTOR}


def test_who_is_bound_to_sites_sees_only_these() -> None:
    bound = Actor("lan", Role.SECRETARY, frozenset({"a", "b"}), frozenset({"xa"}))
    assert bound.sees("a") and not bound.sees("c")
    assert bound.sees_any(["c", "b"]) and not bound.sees_any(["c"]) and not bound.sees_any([])
    assert bound.sees_all(["a", "b"]) and not bound.sees_all(["a", "c"])
    assert bound.holds("xa") and not bound.holds("huyen") and not bound.holds(None)
    nothing = Actor("bao-tri", Role.CONTRACTOR, frozenset())
    assert not nothing.sees("a") and not nothing.holds(None)
    assert SYSTEM.sees("a") and SYSTEM.holds(None) and SYSTEM.sees_any([]) and SYSTEM.may(Role.ADMINISTRATOR)


def test_after_some_wrong_passwords_each_doubles_the_wait() -> None:
    attempts = Attempts(free=3)
    waits = []
    now = NOW
    for _ in range(12):
        waits.append(attempts.wait("lan", now).total_seconds())
        now += attempts.wait("lan", now)
        attempts.count("lan", now)
    assert waits[:8] == [0, 0, 0, 5, 10, 20, 40, 80] and waits[-1] == 300
    assert not attempts.wait("hoa", now), "others need not wait"
    assert attempts.wait("lan", now) > timedelta(0)
    attempts.forgive("lan")
    assert not attempts.wait("lan", now)


def test_old_attempts_are_forgotten_and_memory_is_bounded() -> None:
    attempts = Attempts(free=2)
    for _ in range(2):
        attempts.count("lan", NOW)
    later = NOW + FORGOTTEN_AFTER + timedelta(seconds=1)
    assert not attempts.wait("lan", later)
    attempts.count("lan", later)
    assert not attempts.wait("lan", later), "counted from the beginning"
    for number in range(25_000):
        attempts.count(f"{number}", later)
    assert len(attempts._known) == 20_000


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("ngắn quá", "short"),
        ("x" * 201, "long"),
        ("aaaaaaaaaaaa", "common"),
        ("Mật khẩu 12345", "common"),
        ("123456789012", "common"),
        ("huong.nt huong.nt", "own_name"),
        ("huong.nt2026", "own_name"),
    ],
)
def test_passwords_that_will_not_do(password: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        check(normal(password), "huong.nt")
    assert refused.value.code == f"password.{code}" and refused.value.field == "password"


@pytest.mark.parametrize("password", ["con mèo đen trên mái", "huong nuôi ba con mèo", "x9!kfm2@pqw7"])
def test_passwords_that_do(password: str) -> None:
    check(normal(password), "huong")
    assert normal(unicodedata.normalize("NFD", password)) == normal(f" {password} ")
