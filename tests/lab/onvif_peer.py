"""An ONVIF camera for tests: device, media and PTZ services over HTTP, in front of a real RTSP server.

Not a product and not certified: it is ours. What keeps it honest: every request is parsed and every answer is
made by zeep from ONVIF's own WSDL files, strictly, so that what the schema does not have is an error; and the
WS-Security UsernameToken is checked as the standard says (digest of nonce, time and password; the time near
the camera's own clock; no nonce twice).
"""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import onvif
from lxml import etree
from zeep import Client
from zeep.exceptions import Error

_WSDL = Path(onvif.__file__).parent / "wsdl"
_SOAP = "http://www.w3.org/2003/05/soap-envelope"
_WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
_ERROR = "http://www.onvif.org/ver10/error"
_SERVICES = {
    "device_service": ("devicemgmt.wsdl", "http://www.onvif.org/ver10/device/wsdl"),
    "media_service": ("media.wsdl", "http://www.onvif.org/ver10/media/wsdl"),
    "ptz_service": ("ptz.wsdl", "http://www.onvif.org/ver20/ptz/wsdl"),
}
_OPEN_TO_ALL = {"GetSystemDateAndTime", "GetServices", "GetCapabilities"}  # access class PRE_AUTH
_SKEW_S = 60.0


@cache
def _client(file: str) -> Client:
    return Client(str(_WSDL / file))


@dataclass(frozen=True)
class Stream:
    """A profile: where its pictures are."""

    uri: str
    width: int
    height: int
    encoding: str = "H264"


@dataclass
class OnvifPeer:
    """A camera at `address`; a context. `calls` are the operations carried out, `refused` those it did not.

    `presets` maps names to what `turn` gets; `key_frame` gets the stream whose key frame is wanted.
    `ahead_s`: so much is its clock ahead of ours. `mute`: it takes connections and says nothing.
    """

    address: str
    port: int
    user: str
    password: str
    streams: dict[str, Stream]
    presets: dict[str, str] = field(default_factory=dict)
    turn: Callable[[str], None] = lambda _: None
    key_frame: Callable[[str], None] = lambda _: None
    ahead_s: float = 0.0
    mute: bool = False
    calls: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    _nonces: set[bytes] = field(default_factory=set)

    @property
    def source(self) -> str:
        """What a configuration names it by."""
        user = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return f"onvif://{user}@{self.address}:{self.port}"

    @property
    def service(self) -> str:
        """Where its device service is, as it would tell whoever looks for cameras."""
        return f"http://{self.address}:{self.port}/onvif/device_service"

    def __enter__(self) -> Self:
        self._clients = {name: _client(file) for name, (file, _) in _SERVICES.items()}
        self._server = ThreadingHTTPServer((self.address, self.port), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, body: bytes) -> bytes:
        """The envelope that answers one."""
        name = path.rpartition("/")[2]
        client = self._clients[name]
        envelope = etree.fromstring(body)
        asked = envelope.find(f"{{{_SOAP}}}Body")[0]
        operation = etree.QName(asked).localname
        if operation not in _OPEN_TO_ALL and not self._lets_in(envelope):
            self.refused.append(operation)
            return _fault("Sender", "NotAuthorized", "The action requires authorization")
        request = client.get_element(etree.QName(asked).text).parse(asked, client.wsdl.types)
        self.calls.append(operation)
        try:
            values = getattr(self, f"_{operation}")(request)
        except (AttributeError, KeyError) as error:
            return _fault("Receiver", "ActionNotSupported", f"{operation}: {error}")
        namespace = _SERVICES[name][1]
        element = client.get_element(f"{{{namespace}}}{operation}Response")
        soap = etree.Element(f"{{{_SOAP}}}Envelope", nsmap={"s": _SOAP})
        element.render(etree.SubElement(soap, f"{{{_SOAP}}}Body"), element(**values))
        return etree.tostring(soap)

    def _lets_in(self, envelope: Any) -> bool:
        """OASIS Web Services Security UsernameToken Profile 1.0, password digest."""
        token = envelope.find(f".//{{{_WSSE}}}UsernameToken")
        if token is None:
            return False
        nonce = base64.b64decode(token.findtext(f"{{{_WSSE}}}Nonce") or "")
        created = token.findtext(f"{{{_WSU}}}Created") or ""
        digest = hashlib.sha1(nonce + created.encode() + self.password.encode()).digest()
        fresh = abs(datetime.fromisoformat(created).timestamp() - time.time() - self.ahead_s) < _SKEW_S
        right = (
            token.findtext(f"{{{_WSSE}}}Username") == self.user
            and token.findtext(f"{{{_WSSE}}}Password") == base64.b64encode(digest).decode()
        )
        once = nonce not in self._nonces
        self._nonces.add(nonce)
        return fresh and right and once

    # what each operation answers

    def _GetSystemDateAndTime(self, _: Any) -> dict[str, Any]:
        now = datetime.fromtimestamp(time.time() + self.ahead_s, UTC)
        moment = {
            "Time": {"Hour": now.hour, "Minute": now.minute, "Second": now.second},
            "Date": {"Year": now.year, "Month": now.month, "Day": now.day},
        }
        said = {"DateTimeType": "Manual", "DaylightSavings": False, "UTCDateTime": moment}
        return {"SystemDateAndTime": said}

    def _GetServices(self, _: Any) -> dict[str, Any]:
        at = self.service.removesuffix("device_service")
        version = {"Major": 2, "Minor": 60}
        services = [
            {"Namespace": space, "XAddr": at + name, "Version": version}
            for name, (_, space) in _SERVICES.items()
            if name != "ptz_service" or self.presets
        ]
        return {"Service": services}

    def _GetProfiles(self, _: Any) -> dict[str, Any]:
        return {"Profiles": [self._profile(name, stream) for name, stream in self.streams.items()]}

    def _profile(self, name: str, stream: Stream) -> dict[str, Any]:
        address = {"Type": "IPv4", "IPv4Address": "0.0.0.0"}
        coder = {
            "token": f"encoder-{name}",
            "Name": name,
            "UseCount": 1,
            "Encoding": stream.encoding,
            "Resolution": {"Width": stream.width, "Height": stream.height},
            "Quality": 5.0,
            "RateControl": {"FrameRateLimit": 15, "EncodingInterval": 1, "BitrateLimit": 600},
            "H264": {"GovLength": 60, "H264Profile": "Main"},
            "Multicast": {"Address": address, "Port": 0, "TTL": 1, "AutoStart": False},
            "SessionTimeout": "PT60S",
        }
        return {"token": name, "fixed": True, "Name": name, "VideoEncoderConfiguration": coder}

    def _GetStreamUri(self, request: Any) -> dict[str, Any]:
        assert request.StreamSetup.Transport.Protocol == "RTSP"
        uri = self.streams[request.ProfileToken].uri
        answer = {"Uri": uri, "InvalidAfterConnect": False, "InvalidAfterReboot": False, "Timeout": "PT0S"}
        return {"MediaUri": answer}

    def _SetSynchronizationPoint(self, request: Any) -> dict[str, Any]:
        self.streams[request.ProfileToken]
        self.key_frame(request.ProfileToken)
        return {}

    def _GetPresets(self, request: Any) -> dict[str, Any]:
        self.streams[request.ProfileToken]
        names = list(self.presets)
        return {"Preset": [{"token": str(at + 1), "Name": name} for at, name in enumerate(names)]}

    def _GotoPreset(self, request: Any) -> dict[str, Any]:
        self.streams[request.ProfileToken]
        self.turn(list(self.presets.values())[int(request.PresetToken) - 1])
        return {}


def _fault(code: str, subcode: str, reason: str) -> bytes:
    """A SOAP 1.2 fault as ONVIF's core specification words it."""
    return f"""<s:Envelope xmlns:s="{_SOAP}" xmlns:ter="{_ERROR}"><s:Body><s:Fault>
<s:Code><s:Value>s:{code}</s:Value><s:Subcode><s:Value>ter:{subcode}</s:Value></s:Subcode></s:Code>
<s:Reason><s:Text xml:lang="en">{reason}</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>""".encode()


def _handler(peer: OnvifPeer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if peer.mute:
                time.sleep(30)
                return
            try:
                answer = peer.answer(self.path, body)
            except (Error, KeyError, ValueError) as error:
                answer = _fault("Sender", "InvalidArgVal", f"{type(error).__name__}: {error}")
            self.send_response(500 if b":Fault>" in answer else 200)
            self.send_header("Content-Type", "application/soap+xml; charset=utf-8")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    return Handler
