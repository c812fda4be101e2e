"""Releases as nginx gives them out: to the client of python-tuf, in pieces, and nothing beside them."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from diemcau_agent.updating.download import Manner, Store
from diemcau_agent.updating.line import neighbour
from diemcau_agent.updating.nearby import Nearby
from diemcau_agent.updating.places import Places
from diemcau_controller.adapters.authority import Authority
from diemcau_controller.adapters.nginx_config import FrontDoor, write_nginx_config
from diemcau_controller.adapters.releases.repository import Repository
from diemcau_controller.config import StateDir
from diemcau_controller.namespace import ADDRESS
from diemcau_wire.release import METADATA_PATH, TARGETS_PATH, release_target, wheel_path
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from tests.release_for_tests import signed_release

pytestmark = pytest.mark.namespace

DOCS = Path(__file__).parents[2] / "docs"
HTTPS, GUESTS = 28895, 28896
URL = f"https://{ADDRESS}:{HTTPS}"


class Served(FetcherInterface):
    """nginx in front of a state folder with a release, and nobody behind it."""

    def __init__(self, folder: Path) -> None:
        self.state = StateDir(folder / "state")
        self.state.make()
        authority = Authority(folder / "ca")
        key, certificate = authority.server_certificate([], [ADDRESS], files="services")
        self.trust = authority.ca_path
        self.tls = ssl.create_default_context(cafile=str(authority.ca_path))
        nowhere = folder / "nowhere.sock"
        config = write_nginx_config(
            folder / "nginx",
            FrontDoor(
                listen=(f"{ADDRESS}:{HTTPS}",),
                guests=f"{ADDRESS}:{GUESTS}",
                key=key,
                certificate=certificate,
                trust=authority.ca_path,
                controller=nowhere,
                porter=nowhere,
                releases=self.state.releases,
                releases_at_once=2,
                releases_kbit_s=800,
            ),
        )
        argv = ["/usr/sbin/nginx", "-e", "stderr", "-p", str(folder / "nginx"), "-c", str(config)]
        self.nginx = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def get(self, path: str, **headers: str) -> tuple[int, bytes, http.client.HTTPMessage]:
        line = http.client.HTTPSConnection(ADDRESS, HTTPS, timeout=10, context=self.tls)
        try:
            line.request(
                "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()}
            )
            answer = line.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            line.close()

    def _fetch(self, url: str) -> Iterator[bytes]:
        status, body, _ = self.get(urllib.request.Request(url).selector)
        if status != 200:
            raise DownloadHTTPError(url, status)
        yield body


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("served"))
    for _ in range(200):
        try:
            made.get("/")
            break
        except ConnectionRefusedError:
            time.sleep(0.02)
    yield made
    made.nginx.terminate()
    made.nginx.wait(10)


def test_a_client_of_tuf_finds_a_release_and_fetches_its_wheels_in_pieces(
    served: Served, tmp_path: Path
) -> None:
    assert served.get(f"{METADATA_PATH}timestamp.json")[0] == 404  # before there are keys
    release = signed_release(served.state, "1.0.0")
    updater = Updater(
        str(tmp_path),
        URL + METADATA_PATH,
        str(tmp_path),
        URL + TARGETS_PATH,
        fetcher=served,
        config=UpdaterConfig(prefix_targets_with_hash=False),
        bootstrap=Repository(served.state).first_root(),
    )
    found = updater.get_targetinfo(release_target("1.0.0"))
    assert found is not None
    assert b'"1.0.0"' in Path(updater.download_target(found)).read_bytes()

    path = TARGETS_PATH + wheel_path(release.parts[0])
    status, whole, headers = served.get(path)
    assert status == 200 and len(whole) == release.parts[0].size and headers["ETag"] is None
    status, rest, headers = served.get(path, Range="bytes=100-", If_Range=headers["Last-Modified"])
    assert status == 206 and rest == whole[100:]
    assert served.get(path, Range=f"bytes={len(whole)}-")[0] == 416


def test_a_server_in_the_hall_keeps_wheels_by_the_lines_of_the_page(served: Served, tmp_path: Path) -> None:
    """The block in docs/updating.md, with other addresses and folders: nginx before nginx."""
    near = f"{ADDRESS}:28897"
    (block,) = re.findall(r"```nginx\n(.*?)```", (DOCS / "updating.md").read_text(), re.DOTALL)
    for stands, means in (
        ("/var/cache/diemcau", str(tmp_path / "cache")),
        ("listen 8080", f"listen {near}"),
        ("https://hop.tinh.example:8443", URL),
        ("/etc/nginx/diemcau-ca.crt", str(served.trust)),
    ):
        assert block.count(stands) == 1
        block = block.replace(stands, means)
    config = tmp_path / "nginx.conf"
    user = "user root root;" if os.geteuid() == 0 else ""
    config.write_text(
        f"{user} daemon off; pid {tmp_path}/pid; events {{}} http {{ access_log off; {block} }}"
    )
    places, store = Places(tmp_path / "unit"), Store(tmp_path / "wheels")
    places.shared.mkdir(parents=True)
    places.coordinator.write_text(json.dumps({"neighbour": f"http://{near}"}))
    line = neighbour(places)
    assert line is not None
    wheel = signed_release(served.state, "1.0.0").parts[0]

    def fetch() -> bytes:
        store.path(wheel).unlink(missing_ok=True)
        patient = Manner(time.sleep, lambda: 0.5, lambda: None, lambda _: None)
        Nearby(line, store, patient, seconds=time.monotonic).fetch(wheel)
        return store.path(wheel).read_bytes()

    on_disk = served.state.releases / "targets" / wheel_path(wheel)
    content = on_disk.read_bytes()
    with running(["/usr/sbin/nginx", "-e", "stderr", "-p", str(tmp_path), "-c", str(config)], near):
        assert fetch() == content
        on_disk.unlink()  # the line is down: it has it already
        assert fetch() == content
        asked = http.client.HTTPConnection(near, timeout=5)
        asked.request("GET", f"{METADATA_PATH}timestamp.json")
        assert asked.getresponse().status == 404, "what is newest only the coordinator says"
        asked.close()
    on_disk.write_bytes(content)


@contextmanager
def running(command: list[str], address: str) -> Iterator[None]:
    """A server, until the block ends."""
    host, _, port = address.partition(":")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with suppress(OSError), socket.create_connection((host, int(port)), 1):
                break
            assert process.poll() is None, "nginx ended"
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(10)


def test_nothing_else_is_given_out(served: Served) -> None:
    signed_release(served.state, "1.0.0")
    (served.state.releases / "signing" / "targets.json").write_text("{}")
    for path in (
        "/releases/",
        "/releases/root.json",
        "/releases/signing/targets.json",
        "/releases/signing/.lock",
        "/releases/metadata/../signing/targets.json",
        "/releases/targets/..%2f..%2fgenerated/releases-online.key",
        "/releases/targets../generated/releases-online.key",
    ):
        assert served.get(path)[0] in (400, 404, 503), path  # 503: the controller's, which is not there
    for path in (METADATA_PATH, TARGETS_PATH, f"{TARGETS_PATH}wheels/"):
        assert served.get(path)[0] in (403, 404), path
    (served.state.releases / "signing" / "targets.json").unlink()


def test_so_many_at_once_each_so_fast_and_others_come_again(served: Served) -> None:
    large = served.state.releases / "targets" / "large"
    large.write_bytes(bytes(200_000))
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        answers = [one[0] for one in pool.map(lambda _: served.get(f"{TARGETS_PATH}large"), range(4))]
    assert sorted(answers) == [200, 200, 429, 429]
    assert time.monotonic() - began > 0.8  # 200 kB at 100 kB/s
    large.unlink()


def test_whole_systems_do_not_keep_a_release_waiting(served: Served) -> None:
    targets = served.state.releases / "targets"
    (targets / "systems/1.0.0").mkdir(parents=True)
    small, bundle = targets / "small", targets / "systems/1.0.0/bundle"
    small.write_bytes(b"x")
    bundle.write_bytes(bytes(200_000))
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(served.get, f"{TARGETS_PATH}systems/1.0.0/bundle") for _ in range(3)]
        wait(asked, return_when=FIRST_COMPLETED)  # one was sent away: the others are being served
        assert served.get(f"{TARGETS_PATH}small")[0] == 200
        assert not all(one.done() for one in asked)
    assert sorted(one.result()[0] for one in asked) == [200, 200, 429]
    shutil.rmtree(targets / "systems")
    small.unlink()
