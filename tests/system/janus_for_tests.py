"""A Janus of our own for tests of the media process: own certificate, own ports, one state folder."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ADDRESS = "198.51.100.1"
PORT = 8989
ROOM = "room-test"
PIN = "1234-test"
SECRET = "secret-of-the-room"
_MODULES = Path("/usr/lib")


@dataclass
class Janus:
    """A running Janus with one room. `url` and `ca` are what a client needs."""

    folder: Path
    process: subprocess.Popen[bytes]
    url: str = f"wss://{ADDRESS}:{PORT}"
    room: str = ROOM
    pin: str = PIN

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def join(self) -> dict[str, str]:
        return {"url": self.url, "room": self.room, "pin": self.pin}

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


def start(folder: Path) -> Janus:
    """Start Janus with its configuration in `folder` and wait until it accepts connections."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "ca.crt").exists():
        certificate(folder)
    _configuration(folder)
    log = (folder / "janus.out").open("ab")
    process = subprocess.Popen(
        ["janus", f"--configs-folder={folder}"],
        stdout=log,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
    )
    log.close()
    deadline = time.monotonic() + 15
    while True:
        try:
            socket.create_connection((ADDRESS, PORT), 1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise RuntimeError((folder / "janus.out").read_text()[-2000:]) from None
            time.sleep(0.05)
        else:
            return Janus(folder, process)


def certificate(folder: Path) -> None:
    """A self-signed certificate that is its own CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "janus of a test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(ADDRESS))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "janus.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def _configuration(folder: Path) -> None:
    modules = next(_MODULES.glob("*/janus"))
    (folder / "janus.jcfg").write_text(f"""
general: {{
  configs_folder = "{folder}"
  plugins_folder = "{modules}/plugins"
  transports_folder = "{modules}/transports"
  events_folder = "{modules}/events"
  loggers_folder = "{modules}/loggers"
  debug_level = 4
  debug_timestamps = true
  session_timeout = 60
  event_loops = 2
}}
certificates: {{ }}
media: {{ ipv6 = false }}
nat: {{ ice_enforce_list = "198.51.100." }}
plugins: {{ disable = "libjanus_audiobridge.so,libjanus_duktape.so,libjanus_echotest.so,libjanus_lua.so,libjanus_nosip.so,libjanus_recordplay.so,libjanus_sip.so,libjanus_streaming.so,libjanus_textroom.so,libjanus_videocall.so,libjanus_voicemail.so" }}
transports: {{ disable = "libjanus_http.so,libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_pfunix.so,libjanus_rabbitmq.so" }}
events: {{ broadcast = false }}
""")  # noqa: E501
    (folder / "janus.transport.websockets.jcfg").write_text(f"""
general: {{ ws = false
  wss = true
  wss_port = {PORT}
  wss_ip = "{ADDRESS}" }}
admin: {{ admin_ws = false }}
certificates: {{ cert_pem = "{folder}/ca.crt"
  cert_key = "{folder}/janus.key" }}
""")
    (folder / "janus.plugin.videoroom.jcfg").write_text(f"""
general: {{ string_ids = true
  admin_key = "key-of-the-test" }}
room-{ROOM}: {{
  description = "test"
  secret = "{SECRET}"
  pin = "{PIN}"
  is_private = true
  publishers = 200
  bitrate = 3000000
  audiocodec = "opus"
  videocodec = "h264"
  h264_profile = "42e01f"
  opus_fec = true
}}
""")
