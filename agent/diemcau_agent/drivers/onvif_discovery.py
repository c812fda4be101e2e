"""IP cameras in the hall's network, found by asking all of them at once: WS-Discovery as ONVIF uses it.

OASIS WS-Discovery 2005/04, ONVIF Core Specification chapter 7. One question goes to a multicast group on
every network of this machine, twice, because it is a datagram; cameras answer within half a second. Nothing
is sent but when somebody asks. What answers is believed as little as anything in a network: a camera may only
name itself, an address of its own. Loads no codec.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import time
import unicodedata
import uuid
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

import psutil
from diemcau_wire.messages import Device

from .found import Found

GROUP, PORT = "239.255.255.250", 3702
WAIT_S = 1.6
MOST = 40  # cameras, and answers looked at for each of them
_AGAIN_S = 0.4
_LARGEST = 16_384  # an answer is one datagram of a few hundred bytes
_SCOPE = "onvif://www.onvif.org/"
_D = "{http://schemas.xmlsoap.org/ws/2005/04/discovery}"
_A = "{http://schemas.xmlsoap.org/ws/2004/08/addressing}"
_PROBE = """<?xml version="1.0" encoding="UTF-8"?>
<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"
 xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing"
 xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"
 xmlns:dn="http://www.onvif.org/ver10/network/wsdl">
<e:Header><w:MessageID>{id}</w:MessageID>
<w:To e:mustUnderstand="true">urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To>
<w:Action e:mustUnderstand="true">http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action></e:Header>
<e:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></e:Body></e:Envelope>"""


class NoAnswer(ValueError):
    """These bytes answer no question of ours; the text says why."""


def find(wait_s: float = WAIT_S) -> list[Found]:
    """The cameras that answer within `wait_s`, by address. Their sources have no user and password: somebody
    has to add those."""
    asked = f"uuid:{uuid.uuid4()}"
    probe = _PROBE.format(id=asked).encode()
    found: dict[str, Found] = {}
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(one) for one in _sockets()]
        for answer, sender in _answers(sockets, probe, wait_s):
            with contextlib.suppress(NoAnswer):
                camera = read_answer(answer, asked, sender)
                found.setdefault(camera.source, camera)
            if len(found) >= MOST:
                break
    return [found[source] for source in sorted(found)]


def read_answer(data: bytes, asked: str, sender: str) -> Found:
    """The camera at the address `sender` that answers the question `asked`. Raises :class:`NoAnswer`."""
    if len(data) > _LARGEST or b"<!" in data:  # no document type, so no entities
        raise NoAnswer("too long, or it brings definitions")
    from xml.etree import ElementTree  # only where somebody looks: the unit process is small

    try:
        envelope = ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise NoAnswer(str(error)) from None
    if (envelope.findtext(f".//{_A}RelatesTo") or "").strip() != asked:
        raise NoAnswer("it answers somebody else")
    match = envelope.find(f".//{_D}ProbeMatch")
    if match is None:
        raise NoAnswer("no match")
    source = _source(match.findtext(f"{_D}XAddrs") or "", sender)
    scopes = (match.findtext(f"{_D}Scopes") or "").split()
    name = _scope(scopes, "name") or _scope(scopes, "hardware") or sender
    details: dict[str, object] = {"address": sender}
    for key in ("hardware", "location"):
        if said := _scope(scopes, key):
            details[key] = said
    return Found(Device.CAMERA, source, name, details=details)


def _source(addresses: str, sender: str) -> str:
    """How a configuration names the camera: by one of its service's addresses that is the sender's own."""
    for address in addresses.split()[:8]:
        try:
            parts = urlsplit(address)
            port = parts.port or 80
        except ValueError:
            continue
        if parts.scheme == "http" and parts.hostname == sender:
            return f"onvif://{sender}" if port == 80 else f"onvif://{sender}:{port}"
    raise NoAnswer("it names no address of its own")


def _scope(scopes: list[str], key: str) -> str:
    """What a camera says of itself under a key, cleaned; "" when it says nothing."""
    start = f"{_SCOPE}{key}/"
    said = next((unquote(one[len(start) :]) for one in scopes if one.startswith(start)), "")
    text = "".join(letter if letter.isprintable() else " " for letter in unicodedata.normalize("NFC", said))
    return re.sub(r"\s+", " ", text).strip()[:100]


def _sockets() -> Iterator[socket.socket]:
    """One for each IPv4 network this machine is in."""
    for addresses in psutil.net_if_addrs().values():
        for one in addresses:
            if one.family != socket.AF_INET or one.address.startswith("127."):
                continue
            ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                ours.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(one.address))
                ours.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
                ours.bind((one.address, 0))
                ours.setblocking(False)
            except OSError:  # it has just gone
                ours.close()
                continue
            yield ours


def _answers(sockets: list[socket.socket], probe: bytes, wait_s: float) -> Iterator[tuple[bytes, str]]:
    """Ask, and give what comes, with the address it comes from."""
    began = time.monotonic()
    left, repeated = MOST * MOST, False
    _ask(sockets, probe)
    while sockets and left and (rest := began + wait_s - time.monotonic()) > 0:
        if not repeated and time.monotonic() - began >= _AGAIN_S:
            repeated = True
            _ask(sockets, probe)
        ready, _, _ = select.select(sockets, [], [], min(rest, _AGAIN_S))
        for one in ready:
            with contextlib.suppress(OSError):
                data, (sender, _) = one.recvfrom(_LARGEST + 1)
                left -= 1
                yield data, sender


def _ask(sockets: list[socket.socket], probe: bytes) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):  # a network without a way to the group
            one.sendto(probe, (GROUP, PORT))
