"""Wheels come from a server in the site's own network first: not waited for, believed no more than any."""

from __future__ import annotations

import itertools
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from diemcau_agent.rules.updating import Step
from diemcau_agent.updating import line as lines
from diemcau_agent.updating.places import Places
from diemcau_wire.release import TARGETS_PATH, wheel_path

from tests.system.release_server import ReleaseServer
from tests.system.updated_unit import NEW, OLD, UpdatedUnit, release_of, wheel

pytestmark = pytest.mark.namespace

CHANCE = random.Random(9)
CONTENTS = {name: CHANCE.randbytes(90_000) for name in ("diemcau-agent", "numpy", "av")}
WHEELS = [wheel(name, content, "1.1") for name, content in CONTENTS.items()]
FIRST = wheel("diemcau-agent", b"the agent as it was")


def files(folder: str = "") -> dict[str, bytes]:
    """What a server has, below `folder`."""
    at = {one.name: folder + TARGETS_PATH + wheel_path(one) for one in WHEELS}
    return {at[name]: content for name, content in CONTENTS.items()}


@pytest.fixture
def server() -> Iterator[ReleaseServer]:
    made = ReleaseServer(files())
    yield made
    made.close()


@pytest.fixture
def near() -> Iterator[ReleaseServer]:
    made = ReleaseServer(files("/nas"))
    yield made
    made.close()


@pytest.fixture
def unit(tmp_path: Path, server: ReleaseServer, near: ReleaseServer) -> UpdatedUnit:
    release = release_of(NEW, WHEELS)
    made = UpdatedUnit.laid(
        tmp_path / "unit", release_of(OLD, [FIRST]), find=lambda *_: release, line=server.line
    )
    tell(made.places, f"http://127.0.0.1:{near.port}/nas")
    made.order(apply=False)
    return made


def tell(places: Places, neighbour: object) -> None:
    """What the unit process lets the updater know."""
    places.coordinator.write_text(json.dumps({"v": 1, "web_url": "https://c:1", "neighbour": neighbour}))


def test_wheels_come_from_the_neighbour(
    unit: UpdatedUnit, server: ReleaseServer, near: ReleaseServer
) -> None:
    near.cuts = [40_000]  # a line that breaks is no failure
    assert unit.go()
    assert unit.state.step is Step.STAGED and unit.state.neighbour_failed == ""
    assert (server.body_bytes, near.body_bytes) == (0, sum(one.size for one in WHEELS))


def lies(near: ReleaseServer) -> None:
    near.files = {path: bytes(len(content)) for path, content in near.files.items()}


def is_longer(near: ReleaseServer) -> None:
    near.files = {path: content + b"more" for path, content in near.files.items()}


def lacks_one(near: ReleaseServer) -> None:
    near.files = dict([*near.files.items()][:1])


def fails(near: ReleaseServer) -> None:
    near.status = 500


def is_not_there(near: ReleaseServer) -> None:
    near.close()


@pytest.mark.parametrize(
    ("does", "why"),
    [
        (lies, "not the one that was signed"),
        (is_longer, "bytes, not"),
        (lacks_one, "the server has no"),
        (fails, "500"),
        (is_not_there, "refused"),
    ],
)
def test_whatever_it_cannot_do_the_coordinators_server_does(
    unit: UpdatedUnit,
    server: ReleaseServer,
    near: ReleaseServer,
    does: Callable[[ReleaseServer], None],
    why: str,
) -> None:
    does(near)
    assert unit.go()
    assert unit.state.step is Step.STAGED and why in unit.state.neighbour_failed
    kept = 1 if does is lacks_one else 0
    assert {path for path, _ in server.asked} == {*[*files()][kept:]}
    asked = len(near.asked)
    assert asked <= kept + 2, "it is left in peace for this release"


def test_a_slow_one_is_not_waited_for(unit: UpdatedUnit, server: ReleaseServer, near: ReleaseServer) -> None:
    gone_s = 0.0

    def slowly() -> float:  # each look at the clock finds a minute gone
        nonlocal gone_s
        gone_s += 60
        return gone_s

    unit.with_hands(seconds=slowly)
    assert unit.go()
    assert unit.state.step is Step.STAGED and "slower than 64 kbit/s" in unit.state.neighbour_failed
    assert len({path for path, _ in near.asked}) == 1 and len({path for path, _ in server.asked}) == 3
    assert server.asked[0][1] > 0, "it goes on from where that one was left"


def test_that_we_are_slow_ourselves_is_not_its_fault(unit: UpdatedUnit, near: ReleaseServer) -> None:
    unit.order(apply=False, rate_bps=16_000)
    assert unit.go()
    assert unit.seconds > 100 and unit.state.neighbour_failed == ""
    assert near.body_bytes == sum(one.size for one in WHEELS)


def test_one_that_accepts_and_says_nothing_is_left_within_seconds(
    unit: UpdatedUnit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "NEAR_SILENT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tell(unit.places, f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        assert unit.go()
    assert time.monotonic() - began < 10 and "timed out" in unit.state.neighbour_failed


def drip(line: socket.socket) -> None:
    """A byte of an answer now and then."""
    for letter in itertools.cycle(b"X-More: 1\r\n"):
        line.sendall(bytes([letter]))
        time.sleep(0.02)


def go_on_soon(line: socket.socket) -> None:
    """Always about to answer."""
    while True:
        line.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.02)


def never_end(line: socket.socket) -> None:
    """The end of the file comes at once, what comes after it never ends."""
    line.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
    drip(line)


def give_others(number: bytes) -> Callable[[socket.socket], None]:
    def give(line: socket.socket) -> None:
        size = b"%d" % WHEELS[0].size
        said = b"HTTP/1.1 206 Partial Content\r\nContent-Length: 9\r\nContent-Range: bytes "
        line.sendall(said + number + b"-" + number + b"/" + size + b"\r\n\r\nnonsense!")

    return give


@pytest.mark.parametrize(
    ("does", "why"),
    [
        (drip, ""),
        (go_on_soon, "timed out"),
        (never_end, "without its length"),
        (give_others(b"7"), "byte 7 on"),
        (give_others(b"9" * 30), "206"),
        (give_others(b"9" * 5000), "206"),
    ],
)
def test_one_that_plays_tricks_is_left_within_seconds(
    unit: UpdatedUnit, monkeypatch: pytest.MonkeyPatch, does: Callable[[socket.socket], None], why: str
) -> None:
    monkeypatch.setattr(lines, "NEAR_SILENT_S", 0.3)

    def serve() -> None:
        with suppress(OSError), tricky.accept()[0] as line:
            line.recv(4096)
            does(line)

    with socket.create_server(("127.0.0.1", 0)) as tricky:
        threading.Thread(target=serve, daemon=True).start()
        tell(unit.places, f"http://127.0.0.1:{tricky.getsockname()[1]}")
        began = time.monotonic()
        assert unit.go()
    assert time.monotonic() - began < 10 and unit.state.step is Step.STAGED
    assert unit.state.neighbour_failed and why in unit.state.neighbour_failed


@pytest.mark.parametrize(
    "said",
    [
        *(None, "", 7, "ftp://a", "http://a:99999", "http://a/../b?c", "http://" + 400 * "a"),
        *("http://192.168.1..5", "http://" + 64 * "a" + ".lan", "http://[1::2::3]"),
    ],
)
def test_what_is_no_address_is_no_neighbour(unit: UpdatedUnit, server: ReleaseServer, said: object) -> None:
    tell(unit.places, said)
    assert lines.neighbour(unit.places) is None
    assert unit.go() and unit.state.step is Step.STAGED
    assert server.body_bytes == sum(one.size for one in WHEELS)
