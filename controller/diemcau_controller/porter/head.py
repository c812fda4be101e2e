"""The head of a request for Janus's WebSocket: who asks, and what is passed on of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

from ..rules.front_door import shown
from ..rules.tickets import meeting_of
from ..store.admitted import Admitted

MAX_HEAD = 16 * 1024
END = b"\r\n\r\n"
_PROTOCOL = "janus-protocol"  # the other one that Janus knows is for administration
_PASSED_ON = ("upgrade", "connection", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol")


class Turned(Exception):
    """Not let through: an HTTP status and one sentence that says what to do."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Head:
    """A request line's target and the headers, their names in lower case."""

    target: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Guest:
    """Who was let in: a unit with the serial of its certificate, or the holder of a meeting's ticket."""

    unit: str | None = None
    serial: str = ""
    meeting: str | None = None

    def stays(self, now: Admitted) -> bool:
        """May the line stay open? A ticket is looked at when the line is opened only."""
        return self.unit is None or now.lets_in(self.unit, self.serial)


def read_head(data: bytes) -> Head:
    """The head of a WebSocket request, `data` up to and with the empty line. Raises :class:`Turned`."""
    try:
        first, *lines = data.removesuffix(END).decode("ascii").split("\r\n")
        method, target, version = first.split(" ")
        headers = {}
        for line in lines:
            name, colon, value = line.partition(":")
            name = name.lower()
            if not colon or not name or name != name.strip() or name in headers:
                raise ValueError(line)
            headers[name] = value.strip()
    except ValueError:
        raise Turned(400, "that is no HTTP request") from None
    websocket = headers.get("upgrade", "").lower() == "websocket" and "sec-websocket-key" in headers
    if method != "GET" or version != "HTTP/1.1" or not websocket:
        raise Turned(426, "this is Janus's WebSocket: connect with wss://")
    if headers.get("sec-websocket-protocol") != _PROTOCOL:
        raise Turned(400, f"ask for the subprotocol {_PROTOCOL}")
    if "content-length" in headers or "transfer-encoding" in headers:
        raise Turned(400, "a WebSocket request has no body")
    return Head(target, headers)


def let_in(head: Head, admitted: Admitted, key: bytes, now: datetime) -> Guest:
    """Who asks, if he may. Raises :class:`Turned`."""
    certificate = shown(head.headers)
    if certificate is not None:
        if admitted.lets_in(certificate.name, certificate.serial):
            return Guest(unit=certificate.name, serial=certificate.serial)
        raise Turned(403, f"the unit {certificate.name} serves no site: have it approved at the office")
    tickets = parse_qs(urlsplit(head.target).query).get("ticket", [])
    meeting = meeting_of(key, tickets[0], now) if len(tickets) == 1 else None
    if meeting is None:
        raise Turned(403, "show a unit's certificate, or a ticket: join-info gives a fresh one")
    return Guest(meeting=meeting)


def passed_on(head: Head) -> bytes:
    """What Janus gets of the head: nothing but the handshake."""
    lines = [f"{name}: {head.headers[name]}" for name in _PASSED_ON if name in head.headers]
    return "\r\n".join(["GET / HTTP/1.1", "host: janus", *lines]).encode() + END


def refusal(turned: Turned, to_json: Callable[[object], str]) -> bytes:
    """The HTTP answer of a refusal."""
    body = to_json({"detail": str(turned)}).encode()
    return (
        f"HTTP/1.1 {turned.status} Refused\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    ).encode() + body
