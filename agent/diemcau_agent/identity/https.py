"""Asking the coordinator over HTTPS, with nothing but the standard library.

Certificates are checked without their times: what is trusted here is a private authority whose roots are
pinned, and the clock of a box that lay in a cupboard may say any year. What matters most, the verdict about
a unit, is signed besides (`statements.py`).
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TypeVar
from urllib.parse import urlsplit

from diemcau_wire import Refused
from diemcau_wire.enrolment import PATH, take
from diemcau_wire.messages import Part

from .trouble import Trouble

ANSWER_S = 10.0
WHOLE_S = 30.0  # an answer that drips
MAX_BYTES = 128 * 1024
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, openssl/x509_vfy.h
_WRONG_HOST = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_CUT = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)
_M = TypeVar("_M", bound=Part)


class Refusal(Exception):
    """The coordinator understands and says no. `code` is its stable word, "" when it has none."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(f"{status} {code} {text}".strip())
        self.status, self.code = status, code


class Coordinator:
    """One coordinator, at `address` (`https://host:port`). `roots` are PEMs that must vouch for it; None asks
    a stranger: what he says is believed only after people have compared the digits that follow from it.

    The connection is kept between questions and made anew when it was lost.
    """

    def __init__(self, address: str, roots: Sequence[str] | None) -> None:
        where = urlsplit(address)
        try:
            port = where.port or 443
        except ValueError:
            port = 0
        if where.scheme != "https" or not where.hostname or port == 0:
            raise Trouble("address", "no_coordinator", where=address[:80])
        self.address = address
        try:
            context = _context(roots)
        except (ssl.SSLError, ValueError) as error:  # what it calls its roots are no certificates
            raise self._stranger(str(error)) from None
        self._connection = http.client.HTTPSConnection(
            where.hostname, port, timeout=ANSWER_S, context=context
        )

    def __enter__(self) -> Coordinator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def get(self, path: str, answer: type[_M]) -> _M:
        """Ask for `path` (below `/enrol/v1`). Raises :class:`Trouble` and :class:`Refusal`."""
        return self._taken(self._ask("GET", path, None), answer)

    def post(self, path: str, question: Part | None, answer: type[_M]) -> _M:
        """Send `question` and give what is answered. Raises as :meth:`get`."""
        return self._taken(self._ask("POST", path, question), answer)

    def tell(self, path: str, question: Part) -> None:
        """Send `question`; nothing is answered but that it is taken. Raises as :meth:`get`."""
        self._ask("POST", path, question)

    def _taken(self, body: bytes, answer: type[_M]) -> _M:
        try:
            return take(answer, body)
        except Refused as error:
            raise self._stranger(str(error)) from None

    def _ask(self, method: str, path: str, question: Part | None) -> bytes:
        kept = self._connection.sock is not None  # one that was kept may have been closed meanwhile
        while True:
            try:
                return self._once(method, path, question)
            except _CUT as error:
                self.close()
                if not kept:
                    raise Trouble("address", "unreachable", where=self.address, detail=str(error)) from None
                kept = False
            except BaseException:
                self.close()
                raise

    def _once(self, method: str, path: str, question: Part | None) -> bytes:
        body = None if question is None else question.model_dump_json(exclude_none=True).encode()
        try:
            self._connection.request(method, PATH + path, body, {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            content = _read(answer, time.monotonic() + WHOLE_S)
        except ssl.SSLCertVerificationError as error:
            why = "wrong_host" if error.verify_code in _WRONG_HOST else "foreign_authority"
            raise Trouble("address", why, where=self.address, detail=error.verify_message) from None
        except _CUT:
            raise
        except (http.client.HTTPException, ssl.SSLError, ValueError, UnicodeError) as error:
            raise self._stranger(str(error)) from None
        except OSError as error:
            raise Trouble("address", "unreachable", where=self.address, detail=str(error)) from None
        if 200 <= answer.status < 300:
            return content
        if answer.status in (502, 503, 504):
            raise Trouble("address", "unreachable", where=self.address, detail=str(answer.status))
        refusal = _refusal(answer.status, content)
        if refusal is None:
            raise self._stranger(f"status {answer.status}")
        raise refusal

    def _stranger(self, detail: str) -> Trouble:
        return Trouble("address", "no_coordinator", where=self.address, detail=detail)


def _context(roots: Sequence[str] | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if roots is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(cadata="\n".join(roots))
        context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    return context


def _read(answer: http.client.HTTPResponse, until: float) -> bytes:
    """The body, at most 128 KB. Raises ValueError for more, TimeoutError when it takes too long."""
    content = bytearray()
    while part := answer.read1(16 * 1024):
        content += part
        if len(content) > MAX_BYTES:
            raise ValueError("the answer is too long")
        if time.monotonic() > until:
            raise TimeoutError("the answer takes too long")
    answer.read()  # nothing is left, but only now does the connection take another question
    return bytes(content)


def _refusal(status: int, content: bytes) -> Refusal | None:
    """What the coordinator says when it says no; None when it is not a coordinator that speaks."""
    try:
        said = json.loads(content)
        detail = said["detail"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    code = said.get("code")
    return Refusal(status, code if isinstance(code, str) else "", str(detail)[:300])
