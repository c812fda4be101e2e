"""Whether the unit itself answers at an address is OpenSSH's word, not that of whoever answers there."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from contextlib import suppress
from types import SimpleNamespace

import pytest
from diemcau_controller.adapters.ssh_answer import why_not

pytestmark = pytest.mark.namespace

LIE = b"x\ndiemcau-maintenance@hall: Permission denied (publickey)."


def goodbye(text: bytes) -> bytes:
    """SSH_MSG_DISCONNECT before any key was exchanged (RFC 4253)."""
    payload = struct.pack(">BII", 1, 2, len(text)) + text + bytes(4)
    padding = 16 - (5 + len(payload)) % 8
    return struct.pack(">IB", 1 + len(payload) + padding, padding) + payload + bytes(padding)


@pytest.mark.parametrize("says", [b"", b"SSH-2.0-x\r\n" + goodbye(LIE), LIE + b"\r\n", LIE[2:] + b"\r\n"])
def test_another_machine_does_not_pass_for_the_unit(says: bytes) -> None:
    def serve() -> None:
        with suppress(OSError), other.accept()[0] as line:
            line.recv(255)
            line.sendall(says)
            line.shutdown(socket.SHUT_WR)
            while line.recv(4096):
                pass

    with socket.create_server(("127.0.0.1", 0)) as other:
        threading.Thread(target=serve, daemon=True).start()
        unit = SimpleNamespace(
            unit="u000000000001",
            host="127.0.0.1",
            port=other.getsockname()[1],
            user="diemcau-maintenance",
            certificate="",
            known_hosts="",
            revoked_hosts="/dev/null",
        )
        assert asyncio.run(why_not(unit)) != ""
