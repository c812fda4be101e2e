"""When a unit dials in, who may stay at the coordinator's door, and what each may do there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from diemcau_agent.rules.dialling import (
    AT_MOST_S,
    CRASHES,
    RESCUE_S,
    Health,
    asked_until,
    dial_until,
    keeps_crashing,
    read_health,
    wish,
)
from diemcau_agent.unit.dialling import CannotDial, ask_to_dial
from diemcau_agent.unit.state_folder import StateFolder
from diemcau_controller.rules.ssh_address import read_ssh_address
from diemcau_controller.rules.tunnel import (
    LOGIN_S,
    LONGEST_S,
    PORTS,
    Line,
    free_port,
    has_room,
    principals,
    to_cut,
    who_logged_in,
)
from diemcau_wire.messages import REACH_AT_MOST_S
from hypothesis import given
from hypothesis import strategies as st

UNIT, OTHER = "u0123456789ab", "u0123456789cd"
LOGGED_IN = (
    "Accepted publickey for diemcau from 198.51.100.7 port 40000 ssh2: ED25519-CERT SHA256:abc/+x "
    f"ID diemcau {UNIT} (serial 1763875000000) CA ED25519 SHA256:xyz"
)
NOW = 5000.0


# ── the unit ─────────────────────────────────────────────────────────────────────────────────────


def test_what_was_asked_is_kept_until_it_is_over_and_never_shortened() -> None:
    asked = wish(b"", 900, NOW)
    assert asked_until(asked, NOW) == NOW + 900 and asked_until(asked, NOW + 899) == NOW + 900
    assert asked_until(asked, NOW + 900) is None
    assert asked_until(wish(asked, 60, NOW + 10), NOW + 10) == NOW + 900
    assert asked_until(wish(asked, 3600, NOW + 10), NOW + 10) == NOW + 3610


def test_a_wish_from_before_a_reboot_or_for_ever_is_none() -> None:
    assert asked_until(wish(b"", 900, 100_000), NOW) is None
    assert asked_until(json.dumps({"until_s": NOW + AT_MOST_S + 1}).encode(), NOW) is None


@given(st.binary(max_size=60) | st.sampled_from([b"{}", b"[]", b'{"until_s":true}', b'{"until_s":NaN}']))
def test_garbage_is_no_wish(said: bytes) -> None:
    assert asked_until(said, NOW) is None
    assert asked_until(wish(said, 60, NOW), NOW) == NOW + 60


def test_a_unit_that_keeps_crashing_is_seen_once_a_look() -> None:
    assert not keeps_crashing(0, Health(CRASHES - 1))
    assert keeps_crashing(0, Health(CRASHES)) and not keeps_crashing(CRASHES, Health(CRASHES))
    assert not keeps_crashing(9, Health(0)), "it was started anew"
    assert keeps_crashing(0, Health(0, gave_up=True))


def test_what_systemd_says_of_the_unit_process() -> None:
    assert read_health("NRestarts=7\nActiveState=activating\n") == Health(7)
    assert read_health("NRestarts=0\nActiveState=failed\n") == Health(0, gave_up=True)
    for said in ("", "NRestarts=\n", "NRestarts=-1\n", "NRestarts=²\n", "Failed to connect to bus"):
        assert read_health(said) is None


def test_the_longer_reason_counts() -> None:
    assert dial_until(None, False, NOW) is None
    assert dial_until(NOW + 60, False, NOW) == NOW + 60
    assert dial_until(NOW + 60, True, NOW) == NOW + RESCUE_S
    assert dial_until(NOW + 3600, True, NOW) == NOW + 3600


def test_the_unit_process_asks_by_a_file(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path, services=tmp_path / "run")
    with pytest.raises(CannotDial, match="no_tunnel"):
        ask_to_dial(folder, 60)  # no certificate yet
    folder.identity.mkdir()
    folder.reach.write_text("{}")
    for wrong in (0, -1, REACH_AT_MOST_S + 1, "60", None, True, float("nan")):
        with pytest.raises(CannotDial, match="wrong_time"):
            ask_to_dial(folder, wrong)
    ask_to_dial(folder, 60)
    asked = tmp_path / "run/reach/asked"
    assert asked.stat().st_mode & 0o777 == 0o640
    assert json.loads(asked.read_bytes())["until_s"] > 60
    with pytest.raises(CannotDial, match="no_tunnel"):
        ask_to_dial(StateFolder(tmp_path), 60)  # nobody runs a tunnel service here


# ── the door ─────────────────────────────────────────────────────────────────────────────────────


def test_who_logged_in_is_read_from_openssh_and_from_nothing_else() -> None:
    assert who_logged_in(LOGGED_IN) == UNIT
    assert who_logged_in(LOGGED_IN.replace("ED25519-CERT", "ECDSA-CERT") + "\r") == UNIT
    for said in (
        "",
        f"Invalid user {LOGGED_IN}",
        LOGGED_IN.replace(UNIT, "admin"),
        LOGGED_IN.replace("diemcau u", "u"),
        LOGGED_IN.replace("publickey", "password"),
        LOGGED_IN + " and more",
        LOGGED_IN.partition(" ID ")[0],  # a plain key
    ):
        assert who_logged_in(said) is None


def test_each_may_listen_on_its_own_port_and_nothing_else() -> None:
    assert principals({OTHER: 10001, UNIT: 10000}) == (
        f'restrict,port-forwarding,permitlisten="127.0.0.1:10000" {UNIT}\n'
        f'restrict,port-forwarding,permitlisten="127.0.0.1:10001" {OTHER}\n'
    )
    assert principals({}) == ""


def test_ports_are_given_lowest_first_and_run_out() -> None:
    assert free_port(()) == PORTS[0] and free_port({PORTS[0], PORTS[2]}) == PORTS[1]
    assert free_port(set(PORTS)) is None and len(PORTS) > 3300


def test_strangers_do_not_use_up_the_places_of_units() -> None:
    lines = [Line("a", 0.0) for _ in range(8)]
    assert not has_room(lines, "a") and has_room(lines, "b")
    crowd = [Line(str(number), 0.0) for number in range(40)]
    assert not has_room(crowd, "b")
    assert has_room([Line("a", 0.0, UNIT) for _ in range(1000)], "a"), "units behind one address"


def test_lines_that_end_and_why() -> None:
    def cut(*lines: Line, reachable: tuple[str, ...] = (UNIT, OTHER), at: float = NOW) -> list[str]:
        return [why for _, why in to_cut(lines, reachable, at)]

    assert cut(Line("a", NOW, UNIT), Line("a", NOW, OTHER), Line("a", NOW)) == []
    assert cut(Line("a", NOW, UNIT), reachable=(OTHER,)) == ["no_right"]
    assert cut(Line("a", NOW - LOGIN_S - 1)) == ["no_login"]
    assert cut(Line("a", NOW - LONGEST_S, UNIT)) == []
    assert cut(Line("a", NOW - LONGEST_S - 1, UNIT)) == ["too_long"]
    older, newer = Line("a", NOW - 60, UNIT), Line("b", NOW, UNIT)
    assert [*to_cut((newer, older), (UNIT,), NOW)] == [(older, "newer")]
    assert len([*to_cut((Line("a", 1.0, UNIT), Line("a", 1.0, UNIT)), (UNIT,), NOW)]) >= 1


@pytest.mark.parametrize(
    ("written", "host", "port"),
    [
        ("10.20.0.7", "10.20.0.7", 22),
        ("10.20.0.7:2222", "10.20.0.7", 2222),
        ("may-1.xa-ea-kiet.lan", "may-1.xa-ea-kiet.lan", 22),
        ("[fd00::7]:22022", "fd00::7", 22022),
    ],
)
def test_where_a_unit_is_reached_directly(written: str, host: str, port: int) -> None:
    assert read_ssh_address(written) == (host, port)


@pytest.mark.parametrize(
    "garbage",
    [
        *(" ", "-oProxyCommand=x", "a b", "10.0.0.7:0", "10.0.0.7:65536", "10.0.0.7:", "10.0.0"),
        *("10.0.0.256", "0.0.0.0", "[::]", "[::1", "::1", "[x]:22"),
        *("root@10.0.0.7", "ssh://10.0.0.7", "a..b", "a-", "xã.lan", "%h", "hall.7"),
        *("a\nb", "10.0.0.7\n", "x" * 64, ".".join(["a" * 60] * 5)),
    ],
)
def test_what_is_no_such_address(garbage: str) -> None:
    with pytest.raises(ValueError, match=r"write an address such as 10\.20\.0\.7"):
        read_ssh_address(garbage)
