"""Answers to WS-Discovery for tests, as cameras give them: to whoever asks the multicast group for one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from typing import Self
from urllib.parse import quote
from xml.etree import ElementTree

GROUP, PORT = "239.255.255.250", 3702
_W = "{http://schemas.xmlsoap.org/ws/2004/08/addressing}"
_D = "{http://schemas.xmlsoap.org/ws/2005/04/discovery}"


class ProbeAnswers:
    """Answers on behalf of the camera at `xaddrs`, with its name; `besides` are other datagrams it sends
    first. `asked` counts the questions that were for a camera. A context."""

    def __init__(self, address: str, xaddrs: str, name: str, *, besides: Sequence[bytes] = ()) -> None:
        self._address, self._xaddrs, self._name, self._besides = address, xaddrs, name, besides
        self.asked = 0

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((GROUP, PORT))
        joined = socket.inet_aton(GROUP) + socket.inet_aton(self._address)
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, joined)
        self._socket.settimeout(0.1)
        self._says = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._says.bind((self._address, 0))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="probes")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()
        self._says.close()

    def _work(self) -> None:
        while not self._over.is_set():
            try:
                data, sender = self._socket.recvfrom(65536)
            except TimeoutError:
                continue
            probe = ElementTree.fromstring(data)
            types = probe.findtext(f".//{_D}Probe/{_D}Types") or ""
            if not types.endswith(":NetworkVideoTransmitter"):
                continue
            self.asked += 1
            for besides in self._besides:
                self._says.sendto(besides, sender)
            self._says.sendto(self._answer(probe.findtext(f".//{_W}MessageID") or ""), sender)

    def _answer(self, asked: str) -> bytes:
        return answer(asked, self._xaddrs, self._name)


def answer(asked: str, xaddrs: str, name: str) -> bytes:
    """What a camera says to the question `asked`."""
    scopes = f"onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/name/{quote(name)} " + (
        "onvif://www.onvif.org/hardware/DC-100 onvif://www.onvif.org/location/phong%20hop"
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"
 xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"
 xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><s:Header>
<a:MessageID>uuid:11111111-2222-3333-4444-555555555555</a:MessageID><a:RelatesTo>{asked}</a:RelatesTo>
<a:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:To>
<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches</a:Action></s:Header><s:Body>
<d:ProbeMatches><d:ProbeMatch><a:EndpointReference>
<a:Address>urn:uuid:99999999-2222-3333-4444-555555555555</a:Address></a:EndpointReference>
<d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>{scopes}</d:Scopes><d:XAddrs>{xaddrs}</d:XAddrs>
<d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>""".encode()
