"""Where the demonstration's traffic goes: a network of its own, or else an address of this machine."""

from __future__ import annotations

import fcntl
import socket
import struct
from dataclasses import dataclass

from .. import namespace

_SIOCGIFADDR = 0x8915
PAGE_PORT = 8443


class NoAddress(OSError):
    """There is nowhere for media to go; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Network:
    """`address` is where units meet Janus, broker and controller; `page` listens for people's browsers on
    127.0.0.1, outside; `remark` says what is unusual."""

    address: str
    page: socket.socket
    remark: str = ""

    @property
    def page_url(self) -> str:
        """What to open in a browser on this machine."""
        return f"https://127.0.0.1:{self.page.getsockname()[1]}"


def set_up(page_port: int | None = None, *, reach_out: bool = False) -> Network:
    """Open the page's socket, then enter a network namespace (before any thread is started).

    Where that is forbidden, or when a hall must `reach_out` to a camera in the machine's own network, the
    machine's first address serves. Raises :class:`NoAddress` when there is none, or `page_port` is taken.
    """
    page = _page(page_port)
    if namespace.inside():
        return Network(namespace.ADDRESS, page)
    why = "a camera is in the network" if reach_out else namespace.obstacle()
    if why is None:
        namespace.enter()
        return Network(namespace.ADDRESS, page)
    address = first_address()
    if address is None:
        raise NoAddress(
            f"the demonstration can have no network of its own ({why}), and this machine has no network "
            "address: connect it to a network"
        )
    return Network(address, page, f"no network of its own ({why}): it uses {address} of this machine")


def first_address() -> str | None:
    """The first IPv4 address of this machine that is not the loopback's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(probe, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:
                continue
            address = socket.inet_ntoa(answer[20:24])
            if not address.startswith("127."):
                return address
    return None


def free_ports(address: str, count: int) -> list[int]:
    """TCP ports that nobody listens on at `address`."""
    probes = [socket.create_server((address, 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _page(port: int | None) -> socket.socket:
    if port is not None:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError as error:
            raise NoAddress(f"the page cannot be served on 127.0.0.1 port {port}: {error.strerror}") from None
    try:
        return socket.create_server(("127.0.0.1", PAGE_PORT))
    except OSError:
        return socket.create_server(("127.0.0.1", 0))
