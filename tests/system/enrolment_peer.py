"""A small honest coordinator for boxes that ask to be units: `/enrol/v1` over TLS, with the product's own
authority and statements, and with every way to be difficult that a test wants."""

from __future__ import annotations

import json
import secrets
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from diemcau_controller.adapters.authority import Authority, statements
from diemcau_controller.adapters.proof import read_key, spki_of, verified, verified_by_ssh
from diemcau_wire.enrolment import (
    PATH,
    EnrolRequest,
    EnrolReveal,
    IdentityRequest,
    Proof,
    code_of,
    commitment_of,
    fingerprint_of,
    identity_bytes,
    ssh_proof_bytes,
    status_bytes,
    take,
)

HOST = "127.0.0.1"
Json = dict[str, Any]
Answer = tuple[int, Json | bytes | None]


@dataclass
class Asked:
    """One request of a unit. `state` is a word of `EnrolState`."""

    id: str
    unit: str
    public_key: str
    commitment: str
    nonce: str
    expires_at: datetime
    voucher: str | None
    unit_nonce: str | None = None
    code: str | None = None
    state: str = "waiting"
    reason: str | None = None


@dataclass
class Peer:
    """Serves until closed. `bound` are units by id with site and epoch; `ended` those that were sent away.

    `difficult` answers in place of the honest peer where it gives something: (method, path) → answer or None.
    `approve_at` approves what waits for so many questions how it stands; `clock_off` is how wrong it is.
    """

    folder: Path
    approve_at: int | None = None
    clock_off: timedelta = timedelta()
    difficult: Callable[[str, str], Answer | None] = lambda method, path: None
    poll_s: float = 1
    life: timedelta = timedelta(minutes=15)
    host: str = HOST
    server_names: tuple[str, ...] = (HOST,)
    vouchers: dict[str, str] = field(default_factory=dict)
    requests: dict[str, Asked] = field(default_factory=dict)
    bound: dict[str, tuple[str, int]] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)
    change_answer: Callable[[Json], Json] = lambda body: body
    change_statement: Callable[[Json], Json] = lambda said: said

    def __post_init__(self) -> None:
        self.authority = Authority(self.folder / "ca", self._now)
        self.authority.ensure()
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_GET(self) -> None:
                self._serve(b"")

            def do_POST(self) -> None:
                self._serve(self.rfile.read(int(self.headers.get("Content-Length", 0))))

            def _serve(self, body: bytes) -> None:
                status, said = peer.answer(self.command, self.path, body)
                if status == 0:  # hang up without a word
                    self.close_connection = True
                    return
                content = (
                    said if isinstance(said, bytes) else b"" if said is None else json.dumps(said).encode()
                )
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def handle(self) -> None:
                try:
                    super().handle()
                except OSError:  # a unit that does not like us hangs up
                    self.close_connection = True

            def log_message(self, *arguments: object) -> None:
                return

        self._server = ThreadingHTTPServer((self.host, 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        addresses = [name for name in self.server_names if name[0].isdigit()]
        names = [name for name in self.server_names if not name[0].isdigit()]
        key, chain = self.authority.server_certificate(names, addresses)
        context.load_cert_chain(chain, key)
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._thread = threading.Thread(target=lambda: self._server.serve_forever(0.02), daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"https://{self.host}:{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fingerprints(self) -> list[str]:
        return [fingerprint_of(pem) for pem in self.authority.roots()]

    def approve(self, code: str, site: str = "xa-ea-kpam") -> str:
        """Somebody enters the code; gives the unit. Raises KeyError for a code nobody shows."""
        asked = {one.code: one for one in self.requests.values() if one.state == "waiting" and one.code}[code]
        asked.state = "approved"
        epoch = 1 + max((epoch for where, epoch in self.bound.values() if where == site), default=0)
        for unit, (where, _) in list(self.bound.items()):
            if where == site and unit != asked.unit:
                del self.bound[unit]
                self.ended[unit] = "replaced"
        self.bound[asked.unit] = (site, epoch)
        return asked.unit

    # ── answers ──────────────────────────────────────────────────────────────────────────────────

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        self.questions.append(path.removeprefix(PATH))
        difficult = self.difficult(method, path.removeprefix(PATH))
        if difficult is not None:
            return difficult
        match path.removeprefix(PATH).split("/")[1:]:
            case ["roots"]:
                return 200, {
                    "v": 1,
                    "roots": self.authority.roots(),
                    "name": "Ea Kar",
                    "now": _text(self._now()),
                }
            case ["requests"]:
                return self._request(take(EnrolRequest, body))
            case ["requests", name, "reveal"]:
                return self._reveal(name, take(EnrolReveal, body))
            case ["requests", name, "status"]:
                return self._status(name, take(Proof, body))
            case ["challenge"]:
                return 200, {"v": 1, "nonce": secrets.token_hex(32), "now": _text(self._now())}
            case ["identity"]:
                return self._identity(take(IdentityRequest, body))
        return 404, {"detail": "there is no such thing"}

    def _request(self, asked: EnrolRequest) -> Answer:
        key = read_key(asked.csr)
        host, proof = asked.ssh_host_key, asked.ssh_proof
        assert host and proof and verified_by_ssh(host, proof, ssh_proof_bytes(asked))
        for other in self.requests.values():
            if other.unit == key.unit and other.state == "waiting":
                other.state = "over"
        one = Asked(
            id=f"e{len(self.requests) + 1}",
            unit=key.unit,
            public_key=key.pem,
            commitment=asked.commitment,
            nonce=secrets.token_hex(16),
            expires_at=self._now() + self.life,
            voucher=asked.voucher,
        )
        self.requests[one.id] = one
        said = {"request": one.id, "nonce": one.nonce, "expires_at": _text(one.expires_at)}
        said |= {"roots": self.authority.roots(), "now": _text(self._now()), "poll_s": self.poll_s}
        return 201, said

    def _reveal(self, name: str, opened: EnrolReveal) -> Answer:
        one = self.requests.get(name)
        if one is None or one.state == "over":
            return 409, {"detail": "over", "code": "enrol.request_over"}
        if commitment_of(opened.nonce) != one.commitment:
            one.state = "over"
            return 409, {"detail": "not that nonce", "code": "enrol.wrong_opening"}
        one.unit_nonce = opened.nonce
        one.code = code_of(spki_of(one.public_key), self.authority.roots(), opened.nonce, one.nonce)
        if one.voucher is not None and one.state == "waiting":
            site = self.vouchers.pop(one.voucher, None)
            one.reason = None if site else "enrol.voucher_used"
            if site:
                self.approve(one.code, site)
        return 204, None

    def _status(self, name: str, proof: Proof) -> Answer:
        one = self.requests.get(name)
        if one is None:
            return 404, {"detail": "there is no such request: ask anew", "code": "enrol.request_over"}
        assert verified(one.public_key, proof.signature, status_bytes(one.id, one.nonce))
        if one.state == "waiting" and self._now() > one.expires_at:
            one.state = "expired"
        said: Json = {"state": one.state, "poll_s": self.poll_s, "now": _text(self._now())}
        if self.approve_at is not None and one.state == "waiting":
            self.approve_at -= 1
            if self.approve_at < 0 and one.code is not None:
                self.approve_at = None
                self.approve(one.code)
        return 200, said | ({"reason": one.reason} if one.reason else {})

    def _identity(self, asked: IdentityRequest) -> Answer:
        key = read_key(asked.public_key)
        assert verified(asked.public_key, asked.signature, identity_bytes(asked))
        verdict, more = "unknown", {}
        if key.unit in self.ended:
            verdict, more = self.ended[key.unit], {"site_name": "Xã Ea Kpam"}
        elif key.unit in self.bound:
            site, epoch = self.bound[key.unit]
            issued = self.authority.sign_unit(key.pem, site=site, epoch=epoch)
            verdict = "certificate"
            more = {"site": site, "site_name": "Xã Ea Kpam", "epoch": epoch, "certificate": issued.pem_chain}
        elif any(one.unit == key.unit and one.state == "waiting" for one in self.requests.values()):
            verdict = "waiting"
        body = {
            "v": 1,
            "unit": key.unit,
            "nonce": asked.nonce,
            "unit_nonce": asked.unit_nonce,
            "now": _text(self._now()),
            "verdict": verdict,
            "roots": self.authority.roots(),
            "coordinator": {"mqtt_host": HOST, "mqtt_port": 28884, "web_url": self.address},
            "generation": 1,
            **more,
        }
        return 200, self.change_statement(statements.sign(self.authority, self.change_answer(body)))

    def _now(self) -> datetime:
        return datetime.now(UTC) + self.clock_off


def _text(at: datetime) -> str:
    return at.isoformat()
