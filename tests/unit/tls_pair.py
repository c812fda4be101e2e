"""A server and a client of Python's own TLS, shaking hands over a socket pair."""

import socket
import ssl
import threading
from pathlib import Path

Pair = tuple[Path, Path]  # key, certificate


class Refused(Exception):
    """One of the two did not accept the other."""


def shake_hands(server: Pair, clients_by: Path, client: Pair, servers_by: Path) -> str:
    """Let `client`, who trusts `servers_by`, connect to 127.0.0.1 as `server`, who trusts `clients_by`.

    Gives the CN the server saw. Raises :class:`Refused`.
    """
    here = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(clients_by))
    here.load_cert_chain(server[1], server[0])
    here.verify_mode = ssl.CERT_REQUIRED
    there = ssl.create_default_context(cafile=str(servers_by))
    there.load_cert_chain(client[1], client[0])
    near, far = socket.socketpair()
    seen: list[str] = []

    def serve() -> None:
        try:
            with here.wrap_socket(near, server_side=True) as tls:
                subject = (tls.getpeercert() or {})["subject"]
                seen.append(dict(pair[0] for pair in subject)["commonName"])  # type: ignore[misc]
                tls.sendall(b"x")
        except OSError:
            near.close()

    far.settimeout(10)
    near.settimeout(10)
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with there.wrap_socket(far, server_hostname="127.0.0.1") as tls:
            if tls.recv(1) != b"x":
                raise Refused("hung up on")
    except OSError as error:
        raise Refused(str(error)) from None
    finally:
        far.close()
        thread.join(10)
    return seen[0]
