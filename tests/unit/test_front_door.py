"""Who is let in at the front door: tickets, certificates as nginx reports them, heads, the broker's list."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from diemcau_controller.adapters import dynamic_security as rights
from diemcau_controller.porter.head import END, Guest, Turned, let_in, passed_on, read_head
from diemcau_controller.rules import tickets
from diemcau_controller.rules.front_door import Shown, shown
from diemcau_controller.store.admitted import Admitted, admitted
from diemcau_wire.topics import FROM_UNIT, TO_UNIT, Channel, topic
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 12, 1, tzinfo=UTC)
KEY = b"a key of this installation"
UNIT, SPARE = "u3f9a01c77b2e", "u000000000001"
CERTIFICATE = {"x-client-verify": "SUCCESS", "x-client-subject": f"CN={UNIT}", "x-client-serial": "0A1B"}


def request(target: str = "/janus", **more: str) -> bytes:
    headers = {
        "Host": "diemcau.example",
        "Upgrade": "websocket",
        "Connection": "upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "janus-protocol",
        **more,
    }
    lines = [f"{name}: {value}" for name, value in headers.items() if value]
    return "\r\n".join([f"GET {target} HTTP/1.1", *lines]).encode() + END


# ── tickets ──────────────────────────────────────────────────────────────────────────────────────


def test_a_ticket_is_good_for_its_time_and_its_meeting() -> None:
    ticket = tickets.issue(KEY, "m-1.2026-03-12", NOW)
    assert tickets.meeting_of(KEY, ticket, NOW + tickets.VALID - timedelta(seconds=1)) == "m-1.2026-03-12"
    assert tickets.meeting_of(KEY, ticket, NOW + tickets.VALID) is None
    assert tickets.meeting_of(b"another key", ticket, NOW) is None
    meeting, end, seal = ticket.rsplit(".", 2)
    later = f"{meeting}.{int(end, 16) + 1:x}.{seal}"
    for forged in (
        later,
        f"m-2.{end}.{seal}",
        ticket[:-1],
        f"{meeting}.{end}.",
        "",
        "..",
        "á.1.x",
        "x" * 300,
    ):
        assert tickets.meeting_of(KEY, forged, NOW) is None, forged


@given(st.text(max_size=250))
def test_whatever_is_no_ticket_is_none(text: str) -> None:
    assert tickets.meeting_of(KEY, text, NOW) is None


# ── what nginx says ──────────────────────────────────────────────────────────────────────────────


def test_a_certificate_is_what_nginx_has_checked() -> None:
    assert shown(CERTIFICATE) == Shown(UNIT, "a1b")
    full = {**CERTIFICATE, "x-client-subject": f"serialNumber=3,O=tra-nam,CN={UNIT}"}
    assert shown(full) == Shown(UNIT, "a1b", "tra-nam", 3)
    no_number = {**CERTIFICATE, "x-client-subject": f"serialNumber=x3,O=tra-nam,CN={UNIT}"}
    assert shown(no_number) == Shown(UNIT, "a1b", "tra-nam", 0)
    for wrong in (
        {"x-client-verify": "NONE"},
        {"x-client-verify": "FAILED:certificate has expired"},
        {"x-client-subject": ""},
        {"x-client-subject": f"O=CN={UNIT}"},
        {"x-client-subject": f"CN=a,CN={UNIT}"},
        {"x-client-subject": f"CN=x\\,CN={UNIT}"},
        {"x-client-serial": ""},
        {"x-client-serial": "no hex"},
    ):
        assert shown({**CERTIFICATE, **wrong}) is None, wrong
    assert shown({}) is None


# ── the porter ───────────────────────────────────────────────────────────────────────────────────


def test_units_that_serve_a_site_are_let_in_until_they_do_not() -> None:
    head = read_head(request(**CERTIFICATE))
    guest = let_in(head, Admitted(frozenset({UNIT})), KEY, NOW)
    assert guest == Guest(unit=UNIT, serial="a1b") and guest.stays(Admitted(frozenset({UNIT, SPARE})))
    for now in (Admitted(frozenset({SPARE})), Admitted(frozenset({UNIT}), frozenset({"a1b"})), Admitted()):
        assert not guest.stays(now)
        with pytest.raises(Turned, match="serves no site") as turned:
            let_in(head, now, KEY, NOW)
        assert turned.value.status == 403


def test_without_a_certificate_a_ticket_is_wanted() -> None:
    ticket = tickets.issue(KEY, "m1", NOW)
    guest = let_in(read_head(request(f"/janus?ticket={ticket}")), Admitted(), KEY, NOW)
    assert guest == Guest(meeting="m1") and guest.stays(Admitted())
    for target in (
        "/janus",
        "/janus?ticket=",
        f"/janus?ticket={ticket}x",
        f"/janus?ticket={ticket}&ticket={ticket}",
    ):
        with pytest.raises(Turned, match="join-info"):
            let_in(read_head(request(target)), Admitted(frozenset({UNIT})), KEY, NOW)
    revoked = read_head(request(f"/janus?ticket={ticket}", **CERTIFICATE))
    with pytest.raises(Turned):  # whoever shows a certificate is judged by it
        let_in(revoked, Admitted(), KEY, NOW)


def test_janus_gets_the_handshake_and_nothing_else() -> None:
    head = read_head(
        request("/janus?ticket=x", **CERTIFICATE, Cookie="secret", Authorization="Bearer secret")
    )
    told = passed_on(head).decode()
    assert told.startswith("GET / HTTP/1.1\r\n") and told.endswith("\r\n\r\n")
    assert "sec-websocket-protocol: janus-protocol" in told
    assert "secret" not in told and UNIT not in told and "ticket" not in told


@pytest.mark.parametrize(
    "data",
    [
        END,
        b"GET /" + END,
        b"POST /janus HTTP/1.1\r\nUpgrade: websocket" + END,
        b"GET /janus HTTP/1.1\r\nHost: x" + END,
        request(**{"Sec-WebSocket-Protocol": "janus-admin-protocol"}),
        request(**{"Sec-WebSocket-Protocol": "janus-protocol, janus-admin-protocol"}),
        request(**{"Content-Length": "5"}),
        request(**{"Transfer-Encoding": "chunked"}),
        request(**{"x-client-verify": "NONE", "X-Client-Verify": "SUCCESS"}),
        request(**{"No colon \xff": "x"}).replace(b"No", b"\xffNo"),
    ],
)
def test_a_wrong_head_is_turned_away(data: bytes) -> None:
    with pytest.raises(Turned):
        read_head(data)


@given(st.binary(max_size=400))
def test_whatever_bytes_come_the_answer_is_to_turn_away(data: bytes) -> None:
    with pytest.raises(Turned):
        read_head(data + END)


# ── what the database says ───────────────────────────────────────────────────────────────────────


def test_the_database_is_read_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "a folder ?#%20" / "controller.sqlite"
    assert admitted(path) == Admitted()
    path.parent.mkdir()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    assert admitted(path) == Admitted(), "before its tables are made"
    connection.execute("CREATE TABLE unit (id, site_id)")
    connection.execute("CREATE TABLE certificate (serial, revoked_at)")
    connection.execute("INSERT INTO unit VALUES (?, 'tra-nam'), (?, NULL)", (UNIT, SPARE))
    connection.execute("INSERT INTO certificate VALUES ('a1b', NULL), ('c2', '2026-03-12')")
    assert admitted(path) == Admitted(frozenset({UNIT}), frozenset({"c2"}))
    connection.execute("BEGIN IMMEDIATE")  # somebody writes: nobody waits for that
    connection.execute("UPDATE unit SET site_id = NULL")
    assert admitted(path).units == {UNIT}
    connection.execute("COMMIT")
    assert admitted(path).units == frozenset()
    connection.close()
    path.write_bytes(b"no database at all, but long enough to look at" * 30)
    with pytest.raises(sqlite3.Error):
        admitted(path)


# ── the broker's list ────────────────────────────────────────────────────────────────────────────


def acls(role: dict[str, object]) -> set[tuple[str, str]]:
    assert all(acl["allow"] for acl in role["acls"])  # type: ignore[attr-defined]
    return {(acl["acltype"], acl["topic"]) for acl in role["acls"]}  # type: ignore[attr-defined]


def test_a_unit_has_its_own_topics_and_whoever_is_not_named_nothing() -> None:
    made = rights.document({UNIT})
    assert not any(
        made["defaultACLAccess"][kind] for kind in ("publishClientSend", "publishClientReceive", "subscribe")
    )
    assert {client["username"] for client in made["clients"]} == {"controller", UNIT}
    (role,) = [role for role in made["roles"] if role["rolename"] == f"unit-{UNIT}"]
    assert {name for kind, name in acls(role) if kind == "publishClientSend"} == {
        topic(UNIT, channel) for channel in FROM_UNIT
    }
    assert {name for kind, name in acls(role) if kind == "subscribeLiteral"} == {
        topic(UNIT, channel) for channel in TO_UNIT
    }
    assert not any("$CONTROL" in name or "+" in name for _, name in acls(role))


def commands(messages: list[bytes]) -> list[tuple[str, str]]:
    said = [command for message in messages for command in json.loads(message)["commands"]]
    return [(one["command"], one.get("username") or one["rolename"]) for one in said]


def test_changes_make_the_list_what_it_should_be() -> None:
    known = rights.Known(frozenset({UNIT, "stranger"}), frozenset({f"unit-{UNIT}", "unit-stranger"}))
    assert commands([*rights.changes(known, {UNIT, SPARE})]) == [
        ("deleteClient", "stranger"),
        ("deleteRole", "unit-stranger"),
        ("createRole", f"unit-{SPARE}"),
        ("createClient", SPARE),
    ]
    assert not [*rights.changes(known, {UNIT, "stranger"})]
    half = rights.Known(frozenset(), frozenset({f"unit-{UNIT}"}))
    assert commands([*rights.changes(half, {UNIT})]) == [("createClient", UNIT)]


def test_a_province_comes_in_messages_the_broker_takes() -> None:
    messages = [*rights.changes(rights.Known(), {f"u{number:012x}" for number in range(168)})]
    assert len(commands(messages)) == 2 * 168
    assert max(map(len, messages)) < 64_000


def test_answers_of_the_broker_are_read_or_refused() -> None:
    lists = [
        {"command": "listClients", "data": {"totalCount": 2, "clients": ["controller", UNIT]}},
        {"command": "listRoles", "data": {"totalCount": 2, "roles": ["controller", f"unit-{UNIT}"]}},
    ]
    known, errors = rights.read_answer(json.dumps({"responses": lists}).encode())
    assert known == rights.Known(frozenset({UNIT}), frozenset({f"unit-{UNIT}"})) and not errors
    done = [
        {"command": "createClient", "error": "Client already exists"},
        {"command": "deleteRole", "error": "Role not found"},
        {"command": "createRole", "error": "Internal error"},
    ]
    assert rights.read_answer(json.dumps({"responses": done}).encode()) == (
        None,
        ["createRole: Internal error"],
    )
    for garbage in (b"", b"\xff", b"{}", b"[]", b'{"responses":[1]}', b'{"responses":[{"command":5}]}'):
        with pytest.raises(rights.AnswerRefused):
            rights.read_answer(garbage)
    assert Channel.CMD in TO_UNIT
