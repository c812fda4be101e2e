"""The coordinator's server, for files: HTTPS with the roots that vouch for it, from any byte on; and a server
in the site's own network that may have some of them, by plain HTTP.

The coordinator's certificate is checked without its times: what comes is signed, and the clock of a box that
lay in a cupboard may say any year.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import quote, urlsplit

from diemcau_wire.messages import Neighbour, Part
from pydantic import Field

from diemcau_agent.rules.updating import Why

from . import records
from .places import Places
from .trouble import Trouble

SILENT_S = 30.0
NEAR_SILENT_S = 5.0
BITE = 16 * 1024
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, openssl/x509_vfy.h
_RANGE = re.compile(r"bytes ([0-9]{1,15})-[0-9]{1,15}/([0-9]{1,15})")
CUT = (OSError, http.client.HTTPException, ssl.SSLError)


class NotServed(Exception):
    """The server answers, but not with that file. `status` as in HTTP."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Opened:
    """A file as it comes: from byte `start` on, `whole` bytes long (None: not said)."""

    start: int
    whole: int | None
    bites: Iterator[bytes]


class Line:
    """One server. `connect` makes a connection that is not opened yet; paths are asked for below `folder`.
    One with `head_within_s` is not trusted to come to an end by itself: it has so many seconds for all that
    comes before a file, and has to say how long that is."""

    def __init__(
        self,
        connect: Callable[[], http.client.HTTPConnection],
        folder: str = "",
        *,
        head_within_s: float | None = None,
    ) -> None:
        self._connect, self._folder, self._head_s = connect, folder, head_within_s

    @contextmanager
    def open(self, path: str, start: int = 0) -> Iterator[Opened]:
        """The file at `path`, from byte `start` on if the server can. Raises :class:`NotServed` and what is
        in :data:`CUT`; the bites raise the latter, too, or end early."""
        connection = self._connect()
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
        try:
            with nullcontext() if self._head_s is None else _hung_up_after(connection, self._head_s):
                connection.request("GET", quote(self._folder + path), headers=headers)
                answer = connection.getresponse()
            opened = _opened(answer, start)
            if self._head_s is not None and answer.length is None:  # what follows the last chunk may not end
                raise http.client.HTTPException("a file without its length")
            yield opened
        finally:
            connection.close()


class Whose(Part):
    """`coordinator.json`, as the unit process writes it: where its coordinator is."""

    v: Literal[1] = 1
    web_url: Annotated[str, Field(max_length=500)]


class Near(Part):
    """The same file: a server in the site's network, if the office named one."""

    neighbour: Neighbour | None = None


def neighbour(places: Places) -> Line | None:
    """The server that is nearer than the coordinator's; None where there is none."""
    said = records.read(Near, places.coordinator)
    if said is None or said.neighbour is None:
        return None
    where = urlsplit(said.neighbour)
    host, port = where.hostname or "", where.port or 80
    return Line(
        lambda: http.client.HTTPConnection(host, port, timeout=NEAR_SILENT_S),
        where.path,
        head_within_s=NEAR_SILENT_S,
    )


def coordinator(places: Places) -> Line:
    """The server of this unit's coordinator. Raises :class:`Trouble`."""
    said = records.read(Whose, places.coordinator)
    try:
        roots = places.ca.read_text()
    except (OSError, ValueError) as error:
        raise Trouble(Why.UNREACHABLE, f"who vouches for the coordinator is not known: {error}") from None
    if said is None:
        raise Trouble(Why.UNREACHABLE, f"{places.coordinator} is not there; is this box a unit?")
    return line_to(said.web_url, roots)


def line_to(address: str, roots: str) -> Line:
    """The server at `address` (`https://host:port`), vouched for by the certificates (PEM) in `roots`."""
    where = urlsplit(address)
    try:
        host, port = where.hostname, where.port or 443
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(cadata=roots)
    except (ssl.SSLError, ValueError) as error:
        raise Trouble(Why.UNREACHABLE, f"what is known of the coordinator is no use: {error}") from None
    if where.scheme != "https" or not host:
        raise Trouble(Why.UNREACHABLE, f"{address[:80]!r} is no address of a coordinator")
    context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    return Line(lambda: http.client.HTTPSConnection(host, port, timeout=SILENT_S, context=context))


@contextmanager
def _hung_up_after(connection: http.client.HTTPConnection, seconds: float) -> Iterator[None]:
    """Who says a little every few seconds is never silent, and could go on with it for months."""
    connection.connect()
    line = connection.sock
    assert line is not None

    over = threading.Event()

    def hang_up() -> None:
        over.set()
        with suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    except CUT:
        if over.is_set():
            raise TimeoutError("timed out") from None
        raise
    finally:
        timer.cancel()


def _opened(answer: http.client.HTTPResponse, start: int) -> Opened:
    if answer.status == 200:
        return Opened(0, answer.length, _bites(answer))
    said = _RANGE.fullmatch(answer.getheader("Content-Range", ""))
    if answer.status == 206 and said is not None:
        if int(said[1]) != start:
            raise http.client.HTTPException(f"asked for byte {start} on, it sends byte {said[1]} on")
        return Opened(start, int(said[2]), _bites(answer))
    raise NotServed(answer.status)


def _bites(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    while bite := answer.read1(BITE):
        yield bite
