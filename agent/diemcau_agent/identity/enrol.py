"""A box that is no unit asks to be one, until it is: every step can be broken off and is taken up again.

What is stored on the way (`identity/enrolment.json`) is only what the digits on the screen follow from, so
that they stay the same over a power cut. Everything else is asked anew: the controller answers the same
question with the same answer, and who we are it says to the holder of the key, however often he asks.
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
import random
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from diemcau_wire.enrolment import (
    EnrolAnswer,
    EnrolRequest,
    EnrolReveal,
    EnrolState,
    EnrolStatus,
    IdentityAnswer,
    Proof,
    Verdict,
    code_of,
    commitment_of,
    fingerprint_of,
    ssh_proof_bytes,
    status_bytes,
)

from diemcau_agent.unit import joins
from diemcau_agent.unit.fingerprints import Fingerprints
from diemcau_agent.unit.state_folder import StateFolder, remove, write_atomically

from . import boot_file, discovery
from .admitted import FAREWELL, install, say_farewell, stored_roots
from .asking import ask
from .boot_file import Prepared
from .https import Coordinator, Refusal
from .keys import Keys, ensure
from .line import has_line
from .statements import BadStatement
from .talk import Talk
from .trouble import Trouble
from .trust import meet

log = logging.getLogger(__name__)

PAUSES_S = (2.0, 3.0, 5.0, 10.0, 15.0)
REFUSED_PAUSE_S = 30.0
ANEW_S = 1.0  # from the end of a code to the next
POLL_TROUBLE_S = 90.0  # the line may be gone so long before the screen tells more than that
_WHY = {  # the controller's word for a refusal → ours
    "enrol.voucher_used": "voucher_used",
    "enrol.voucher_expired": "voucher_expired",
    "enrol.voucher_unknown": "voucher_unknown",
    "enrol.voucher_withdrawn": "voucher_unknown",
    "enrol.too_many": "too_many",
    "enrol.replaced": "was_replaced",
    "enrol.revoked": "was_revoked",
}
_GONE = frozenset({"enrol.wrong_opening", "enrol.request_over", "enrol.unknown_request"})


@dataclass(frozen=True, slots=True)
class Request:
    """A request that is under way. Nonces are hex; `roots` are PEMs; `expires_at` is by the controller's
    clock."""

    address: str
    roots: list[str]
    request: str
    nonce: str
    nonce_controller: str
    expires_at: str


class Enrolment:
    """One box on its way. `look` finds who announces himself, `wait` and `chance` are time and dice."""

    def __init__(
        self,
        folder: StateFolder,
        talk: Talk,
        marks: Fingerprints,
        *,
        look: Callable[[], list[str]] = discovery.look,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._folder, self._talk, self._marks = folder, talk, marks
        self._look, self._chance = look, chance
        self._scanned: Prepared | None = None

    def run(self) -> Verdict:
        """Go on until the controller has said who we are; gives what it said. Raises `UnitGone`."""
        failures = 0
        while True:
            pause_s = PAUSES_S[min(failures, len(PAUSES_S) - 1)]
            try:
                answer = self._once()
            except Trouble as trouble:
                self._failed(trouble)
            except Refusal as refusal:
                why = "too_many" if refusal.status == 429 else _WHY.get(refusal.code, "refused")
                self._failed(Trouble("approval", why, detail=str(refusal)))
                pause_s = REFUSED_PAUSE_S
            except BadStatement as error:
                self._failed(Trouble("approval", "foreign_statement", detail=str(error)))
            except OSError as error:  # of the disk: those of the line are troubles already
                self._failed(Trouble("approval", "disk", detail=str(error)))
            else:
                if answer is not None:
                    return self._obey(answer)
                failures = 0
                self._talk.wait(ANEW_S)
                continue
            failures += 1
            self._talk.wait(pause_s * (0.75 + 0.5 * self._chance()))

    def _failed(self, trouble: Trouble) -> None:
        if trouble.step == "address" and trouble.why in ("unreachable", "not_found") and not has_line():
            trouble = Trouble("line", "no_line", detail=str(trouble))
        log.warning("enrolment waits", extra={"error": str(trouble)[:300]})
        self._talk.tell(
            {
                "type": "failed",
                "step": trouble.step,
                "why": trouble.why,
                "where": trouble.where[:200],
                "line": trouble.line,
            }
        )

    def _obey(self, answer: IdentityAnswer) -> Verdict:
        said = {"type": "verdict", "verdict": answer.verdict.value, "site_name": answer.site_name or ""}
        self._talk.tell({**said, "text": answer.text[:300]})
        return answer.verdict

    # ── one attempt, from the beginning ──────────────────────────────────────────────────────────

    def _once(self) -> IdentityAnswer | None:
        """Everything once; None when it is to be begun anew (a code ended). Raises what :meth:`run` takes."""
        prepared = self._prepared()
        pending = self._pending(prepared)
        if pending is None:
            self._talk.tell({"type": "step", "step": "address"})
        address, roots, voucher = self._coordinator(prepared, pending)
        keys = ensure(self._folder)
        with Coordinator(address, roots) as coordinator:
            decided = self._decided(coordinator, keys, roots)
            if decided is not None:
                return decided
            if pending is None:
                pending = self._request(coordinator, keys, prepared, voucher)
            elif not self._reveal(coordinator, pending):
                return None
            return self._await(coordinator, keys, pending, used=bool(voucher))

    def _prepared(self) -> Prepared:
        """What a code before the camera says, or else the boot file."""
        scanned, self._talk.scanned = self._talk.scanned, None
        if scanned is not None:
            self._scanned = boot_file.of_code(scanned)
            if self._scanned.voucher:  # it is for a request of its own
                remove(self._folder.enrolment)
        prepared = self._scanned or boot_file.read(boot_file.places()) or Prepared()
        self._talk.tell(
            {
                "type": "prepared",
                "whom": prepared.contact,
                "phone": prepared.phone,
                "serial": prepared.serial or self._marks.serial,
            }
        )
        network = prepared.network
        # one that works is left alone; a cable's address is the system's to set (network_profiles.py)
        if network is not None and (network.ssid or network.apn) and not has_line():
            line = {"ssid": network.ssid, "password": network.password, "apn": network.apn}
            self._talk.tell({"type": "network", **line})
        return prepared

    def _pending(self, prepared: Prepared) -> Request | None:
        """The request under way, unless somebody prepared another coordinator meanwhile."""
        try:
            document: Any = json.loads(self._folder.enrolment.read_bytes())
            stored = Request(**document)
            sound = all(isinstance(value, str) for key, value in document.items() if key != "roots")
            if not (
                sound and isinstance(stored.roots, list) and all(isinstance(pem, str) for pem in stored.roots)
            ):
                raise ValueError("not a request")
            datetime.fromisoformat(stored.expires_at)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, RecursionError) as error:
            log.warning("the stored request is of no use", extra={"error": str(error)[:200]})
            remove(self._folder.enrolment)
            return None
        if prepared.address and prepared.address != stored.address:
            remove(self._folder.enrolment)
            return None
        return stored

    def _coordinator(self, prepared: Prepared, pending: Request | None) -> tuple[str, Sequence[str], str]:
        """Whom to ask, whose roots are pinned, and the voucher he may be shown."""
        if pending is not None:
            return pending.address, pending.roots, ""
        candidates = [prepared.address] if prepared.address else self._look()
        if not candidates:
            self._talk.tell({"type": "scan", "wanted": True})
            raise Trouble("address", "not_found")
        expected = prepared.roots or self._known_roots()
        trouble: Trouble | None = None
        for address in candidates:
            try:
                roots, now = meet(address, expected)
            except Trouble as error:
                trouble = trouble or error
                continue
            self._talk.tell({"type": "step", "step": "time"})
            self._talk.tell({"type": "scan", "wanted": False})
            self._tell_clock(now)
            # the voucher is worth a site: it is shown to nobody who is not vouched for
            return address, roots, prepared.voucher if expected else ""
        if self._scanned is None:
            self._talk.tell({"type": "scan", "wanted": True})
        assert trouble is not None
        raise trouble

    def _known_roots(self) -> frozenset[str]:
        """Fingerprints of the roots this box trusted when it was a unit; none for one that never was."""
        try:
            return frozenset(fingerprint_of(pem) for pem in stored_roots(self._folder))
        except (OSError, ValueError):
            return frozenset()

    # ── the request ──────────────────────────────────────────────────────────────────────────────

    def _decided(self, coordinator: Coordinator, keys: Keys, roots: Sequence[str]) -> IdentityAnswer | None:
        """What was decided about the holder of our key, put down; None while nothing is."""
        answer = ask(coordinator, self._folder, keys, roots, self._marks)
        self._tell_clock(answer.now)
        if answer.verdict is Verdict.CERTIFICATE:
            install(self._folder, keys, answer, arriving=True)
            return answer
        if answer.verdict.value in FAREWELL:
            say_farewell(self._folder, answer)
            return answer
        return None

    def _request(self, coordinator: Coordinator, keys: Keys, prepared: Prepared, voucher: str) -> Request:
        nonce = secrets.token_hex(16)
        question = EnrolRequest(
            csr=keys.request(),
            commitment=commitment_of(nonce),
            serial=(prepared.serial or self._marks.serial)[:64],
            model=self._marks.model,
            version=importlib.metadata.version("diemcau-agent"),
            ssh_host_key=keys.ssh_public,
            voucher=voucher or None,
            join_count=joins.read(self._folder.joins),
        )
        proof = keys.ssh_sign(ssh_proof_bytes(question))
        question = question.model_copy(update={"ssh_proof": proof})
        answer = coordinator.post("/requests", question, EnrolAnswer)
        pending = Request(
            address=coordinator.address,
            roots=list(answer.roots),
            request=answer.request,
            nonce=nonce,
            nonce_controller=answer.nonce,
            expires_at=answer.expires_at.isoformat(),
        )
        write_atomically(self._folder.enrolment, json.dumps(asdict(pending)).encode(), mode=0o600)
        self._tell_clock(answer.now)
        self._reveal(coordinator, pending)
        return pending

    def _reveal(self, coordinator: Coordinator, pending: Request) -> bool:
        """Open the commitment, once more if need be; False when the request is over."""
        try:
            coordinator.tell(f"/requests/{pending.request}/reveal", EnrolReveal(nonce=pending.nonce))
        except Refusal as refusal:
            if refusal.status in (404, 409, 410) or refusal.code in _GONE:
                remove(self._folder.enrolment)
                return False
            raise
        return True

    def _await(
        self, coordinator: Coordinator, keys: Keys, pending: Request, *, used: bool
    ) -> IdentityAnswer | None:
        """Show the digits until somebody has decided; None when they ended."""
        code = code_of(keys.spki, pending.roots, pending.nonce, pending.nonce_controller)
        proof = Proof(signature=keys.sign(status_bytes(pending.request, pending.nonce_controller)))
        lost_since: float | None = None
        remark = ""
        while True:
            try:
                status = coordinator.post(f"/requests/{pending.request}/status", proof, EnrolStatus)
                lost_since = None
                remark = _WHY.get(status.reason, "voucher_unfit") if status.reason else ""
            except Refusal as refusal:
                if refusal.status in (404, 409, 410):
                    remove(self._folder.enrolment)
                    return None
                raise
            except Trouble:
                lost_since = lost_since or time.monotonic()
                if time.monotonic() - lost_since > POLL_TROUBLE_S:
                    raise
                self._show(code, pending, "line_lost")
                self._talk.wait(3)
                continue
            self._tell_clock(status.now)
            match status.state:
                case EnrolState.WAITING:
                    if not used or remark:  # a voucher decides at once: no digits flash up before
                        self._show(code, pending, remark)
                    used = False
                case EnrolState.APPROVED:
                    return self._decided(coordinator, keys, pending.roots)
                case EnrolState.REFUSED:
                    remove(self._folder.enrolment)
                    raise Trouble("approval", "refused", detail=status.text)
                case EnrolState.EXPIRED | EnrolState.OVER:
                    remove(self._folder.enrolment)
                    return None
            self._talk.wait(status.poll_s)
            if self._talk.scanned is not None:  # somebody holds a paper before the camera: that goes first
                return None

    def _show(self, code: str, pending: Request, remark: str) -> None:
        self._talk.tell(
            {
                "type": "code",
                "code": code,
                "until": pending.expires_at,
                "qr": f"{pending.address}/e#{code}",
                "remark": remark,
            }
        )

    def _tell_clock(self, now: datetime) -> None:
        """How far our clock is ahead of the controller's; told again only when it moved."""
        ahead_s = round((datetime.now(UTC) - now).total_seconds())
        self._talk.tell({"type": "clock", "ahead_s": ahead_s if abs(ahead_s) > 2 else 0})
