"""When a security key is asked for, and what another system's claims come to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from diemcau_controller.config import ConfigError, Settings, load
from diemcau_controller.rules.actor import Role
from diemcau_controller.rules.openid import name_of, role_of
from diemcau_controller.rules.second_factor import VALID, KeyNeeded, NoKey, need_key

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
ROLES = {Role.ADMINISTRATOR: ("quan-tri",), Role.SECRETARY: ("van-thu", "van-phong")}


def test_a_key_counts_for_five_minutes_and_not_from_the_future() -> None:
    need_key(required=False, keys=0, shown_at=None, now=NOW)
    need_key(required=True, keys=1, shown_at=NOW - VALID, now=NOW)
    for shown_at in (None, NOW - VALID - timedelta(seconds=1), NOW + timedelta(seconds=1)):
        with pytest.raises(KeyNeeded):
            need_key(required=True, keys=1, shown_at=shown_at, now=NOW)
    with pytest.raises(NoKey):
        need_key(required=True, keys=0, shown_at=NOW, now=NOW)


@pytest.mark.parametrize(
    ("said", "name"),
    [("lan", "lan"), ("Lan@tinh.vn", "lan"), (" lan.tt ", "lan.tt"), ("", None), (7, None), ("trần", None)],
)
def test_a_name_elsewhere_is_a_name_here_or_none(said: object, name: str | None) -> None:
    assert name_of({"preferred_username": said}, "preferred_username") == name


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"roles": ["van-phong"]}, Role.SECRETARY),
        ({"roles": ["van-thu", "quan-tri", "x"]}, Role.ADMINISTRATOR),
        ({"roles": "quan-tri"}, Role.ADMINISTRATOR),
        ({"roles": ["nobody"]}, None),
        ({"roles": {"quan-tri": True}}, None),
        ({"roles": [None, 3]}, None),
        ({}, None),
    ],
)
def test_the_highest_role_that_fits(claims: dict[str, object], role: Role | None) -> None:
    assert role_of(claims, "roles", ROLES) == role


def test_a_claim_may_lie_inside_another() -> None:
    claims = {"realm_access": {"roles": ["van-thu"]}}
    assert role_of(claims, "realm_access.roles", ROLES) == Role.SECRETARY
    assert role_of(claims, "realm_access.roles.deeper", ROLES) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('public_address = "192.0.2.1"\n[security]\nsecond_factor = "required"', "need a name"),
        ('[security]\nsecond_factor = "yes"', "second_factor"),
        ('[openid]\nissuer = "https://sso.example.vn"', "client_id"),
        ('[openid]\nissuer = "http://sso.example.vn"\nclient_id = "dc"', "https://"),
        ('[openid]\nissuer = "https://sso.example.vn"\nclient_id = "dc"\nadd_users = true', "roles"),
        ('[openid]\nissuer = "https://sso.example.vn"\nclient_id = "dc"\nroles = {boss = ["x"]}', "roles"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "diemcau.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load(file)


def test_the_origin_is_what_browsers_call_it() -> None:
    assert Settings(public_address="hop.tinh.vn").web_origin == "https://hop.tinh.vn:8443"
    whole = Settings.model_validate({"public_address": "hop.tinh.vn", "web": {"port": 443}})
    assert whole.web_origin == "https://hop.tinh.vn"
    assert whole.has_name
    assert not Settings().has_name
